"""Datasets: definitions of data, registered under names with versions.

SDK callers: `Dataset.File/Tabular`, `register`, `Dataset.get_by_name/get_by_id/get_all`, `add_tags`, `update`,
`unregister_all_versions`, and pipelines for their inputs.
"""

from __future__ import annotations

from local_azure.machine_learning.domain.data import dataset_paths, datasets
from local_azure.machine_learning.errors import bad_request, not_implemented
from local_azure.machine_learning.http.call import Call
from local_azure.machine_learning.http.routing import Plane
from local_azure.machine_learning.http.shapes import ANYTHING, TAGS, TEXT, WORD, Pairs, Record
from local_azure.machine_learning.storage.store import Document, Store

PLANE = Plane("Datasets")
_BASE = "/dataset/v1.0{W}"
_UNREGISTERED = "unregistered-"
_PAGE, _MOST_PAGE = 100, 10_000
_SAVED = Record({"datasetType": TEXT, "dataflowJson": TEXT, "properties": Pairs(ANYTHING)})
_DATA_PATH = Record({"datastoreName": TEXT, "relativePath": TEXT})
_LATEST = Record({"dataflow": TEXT, "properties": Pairs(ANYTHING), "savedDatasetId": TEXT, "versionId": WORD})
_DATASET = Record({"name": TEXT, "datasetType": TEXT, "description": TEXT, "tags": TAGS, "latest": _LATEST})


# Saved datasets.


@PLANE.route("POST", _BASE + "/saveddatasets", body=_SAVED)
def save_dataset(call: Call, store: Store) -> Document:
    """Keep a definition; the same definition gives the same id."""
    body = call.document()
    kind, dataflow = body.get("datasetType") or "", body.get("dataflowJson") or ""
    return datasets.save(store, call.ws, kind, dataflow, body.get("properties"))


@PLANE.route("POST", _BASE + "/saveddatasets/from-data-path", evidence="sdk-source", body=_DATA_PATH)
def save_data_path(call: Call, store: Store) -> Document:
    """Keep the definition of a folder of a datastore."""
    body = call.document()
    datastore, relative = body.get("datastoreName"), body.get("relativePath")
    if not datastore or relative is None:
        raise not_implemented("data paths other than a folder of a datastore")
    dataflow = dataset_paths.folder_dataflow(call.workspace, datastore, relative)
    return datasets.save(store, call.ws, "file", dataflow, None)


@PLANE.route("GET", _BASE + "/saveddatasets/{saved_id}")
def get_saved(call: Call, store: Store, *, saved_id: str) -> Document:
    """One saved dataset."""
    return datasets.require_saved(store, call.ws, saved_id)


# Registered datasets.


@PLANE.route("POST", _BASE + "/datasets", body=_DATASET)
def register_dataset(call: Call, store: Store) -> Document:
    """Register a definition under a name; 409 for a taken name unless the client allows it."""
    posted, update = call.document(), call.flag("updateDefinitionIfExists")
    if update or call.flag("ifExistsOk"):
        version = datasets.register(store, call.ws, posted, keep=not update)
    else:
        version = datasets.register_new(store, call.ws, posted)
    return datasets.answer(store, call.ws, version)


@PLANE.route("GET", _BASE + "/datasets")
def list_datasets(call: Call, store: Store) -> Document:
    """The latest version of each dataset, in pages."""
    after, size = call.number("continuationToken", 0), call.number("pageSize", _PAGE, _MOST_PAGE)
    if not size:
        raise bad_request(f"'pageSize' must be a whole number from 1 to {_MOST_PAGE}, not 0.")
    found, following = datasets.page(store, call.ws, after or None, size)
    return {
        "value": [datasets.answer(store, call.ws, version) for version in found],
        "continuationToken": None if following is None else str(following),
    }


@PLANE.route("GET", _BASE + "/datasets/query/name={name}")
def get_by_name(call: Call, store: Store, *, name: str) -> Document:
    """One version of a dataset, the latest one without `versionId`."""
    version = datasets.require_version(store, call.ws, name, call.query.get("versionId"))
    return datasets.answer(store, call.ws, version)


@PLANE.route("GET", _BASE + "/datasets/query/savedDatasetId={saved_id}")
def get_by_saved_id(call: Call, store: Store, *, saved_id: str) -> Document:
    """Versions that have this definition, newest first."""
    found = datasets.versions_of_definition(store, call.ws, saved_id)
    return {"value": [datasets.answer(store, call.ws, version) for version in found], "continuationToken": None}


@PLANE.route("GET", _BASE + "/datasets/{dataset_id}", evidence="sdk-source")
def get_by_dataset_id(call: Call, store: Store, *, dataset_id: str) -> Document:
    """The latest version of the dataset with this GUID."""
    name = datasets.name_of(store, call.ws, dataset_id)
    return datasets.answer(store, call.ws, datasets.require_version(store, call.ws, name))


@PLANE.route("PUT", _BASE + "/datasets/{dataset_id}", body=_DATASET)
def update_dataset(call: Call, store: Store, *, dataset_id: str) -> Document:
    """Replace description and tags of one version."""
    version = datasets.change_posted(store, call.ws, dataset_id, call.document())
    return datasets.answer(store, call.ws, version)


@PLANE.route("DELETE", _BASE + "/datasets/{name}")
def unregister_dataset(call: Call, store: Store, *, name: str) -> None:
    """Forget a name with all its versions; definitions and data stay."""
    datasets.unregister(store, call.ws, name)


@PLANE.route("GET", "/data/v1.0{W}/dataversion/{name}/versions/{number}")
def data_version(call: Call, store: Store, *, name: str, number: str) -> Document:
    """The MLTable document of a definition, unchanged; the SDK asks after every register and load."""
    if name.startswith(_UNREGISTERED):
        saved = datasets.require_saved(store, call.ws, name.removeprefix(_UNREGISTERED))
        dataflow, found = saved["dataflowJson"], number
    else:
        version = datasets.require_version(store, call.ws, name, number)
        dataflow, found = version["dataflow"], version["versionId"]
    return {
        "legacyDataflow": dataset_paths.dataflow_yaml(dataflow),
        "dataVersion": {"dataType": "MLTable", "name": name, "versionId": found},
        "entityMetadata": {},
    }
