"""What graphs are made of: data types, modules (a step's interface and snapshot), data sources; and graphs.

SDK callers: `azureml.pipeline.core._aeva_provider`; of published modules, `azureml.pipeline.core.Module`.
This plane writes keys in PascalCase and lists as bare arrays.
"""

from __future__ import annotations

from typing import Any

from starlette.responses import JSONResponse

from local_azure.machine_learning.domain.pipelines import graphs, modules
from local_azure.machine_learning.domain.pipelines.entities import EntityStatus
from local_azure.machine_learning.http.call import Call
from local_azure.machine_learning.http.routing import Plane
from local_azure.machine_learning.http.shapes import ANYTHING, FLAG, SIMPLE, TEXT, WORD, Items, Pairs, Record
from local_azure.machine_learning.storage.store import Document, Store

PLANE = Plane("Pipelines: modules and graphs")
_BASE = "/pipelines/v1.0{W}"
_PORT = Record({"Name": TEXT, "DataStoreMode": TEXT, "PathOnCompute": TEXT, "DataStoreName": TEXT}, ("Name",))
_PARAMETER = Record({"Name": TEXT, "EnvironmentVariableOverride": TEXT, "DefaultValue": SIMPLE}, ("Name",))
_ARGUMENT = Record({"ValueType": WORD, "NestedArgumentList": Items(Pairs(ANYTHING))}, ("ValueType",))
_INTERFACE = Record(
    {
        "Inputs": Items(_PORT),
        "Outputs": Items(_PORT),
        "Parameters": Items(_PARAMETER),
        "MetadataParameters": Items(_PARAMETER),
        "Arguments": Items(_ARGUMENT),
    }
)
_MODULE = Record(
    {
        **dict.fromkeys(("Name", "StepType", "IdentifierHash", "StorageId", "Runconfig", "Description"), TEXT),
        "StructuredInterface": _INTERFACE,
    },
    ("Name", "StorageId", "StructuredInterface"),
)
_NEW_PUBLISHED = Record({"Name": TEXT, "Description": TEXT}, ("Name",))
_VERSIONS = Items(Record({"ModuleVersionId": TEXT, "Version": TEXT}, ("ModuleVersionId",)))
_PUBLISHED = Record(
    {
        **dict.fromkeys(("Name", "Description", "DefaultVersion"), TEXT),
        "EntityStatus": WORD,
        "Versions": _VERSIONS,
    }
)
_NEW_VERSION = Record(
    {**_MODULE.fields, "AmlModuleId": TEXT, "Version": TEXT, "SetAsDefaultVersion": FLAG},
    ("AmlModuleId", "Name", "StorageId", "StructuredInterface"),
)
_VERSION = Record({"Data": Record({"Description": TEXT, "EntityStatus": WORD})}, ("Data",))
_SOURCE = Record(
    dict.fromkeys(("Name", "Description", "DataTypeId", "IdentifierHash", "DataStoreName", "PathOnDataStore"), TEXT)
)


@PLANE.route("GET", _BASE + "/DataTypes")
def data_types(call: Call) -> list[Document]:
    """The types that the client would otherwise create one by one."""
    return modules.data_types(call.workspace.created)


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


@PLANE.route("GET", _BASE + "/Modules/Hash/{identifier_hash}")
def module_by_hash(call: Call, store: Store, *, identifier_hash: str) -> JSONResponse:
    """The module of this content, or JSON null; a hit saves the client the upload of the snapshot."""
    found = modules.by_hash(store, call.ws, modules.MODULE, identifier_hash)
    return JSONResponse(_module_view(found) if found else None)


@PLANE.route("POST", _BASE + "/Modules", body=_MODULE)
def create_module(call: Call, store: Store) -> Document:
    """Store a module."""
    return modules.create_module(store, call.ws, call.document())


@PLANE.route("GET", _BASE + "/Modules/{module_id}")
def get_module(call: Call, store: Store, *, module_id: str) -> Document:
    """One module."""
    return _module_view(modules.module(store, call.ws, module_id))


@PLANE.route("GET", _BASE + "/DataSources/Hash/{identifier_hash}")
def data_source_by_hash(call: Call, store: Store, *, identifier_hash: str) -> JSONResponse:
    """The data source of this definition, or JSON null."""
    return JSONResponse(modules.by_hash(store, call.ws, modules.DATA_SOURCE, identifier_hash))


@PLANE.route("POST", _BASE + "/DataSources", body=_SOURCE)
def create_data_source(call: Call, store: Store) -> Document:
    """Store a path on a datastore as an input of graphs."""
    return modules.create_data_source(store, call.ws, call.document())


@PLANE.route("GET", _BASE + "/DataSources/{source_id}")
def get_data_source(call: Call, store: Store, *, source_id: str) -> Document:
    """One data source."""
    return modules.data_source(store, call.ws, source_id)


@PLANE.route("GET", _BASE + "/Graphs/{graph_id}")
def get_graph(call: Call, store: Store, *, graph_id: str) -> dict[str, Any]:
    """A graph as it was submitted."""
    graph: dict[str, Any] = graphs.require(store, call.ws, graph_id)["graph"]
    return graph


@PLANE.route("GET", _BASE + "/Graphs/{graph_id}/Interface")
def get_graph_interface(call: Call, store: Store, *, graph_id: str) -> dict[str, Any]:
    """A graph's parameters."""
    interface: dict[str, Any] = graphs.require(store, call.ws, graph_id)["interface"]
    return interface


@PLANE.route("POST", _BASE + "/AzureMLModules", body=_NEW_PUBLISHED)
def publish_module(call: Call, store: Store) -> Document:
    """`Module.create`: a name for versions to come."""
    return modules.publish(store, call.ws, call.document())


@PLANE.route("GET", _BASE + "/AzureMLModules/Name")
def published_module_by_name(call: Call, store: Store) -> Document:
    """`Module.get` by name."""
    return modules.published_named(store, call.ws, call.query.get("name") or "")


@PLANE.route("GET", _BASE + "/AzureMLModules/{published_id}")
def published_module(call: Call, store: Store, *, published_id: str) -> Document:
    """`Module.get` by id."""
    return modules.published(store, call.ws, published_id)


@PLANE.route("PUT", _BASE + "/AzureMLModules/{published_id}", body=_PUBLISHED)
def replace_published_module(call: Call, store: Store, *, published_id: str) -> Document:
    """Name, description, status, default version."""
    return modules.replace_published(store, call.ws, published_id, call.document())


def _version_view(version: Document) -> Document:
    """A version as the client reads it: of versions, unlike of everything else, it compares the status as a word."""
    shown = {**version, "EntityStatus": EntityStatus(version["EntityStatus"]).name.capitalize()}
    return {"ModuleId": version.get("AmlModuleId"), **_module_view(shown)}


@PLANE.route("POST", _BASE + "/AzureMLModuleVersions", body=_NEW_VERSION)
def publish_version(call: Call, store: Store) -> Document:
    """`Module.publish_python_script`: a version of a published module."""
    return _version_view(modules.publish_version(store, call.ws, call.document()))


@PLANE.route("GET", _BASE + "/AzureMLModuleVersions/{version_id}")
def get_version(call: Call, store: Store, *, version_id: str) -> Document:
    """One version, with its interface."""
    return _version_view(modules.module(store, call.ws, version_id))


@PLANE.route("PUT", _BASE + "/AzureMLModuleVersions/{version_id}", body=_VERSION)
def replace_version(call: Call, store: Store, *, version_id: str) -> Document:
    """Description and status of a version."""
    return _version_view(modules.replace_version(store, call.ws, version_id, call.document()["Data"]))
