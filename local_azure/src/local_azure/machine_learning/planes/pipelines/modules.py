"""What graphs are made of: data types, modules (a step's interface and snapshot), data sources; and graphs.

SDK callers: `azureml.pipeline.core._aeva_provider`. This plane writes keys in PascalCase and lists as bare arrays.
"""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Any

from starlette.responses import JSONResponse

from local_azure.machine_learning.clock import new_id, timestamp
from local_azure.machine_learning.errors import not_implemented
from local_azure.machine_learning.http.call import Call
from local_azure.machine_learning.http.routing import Plane
from local_azure.machine_learning.storage.store import Document, Store

PLANE = Plane("Pipelines: modules and graphs")
P = "/pipelines/v1.0{W}"
ACTIVE = "0"

MODULE, DATA_SOURCE, GRAPH = "module", "data_source", "graph"
# ParallelRunStep, HyperDrive and the like carry other step types; running them as plain scripts would be a lie.
STEP_TYPES = ("PythonScriptStep", "CommandStep")
DATA_MODES = ("mount", "download", "upload", "direct")
DATA_TYPES = (
    "AnyFile", "AzureBlobReference", "AzureDataLakeReference", "AzureFilesReference", "AzureSqlDatabaseReference",
    "AzurePostgresDatabaseReference", "AzureDataLakeGen2Reference", "AzureMLDataset", "AzureMySqlDatabaseReference",
    "DBFSReference", "AnyDirectory",
)  # fmt: skip


def refuse_mode(name: str, mode: str | None) -> None:
    """Raise where data would have to come or go in a way that is not there, such as `as_hdfs`."""
    if mode and mode.lower() not in DATA_MODES:
        raise not_implemented(f"the mode '{mode}' of '{name}' (only {', '.join(DATA_MODES)})")


def refuse_spot(name: str, path: str | None) -> None:
    """Raise where data would have to lie outside of the working directory of the script."""
    if path and (PurePosixPath(path).is_absolute() or ".." in PurePosixPath(path).parts):
        raise not_implemented(f"the path_on_compute '{path}' of '{name}'; give one in the working directory, or none")


def entity(key: str | None = None) -> Document:
    """The keys that every entity of this plane starts with."""
    now = timestamp()
    return {
        "Id": key or new_id(),
        "Etag": "0",
        "CreatedDate": now,
        "LastModifiedDate": now,
        "EntityStatus": ACTIVE,
    }


@PLANE.route("GET", P + "/DataTypes")
def data_types(call: Call) -> list[Document]:
    """The types that the client would otherwise create one by one."""
    return [
        {
            **entity(name),
            "CreatedDate": call.workspace.created,
            "LastModifiedDate": call.workspace.created,
            "Name": name,
            "Description": name,
            "IsDirectory": name == "AnyDirectory",
            "ParentDataTypeIds": [],
        }
        for name in DATA_TYPES
    ]


def _parameters(listed: list[Document] | None) -> list[Document]:
    return [
        {
            "Name": parameter["Name"],
            "DefaultValue": parameter.get("DefaultValue"),
            "IsOptional": parameter.get("IsOptional"),
            "Type": "3",
        }
        for parameter in listed or []
    ]


def _module_view(module: Document) -> Document:
    """A module with its interface spelled out a second time, as the client reads it back."""
    interface = module["StructuredInterface"]
    inputs = [
        {"Name": port["Name"], "DataTypesIds": port.get("DataTypeIdsList"), "IsOptional": port.get("IsOptional")}
        for port in interface.get("Inputs") or []
    ]
    outputs = [{"Name": p["Name"], "DataTypeId": p.get("DataTypeId")} for p in interface.get("Outputs") or []]
    return {
        "Data": module,
        "Interface": {
            "Parameters": _parameters(interface.get("Parameters")),
            "MetadataParameters": _parameters(interface.get("MetadataParameters")),
            "DataPathParameters": [],
            "DataPathParameterList": [],
            "Ports": {"Inputs": inputs, "Outputs": outputs},
        },
    }


@PLANE.route("GET", P + "/Modules/Hash/{identifier_hash}")
def module_by_hash(call: Call, store: Store, *, identifier_hash: str) -> JSONResponse:
    """The module of this content, or JSON null; a hit saves the client the upload of the snapshot."""
    found = store.find(call.ws, MODULE, name=identifier_hash, newest_first=True, limit=1)
    return JSONResponse(_module_view(found[0]) if found else None)


@PLANE.route("POST", P + "/Modules")
def create_module(call: Call, store: Store) -> Document:
    """Store a module; step kinds that are not run here are refused by name."""
    posted = call.document()
    if posted.get("StepType") not in STEP_TYPES:
        raise not_implemented(f"steps of type {posted.get('StepType')}")
    interface = posted.get("StructuredInterface") or {}
    for port in (interface.get("Inputs") or []) + (interface.get("Outputs") or []):
        refuse_mode(port["Name"], port.get("DataStoreMode"))
        refuse_spot(port["Name"], port.get("PathOnCompute"))
    module = {**posted, **entity(), "UploadState": "1", "CloudSettings": None}
    store.insert(call.ws, MODULE, module["Id"], module, name=posted.get("IdentifierHash") or "")
    return module


@PLANE.route("GET", P + "/Modules/{module_id}")
def get_module(call: Call, store: Store, *, module_id: str) -> Document:
    """One module."""
    return _module_view(store.require(call.ws, MODULE, module_id))


@PLANE.route("GET", P + "/DataSources/Hash/{identifier_hash}")
def data_source_by_hash(call: Call, store: Store, *, identifier_hash: str) -> JSONResponse:
    """The data source of this definition, or JSON null."""
    found = store.find(call.ws, DATA_SOURCE, name=identifier_hash, newest_first=True, limit=1)
    return JSONResponse(found[0] if found else None)


@PLANE.route("POST", P + "/DataSources")
def create_data_source(call: Call, store: Store) -> Document:
    """Store a path on a datastore as an input of graphs."""
    posted = call.document()
    blob = {"AmlDataStoreName": posted.get("DataStoreName"), "RelativePath": posted.get("PathOnDataStore")}
    source = {
        **entity(),
        "Name": posted.get("Name"),
        "Description": posted.get("Description"),
        "DataTypeId": posted.get("DataTypeId"),
        "IdentifierHash": posted.get("IdentifierHash"),
        "UploadState": "1",
        "DataLocation": {"StorageType": "1", "DataReference": {"Type": "1", "AzureBlobReference": blob}},
    }
    store.insert(call.ws, DATA_SOURCE, source["Id"], source, name=posted.get("IdentifierHash") or "")
    return source


@PLANE.route("GET", P + "/DataSources/{source_id}")
def get_data_source(call: Call, store: Store, *, source_id: str) -> Document:
    """One data source."""
    return store.require(call.ws, DATA_SOURCE, source_id, "Data source")


def save_graph(store: Store, workspace_id: str, graph: Document, interface: Document | None) -> str:
    """Keep a submitted or published graph; returns its id. Refuses by name data that would not lie as asked for."""
    for node in graph.get("ModuleNodes") or []:
        for setting in (node.get("ModuleInputSettings") or []) + (node.get("ModuleOutputSettings") or []):
            refuse_mode(setting["Name"], setting.get("DataStoreMode"))
            refuse_spot(setting["Name"], setting.get("PathOnCompute"))
    key = new_id()
    document = {"graph": {**entity(key), **graph, "Id": key}, "interface": interface or {}}
    store.insert(workspace_id, GRAPH, key, document)
    return key


@PLANE.route("GET", P + "/Graphs/{graph_id}")
def get_graph(call: Call, store: Store, *, graph_id: str) -> dict[str, Any]:
    """A graph as it was submitted."""
    graph: dict[str, Any] = store.require(call.ws, GRAPH, graph_id)["graph"]
    return graph


@PLANE.route("GET", P + "/Graphs/{graph_id}/Interface")
def get_graph_interface(call: Call, store: Store, *, graph_id: str) -> dict[str, Any]:
    """A graph's parameters."""
    interface: dict[str, Any] = store.require(call.ws, GRAPH, graph_id)["interface"]
    return interface
