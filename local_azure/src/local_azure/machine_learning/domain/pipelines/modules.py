"""Modules (a step's interface and snapshot) and data sources (paths on a datastore): the nodes of graphs.

A *published* module (`azureml.pipeline.core.Module`) is a name with versions; each version is a module as steps have.

What a step cannot get as it is asked for is refused by name when the module is made.
"""

from __future__ import annotations

from pathlib import PurePosixPath

from local_azure.machine_learning import strict_json
from local_azure.machine_learning.clock import timestamp
from local_azure.machine_learning.domain.pipelines.entities import EntityStatus, new_entity
from local_azure.machine_learning.errors import bad_request, conflict, not_implemented
from local_azure.machine_learning.storage.store import Document, Store

MODULE, DATA_SOURCE, PUBLISHED = "module", "data_source", "published_module"
# HyperDrive, AutoML and the like carry other step types; running them as plain scripts would be a lie.
PARALLEL = "ParallelRunStep"
STEP_TYPES = ("PythonScriptStep", "CommandStep", "ModuleStep", PARALLEL)
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
    module = _checked_module(posted)
    store.insert(workspace_id, MODULE, module["Id"], module, name=posted.get("IdentifierHash") or "")
    return module


def _checked_module(posted: Document) -> Document:
    if posted.get("StepType") not in STEP_TYPES:
        raise not_implemented(f"steps of type {posted.get('StepType')}")
    checked_configuration(posted.get("Runconfig"))
    interface = posted.get("StructuredInterface") or {}
    if any(argument.get("Value") == "--rank_mini_batch_count" for argument in interface.get("Arguments") or []):
        raise not_implemented("mini-batches without inputs (rank_mini_batch_count)")
    for port in (interface.get("Inputs") or []) + (interface.get("Outputs") or []):
        refuse_mode(port["Name"], port.get("DataStoreMode"))
        refuse_path_on_compute(port["Name"], port.get("PathOnCompute"))
    return {**posted, **new_entity(), "UploadState": "1", "CloudSettings": None}


def module(store: Store, workspace_id: str, module_id: str) -> Document:
    """Return a module; raises a 404."""
    return store.require(workspace_id, MODULE, module_id)


def publish(store: Store, workspace_id: str, posted: Document) -> Document:
    """Publish a module that has no versions yet; raises a 409 when its name is taken."""
    published: Document = {
        **new_entity(),
        "Name": posted["Name"],
        "Description": posted.get("Description"),
        "Hash": None,
        "DefaultVersion": None,
        "Versions": [],
    }
    with store.transaction():
        _save_published(store, workspace_id, published)
    return published


def published(store: Store, workspace_id: str, published_id: str) -> Document:
    """Return a published module; raises a 404."""
    return store.require(workspace_id, PUBLISHED, published_id, "Published module")


def published_named(store: Store, workspace_id: str, name: str) -> Document:
    """Return the published module of a name; raises a 404."""
    return store.require_named(workspace_id, PUBLISHED, name, "Published module")


def replace_published(store: Store, workspace_id: str, published_id: str, posted: Document) -> Document:
    """Take over name, description, status, default and order of versions as the client sends them.

    A version without a number keeps its own. Raises a 400, 404 or 409.
    """
    with store.transaction():
        document = published(store, workspace_id, published_id)
        numbers = {entry["ModuleVersionId"]: entry["Version"] for entry in document["Versions"]}
        versions = [entry["ModuleVersionId"] for entry in posted.get("Versions") or document["Versions"]]
        if set(versions) != set(numbers):
            raise bad_request(f"The versions of module '{document['Name']}' are not those that were published.")
        default = posted.get("DefaultVersion")
        if default is not None and default not in numbers.values():
            raise bad_request(f"Module '{document['Name']}' has no version '{default}'.")
        document |= {
            "Name": posted.get("Name") or document["Name"],
            "Description": posted.get("Description"),
            "EntityStatus": EntityStatus.parse(posted.get("EntityStatus") or document["EntityStatus"]),
            "DefaultVersion": default,
            "Versions": [{"ModuleVersionId": key, "Version": numbers[key]} for key in dict.fromkeys(versions)],
            "LastModifiedDate": timestamp(),
        }
        _save_published(store, workspace_id, document)
    return document


def _save_published(store: Store, workspace_id: str, document: Document) -> None:
    """Write a published module; raises a 409 when another one has its name."""
    if any(other["Id"] != document["Id"] for other in store.find(workspace_id, PUBLISHED, name=document["Name"])):
        raise conflict(f"A module named '{document['Name']}' exists already; get it, and publish a version of it.")
    store.put(workspace_id, PUBLISHED, document["Id"], document, name=document["Name"])


def publish_version(store: Store, workspace_id: str, posted: Document) -> Document:
    """Add a version to a published module; without a number it gets the next one. Raises a 404 or 409."""
    with store.transaction():
        document = published(store, workspace_id, posted["AmlModuleId"])
        taken = [entry["Version"] for entry in document["Versions"]]
        number = posted.get("Version") or str(max((int(one) for one in taken if one.isdigit()), default=0) + 1)
        if number in taken:
            raise conflict(f"Module '{document['Name']}' has a version '{number}' already.")
        version = _checked_module({**posted, "Version": number})
        _save_version(store, workspace_id, version)
        document["Versions"].append({"ModuleVersionId": version["Id"], "Version": number})
        if posted.get("SetAsDefaultVersion"):
            document["DefaultVersion"] = number
        _save_published(store, workspace_id, document)
    return version


def replace_version(store: Store, workspace_id: str, version_id: str, posted: Document) -> Document:
    """Take over description and status of a version; nothing else of it ever changes. Raises a 400 or 404."""
    with store.transaction():
        version = module(store, workspace_id, version_id)
        version |= {
            "Description": posted.get("Description"),
            "EntityStatus": EntityStatus.parse(posted.get("EntityStatus") or version["EntityStatus"]),
        }
        _save_version(store, workspace_id, version)
    return version


def _save_version(store: Store, workspace_id: str, version: Document) -> None:
    """Write a version. It is not found by its hash: a step of the same content is not one of a published module."""
    store.put(workspace_id, MODULE, version["Id"], version)


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
