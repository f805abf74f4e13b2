"""Modules (a step's interface and snapshot) and data sources (paths on a datastore): the nodes of graphs.

What a step cannot get as it is asked for is refused by name when the module is made.
"""

from __future__ import annotations

from pathlib import PurePosixPath

from local_azure.machine_learning import strict_json
from local_azure.machine_learning.domain.pipelines.entities import new_entity
from local_azure.machine_learning.errors import bad_request, not_implemented
from local_azure.machine_learning.storage.store import Document, Store

MODULE, DATA_SOURCE = "module", "data_source"
# ParallelRunStep, HyperDrive and the like carry other step types; running them as plain scripts would be a lie.
STEP_TYPES = ("PythonScriptStep", "CommandStep")
DATA_MODES = ("mount", "download", "upload", "direct")
_DATA_TYPES = (
    "AnyFile", "AzureBlobReference", "AzureDataLakeReference", "AzureFilesReference", "AzureSqlDatabaseReference",
    "AzurePostgresDatabaseReference", "AzureDataLakeGen2Reference", "AzureMLDataset", "AzureMySqlDatabaseReference",
    "DBFSReference", "AnyDirectory",
)  # fmt: skip


def refuse_mode(name: str, mode: str | None) -> None:
    """Raise for an unsupported mode of an input or output, such as `as_hdfs`."""
    if mode and mode.lower() not in DATA_MODES:
        raise not_implemented(f"the mode '{mode}' of '{name}' (only {', '.join(DATA_MODES)})")


def refuse_path_on_compute(name: str, path: str | None) -> None:
    """Raise for data outside of the working directory of the script."""
    if path and (PurePosixPath(path).is_absolute() or ".." in PurePosixPath(path).parts):
        raise not_implemented(f"the path_on_compute '{path}' of '{name}'; give one in the working directory, or none")


def checked_configuration(text: str | None) -> None:
    """Raise a 400 for a run configuration, a text of JSON inside of the JSON, that no step could be run with."""
    try:
        configuration = strict_json.parse(text.encode()) if text else {}
    except ValueError as error:
        raise bad_request(f"The run configuration of a step is not JSON: {error}.") from error
    inside = (configuration, configuration.get("environment")) if isinstance(configuration, dict) else ("",)
    if any(not isinstance(part or {}, dict) for part in inside):
        raise bad_request("The run configuration of a step and its environment must be objects.")
    seconds = configuration.get("maxRunDurationSeconds")
    if isinstance(seconds, bool) or not isinstance(seconds or 0, int | float):
        raise bad_request(f"The time limit of a step must be a number of seconds, not {str(seconds)[:40]!r}.")


def data_types(created: str) -> list[Document]:
    """List the types of ports and data sources. created: the moment at which all of them were made."""
    return [
        {
            **new_entity(name),
            "CreatedDate": created,
            "LastModifiedDate": created,
            "Name": name,
            "Description": name,
            "IsDirectory": name == "AnyDirectory",
            "ParentDataTypeIds": [],
        }
        for name in _DATA_TYPES
    ]


def create_module(store: Store, workspace_id: str, posted: Document) -> Document:
    """Store a module; refuses by name kinds of steps and modes of data that are not run here."""
    if posted.get("StepType") not in STEP_TYPES:
        raise not_implemented(f"steps of type {posted.get('StepType')}")
    checked_configuration(posted.get("Runconfig"))
    interface = posted.get("StructuredInterface") or {}
    for port in (interface.get("Inputs") or []) + (interface.get("Outputs") or []):
        refuse_mode(port["Name"], port.get("DataStoreMode"))
        refuse_path_on_compute(port["Name"], port.get("PathOnCompute"))
    module = {**posted, **new_entity(), "UploadState": "1", "CloudSettings": None}
    store.insert(workspace_id, MODULE, module["Id"], module, name=posted.get("IdentifierHash") or "")
    return module


def module(store: Store, workspace_id: str, module_id: str) -> Document:
    """Return a module; raises a 404."""
    return store.require(workspace_id, MODULE, module_id)


def create_data_source(store: Store, workspace_id: str, posted: Document) -> Document:
    """Store a path on a datastore as an input of graphs."""
    blob = {"AmlDataStoreName": posted.get("DataStoreName"), "RelativePath": posted.get("PathOnDataStore")}
    source = {
        **new_entity(),
        "Name": posted.get("Name"),
        "Description": posted.get("Description"),
        "DataTypeId": posted.get("DataTypeId"),
        "IdentifierHash": posted.get("IdentifierHash"),
        "UploadState": "1",
        "DataLocation": data_location(blob),
    }
    store.insert(workspace_id, DATA_SOURCE, source["Id"], source, name=posted.get("IdentifierHash") or "")
    return source


def data_source(store: Store, workspace_id: str, source_id: str) -> Document:
    """Return a data source; raises a 404."""
    return store.require(workspace_id, DATA_SOURCE, source_id, "Data source")


def data_location(blob: Document) -> Document:
    """Describe a path on a datastore, {"AmlDataStoreName", "RelativePath"}, as this plane does."""
    return {"StorageType": "1", "DataReference": {"Type": "1", "AzureBlobReference": blob}}


def by_hash(store: Store, workspace_id: str, kind: str, identifier_hash: str) -> Document | None:
    """Return the newest module or data source of a hash that the client has computed, or None."""
    found = store.find(workspace_id, kind, name=identifier_hash, newest_first=True, limit=1)
    return found[0] if found else None
