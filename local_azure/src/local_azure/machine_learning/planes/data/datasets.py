"""Datasets: definitions of data, registered under names with versions.

SDK callers: `Dataset.File/Tabular`, `register`, `Dataset.get_by_name/get_by_id/get_all`, `add_tags`, `update`,
`unregister_all_versions`, and pipelines for their inputs. A definition has an id of its own (the saved dataset) that
follows from its content, so the same definition is the same saved dataset, registered or not.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from local_azure.machine_learning.domain.data import dataset_paths, output_tables
from local_azure.machine_learning.domain.data import dataset_records as records
from local_azure.machine_learning.errors import bad_request, conflict, not_found, not_implemented
from local_azure.machine_learning.http.call import Call
from local_azure.machine_learning.http.routing import Plane
from local_azure.machine_learning.storage.files import BlobFiles
from local_azure.machine_learning.storage.store import Store

if TYPE_CHECKING:
    from local_azure.machine_learning.domain.workspaces import Workspace

PLANE = Plane("Datasets")
_BASE = "/dataset/v1.0{W}"
_UNREGISTERED = "unregistered-"
_PAGE = 100

Document = dict[str, Any]


# What the executor asks for.


def resolve_saved_id(store: Store, workspace: Workspace, reference: Document) -> str:
    """Saved dataset of a `DataSetDefinitionValue`: {"DataSetReference": {Id, Version}} or {"SavedDataSetReference"}.

    Without a version the latest one counts at this moment. Raises a 404 for what is not there.
    """
    saved, registered = reference.get("SavedDataSetReference"), reference.get("DataSetReference")
    if saved:
        return str(records.require_saved(store, workspace.id, saved["Id"])["id"])
    if not registered:
        raise not_implemented(f"a dataset input given as {', '.join(reference) or 'nothing'}")
    name = records.name_of(store, workspace.id, registered["Id"])
    return str(records.require_version(store, workspace.id, name, registered.get("Version"))["savedDatasetId"])


def data_location(store: Store, workspace: Workspace, saved_id: str) -> tuple[str, str]:
    """(datastore, path up to the first wildcard): a folder or a file. See `data_files` for what a pattern selects."""
    source = dataset_paths.single_source(workspace, records.require_saved(store, workspace.id, saved_id))
    return source.datastore, source.base


def data_files(store: Store, files: BlobFiles, workspace: Workspace, saved_id: str) -> dict[str, Path] | None:
    """Files by their name in the dataset, or None when the dataset is all of `data_location`."""
    saved = records.require_saved(store, workspace.id, saved_id)
    found = dataset_paths.sources(workspace, saved)
    if len(found) == 1 and found[0].is_whole:
        return None
    return dict(dataset_paths.selected_files(store, files, workspace, saved))


def register_output(
    store: Store,
    workspace: Workspace,
    name: str,
    datastore: str,
    relative: str,
    *,
    registration: Document | None = None,
) -> str:
    """Register a step's output folder (`register_on_complete`): a new version when the definition differs.

    registration: {"Description", "Tags", "AdditionalTransformations"}. Returns the id of the definition.
    """
    registration = registration or {}
    read = output_tables.reading([registration.get("AdditionalTransformations")])
    posted = {
        "name": name,
        "description": registration.get("Description"),
        "tags": registration.get("Tags"),
        "datasetType": read.kind,
        "latest": {"dataflow": dataset_paths.folder_dataflow(workspace, datastore, relative, read)},
    }
    return str(records.register(store, workspace.id, posted, keep=False)["savedDatasetId"])


def save_output(store: Store, workspace: Workspace, datastore: str, relative: str, wanted: list[str | None]) -> str:
    """Id of a saved dataset of a folder that a step wrote. wanted: its transformations, as the SDK sends them."""
    read = output_tables.reading(wanted)
    dataflow = dataset_paths.folder_dataflow(workspace, datastore, relative, read)
    return str(records.save(store, workspace.id, read.kind, dataflow, None)["id"])


# Saved datasets.


@PLANE.route("POST", _BASE + "/saveddatasets")
def save_dataset(call: Call, store: Store) -> Document:
    """Keep a definition; the same definition gives the same id."""
    body = call.document()
    return records.save(
        store, call.ws, body.get("datasetType", ""), body.get("dataflowJson", ""), body.get("properties")
    )


@PLANE.route("POST", _BASE + "/saveddatasets/from-data-path", evidence="sdk-source")
def save_data_path(call: Call, store: Store) -> Document:
    """Keep the definition of a folder of a datastore."""
    body = call.document()
    datastore, relative = body.get("datastoreName"), body.get("relativePath")
    if not datastore or relative is None:
        raise not_implemented("data paths other than a folder of a datastore")
    return records.save(
        store, call.ws, "file", dataset_paths.folder_dataflow(call.workspace, datastore, relative), None
    )


@PLANE.route("GET", _BASE + "/saveddatasets/{saved_id}")
def get_saved(call: Call, store: Store, *, saved_id: str) -> Document:
    """One saved dataset."""
    return records.require_saved(store, call.ws, saved_id)


# Registered datasets.


def _refuse_second_name(call: Call, store: Store, posted: Document) -> None:
    """A definition that has a registration is not registered under another name. Source: SDK, `_register`."""
    saved_id = (posted.get("latest") or {}).get("savedDatasetId")
    for version in store.find(call.ws, records.VERSION, name=saved_id) if saved_id else []:
        if version["name"] != posted.get("name"):
            known = f"{version['name']}:{version['versionId']} (name:version)"
            raise bad_request(f"The dataset with id '{saved_id}' has been registered as {known}.")


@PLANE.route("POST", _BASE + "/datasets")
def register_dataset(call: Call, store: Store) -> Document:
    """Register a definition under a name; 409 for a taken name unless the client said what to do then."""
    posted, name = call.document(), str(call.document().get("name"))
    update, exists_ok = call.flag("updateDefinitionIfExists"), call.flag("ifExistsOk")
    with store.transaction():
        if not (update or exists_ok):
            if records.versions(store, call.ws, name):
                raise conflict(f"A dataset is already registered under the name '{name}'.")
            _refuse_second_name(call, store, posted)
        return records.answer(store, call.ws, records.register(store, call.ws, posted, keep=not update))


@PLANE.route("GET", _BASE + "/datasets")
def list_datasets(call: Call, store: Store) -> Document:
    """The latest version of each dataset, in pages."""
    token, size = call.query.get("continuationToken", ""), call.query.get("pageSize", str(_PAGE))
    if not (size.isdigit() and int(size) and (token.isdigit() or not token)):
        raise bad_request(f"pageSize '{size}' or continuationToken '{token}' is not a number.")
    after = int(token) if token else None
    found = store.find_numbered(call.ws, records.DATASET, after=after, limit=int(size) + 1)
    shown = found[: int(size)]
    value = [records.answer(store, call.ws, records.require_version(store, call.ws, doc["name"])) for _, doc in shown]
    return {"value": value, "continuationToken": str(shown[-1][0]) if len(found) > len(shown) else None}


@PLANE.route("GET", _BASE + "/datasets/query/name={name}")
def get_by_name(call: Call, store: Store, *, name: str) -> Document:
    """One version of a dataset, the latest one without `versionId`."""
    return records.answer(store, call.ws, records.require_version(store, call.ws, name, call.query.get("versionId")))


@PLANE.route("GET", _BASE + "/datasets/query/savedDatasetId={saved_id}")
def get_by_saved_id(call: Call, store: Store, *, saved_id: str) -> Document:
    """Versions that have this definition, newest first."""
    found = store.find(call.ws, records.VERSION, name=saved_id, newest_first=True)
    return {"value": [records.answer(store, call.ws, version) for version in found], "continuationToken": None}


@PLANE.route("GET", _BASE + "/datasets/{dataset_id}", evidence="sdk-source")
def get_by_dataset_id(call: Call, store: Store, *, dataset_id: str) -> Document:
    """The latest version of the dataset with this GUID."""
    name = records.name_of(store, call.ws, dataset_id)
    return records.answer(store, call.ws, records.require_version(store, call.ws, name))


@PLANE.route("PUT", _BASE + "/datasets/{dataset_id}")
def update_dataset(call: Call, store: Store, *, dataset_id: str) -> Document:
    """Replace description and tags of one version."""
    posted = call.document()
    name = records.name_of(store, call.ws, dataset_id)
    with store.transaction():
        version = records.require_version(store, call.ws, name, (posted.get("latest") or {}).get("versionId"))
        return records.answer(store, call.ws, records.change(store, call.ws, version, posted))


@PLANE.route("DELETE", _BASE + "/datasets/{name}")
def unregister_dataset(call: Call, store: Store, *, name: str) -> None:
    """Forget a name with all its versions; definitions and data stay."""
    with store.transaction():
        for version in records.versions(store, call.ws, name):
            store.delete(call.ws, records.VERSION, f"{name}/{version['versionId']}")
        if not store.delete(call.ws, records.DATASET, name):
            raise not_found("Dataset", name)


@PLANE.route("GET", "/data/v1.0{W}/dataversion/{name}/versions/{number}")
def data_version(call: Call, store: Store, *, name: str, number: str) -> Document:
    """The MLTable document of a definition, unchanged; the SDK asks after every register and load."""
    if name.startswith(_UNREGISTERED):
        dataflow, found = (
            records.require_saved(store, call.ws, name.removeprefix(_UNREGISTERED))["dataflowJson"],
            number,
        )
    else:
        version = records.require_version(store, call.ws, name, number)
        dataflow, found = version["dataflow"], version["versionId"]
    return {
        "legacyDataflow": dataset_paths.dataflow_yaml(dataflow),
        "dataVersion": {"dataType": "MLTable", "name": name, "versionId": found},
        "entityMetadata": {},
    }
