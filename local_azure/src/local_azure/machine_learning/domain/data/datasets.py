"""Datasets: definitions of data, registered under names with versions.

A definition (a saved dataset) has an id derived from its content: saving the same definition again gives the same
saved dataset, registered or not.
"""

from __future__ import annotations

import hashlib
import json
import uuid

from local_azure.machine_learning.clock import new_id, timestamp
from local_azure.machine_learning.domain.data import dataset_paths
from local_azure.machine_learning.errors import bad_request, conflict, not_found
from local_azure.machine_learning.storage.store import Document, Store

DATASET = "dataset"  # id and name: the name; parent: the GUID
VERSION = "dataset_version"  # id: "name/number", parent: the name, name: the saved dataset
SAVED = "saved_dataset"
_TYPES = ("file", "tabular")


def save(store: Store, workspace_id: str, kind: str, dataflow: str, properties: Document | None) -> Document:
    """Keep a definition (SavedDatasetDto); its id is a hash of type, dataflow and properties."""
    if kind not in _TYPES:
        raise bad_request(f"'{kind}' is not a dataset type: expected {' or '.join(_TYPES)}.")
    dataset_paths.mltable(dataset_paths.dataflow_yaml(dataflow))
    content = json.dumps([kind, dataflow, properties or {}], sort_keys=True)
    saved_id = str(uuid.UUID(hashlib.sha256(content.encode()).hexdigest()[:32]))
    document = {
        "id": saved_id,
        "datasetType": kind,
        "properties": properties or {},
        "dataflowJson": dataflow,
        "dataChanged": False,
        "dataPath": None,
    }
    store.put(workspace_id, SAVED, saved_id, document)
    return document


def require_saved(store: Store, workspace_id: str, saved_id: str) -> Document:
    """One saved dataset; raises a 404 that names it."""
    return store.require(workspace_id, SAVED, saved_id, "Saved dataset")


def name_of(store: Store, workspace_id: str, dataset_id: str) -> str:
    """Name of the dataset with this GUID; raises a 404."""
    found = store.find(workspace_id, DATASET, parent=dataset_id)
    if not found:
        raise not_found("Dataset", dataset_id)
    return str(found[0]["name"])


def versions(store: Store, workspace_id: str, name: str) -> list[Document]:
    """Versions of a name, oldest first."""
    return store.find(workspace_id, VERSION, parent=name)


def require_version(store: Store, workspace_id: str, name: str, number: object = None) -> Document:
    """Return the requested version, or the latest without a number; raises a 404 that names the latest."""
    found = versions(store, workspace_id, name)
    if not found:
        raise not_found("Dataset", name)
    if number in (None, "", "None", "latest"):
        return found[-1]
    for version in found:
        if version["versionId"] == str(number):
            return version
    raise not_found("Dataset", f"{name}:{number}", f"Its latest version is {found[-1]['versionId']}.")


def answer(store: Store, workspace_id: str, version: Document) -> Document:
    """The DatasetDto of one version."""
    dataset = store.require(workspace_id, DATASET, version["name"], "Dataset")
    hidden = ("name", "datasetType", "description", "tags")
    return {
        "datasetId": dataset["datasetId"],
        "datasetState": {"state": "active"},
        "name": version["name"],
        "description": version["description"],
        "tags": version["tags"],
        "isVisible": True,
        "defaultCompute": None,
        "datasetType": version["datasetType"],
        "createdTime": dataset["createdTime"],
        "modifiedTime": version["modifiedTime"],
        "etag": version["etag"],
        "latest": {key: value for key, value in version.items() if key not in hidden},
    }


def _new_version(dataset_id: str, number: int, posted: Document, saved: Document) -> Document:
    now = timestamp()
    return {
        "datasetId": dataset_id,
        "versionId": str(number),
        "savedDatasetId": saved["id"],
        "name": posted["name"],
        "datasetType": saved["datasetType"],
        "description": posted.get("description"),
        "tags": posted.get("tags") or {},
        "dataflow": saved["dataflowJson"],
        "properties": saved["properties"],
        "datasetDefinitionState": {"state": "active"},
        "dataPath": None,
        "notes": "",
        "etag": new_id(),
        "createdTime": now,
        "modifiedTime": now,
        "fileType": "Unknown",
    }


def versions_of_definition(store: Store, workspace_id: str, saved_id: str) -> list[Document]:
    """Registered versions that have a definition, newest first."""
    return store.find(workspace_id, VERSION, name=saved_id, newest_first=True)


def register_new(store: Store, workspace_id: str, posted: Document) -> Document:
    """Register under a new name; raises a 409 if it exists, a 400 if the definition has another name already."""
    name = str(posted.get("name"))
    with store.transaction():
        if versions(store, workspace_id, name):
            raise conflict(f"A dataset is already registered under the name '{name}'.")
        _refuse_second_name(store, workspace_id, posted)
        return register(store, workspace_id, posted, keep=True)


def _refuse_second_name(store: Store, workspace_id: str, posted: Document) -> None:
    """Refuse a definition that is already registered under another name. Source: SDK, `_register`."""
    saved_id = (posted.get("latest") or {}).get("savedDatasetId")
    for version in store.find(workspace_id, VERSION, name=saved_id) if saved_id else []:
        if version["name"] != posted.get("name"):
            known = f"{version['name']}:{version['versionId']} (name:version)"
            raise bad_request(f"The dataset with id '{saved_id}' has been registered as {known}.")


def register(store: Store, workspace_id: str, posted: Document, *, keep: bool) -> Document:
    """Register a definition; add a version only if it differs from the latest. keep: only if the name is new."""
    name, latest = str(posted.get("name") or ""), posted.get("latest") or {}
    if not name or "/" in name:
        raise bad_request(f"'{name}' is not a dataset name.")
    with store.transaction():
        saved = save(
            store, workspace_id, posted.get("datasetType", ""), latest.get("dataflow", ""), latest.get("properties")
        )
        known = versions(store, workspace_id, name)
        if not known:
            dataset = {"datasetId": new_id(), "name": name, "createdTime": timestamp()}
            store.insert(workspace_id, DATASET, name, dataset, name=name, parent=dataset["datasetId"])
        elif keep or known[-1]["savedDatasetId"] == saved["id"]:
            return change(store, workspace_id, known[-1], posted)
        dataset = store.require(workspace_id, DATASET, name)
        number = int(known[-1]["versionId"]) + 1 if known else 1
        version = _new_version(dataset["datasetId"], number, posted, saved)
        store.insert(workspace_id, VERSION, f"{name}/{number}", version, name=saved["id"], parent=name)
    return version


def change_posted(store: Store, workspace_id: str, dataset_id: str, posted: Document) -> Document:
    """Change the version that the posted document names, or the latest one if it names none."""
    name = name_of(store, workspace_id, dataset_id)
    with store.transaction():
        version = require_version(store, workspace_id, name, (posted.get("latest") or {}).get("versionId"))
        return change(store, workspace_id, version, posted)


def change(store: Store, workspace_id: str, version: Document, posted: Document) -> Document:
    """Update description and tags of a version where they are given; nothing else of a version can change."""

    def apply(document: Document) -> None:
        given = {key: posted[key] for key in ("description", "tags") if posted.get(key) is not None}
        if given:
            document.update(given, modifiedTime=timestamp(), etag=new_id())

    return store.update(workspace_id, VERSION, f"{version['name']}/{version['versionId']}", apply)


def unregister(store: Store, workspace_id: str, name: str) -> None:
    """Forget a name with all its versions; definitions and data stay. Raises a 404."""
    with store.transaction():
        for version in versions(store, workspace_id, name):
            store.delete(workspace_id, VERSION, f"{name}/{version['versionId']}")
        if not store.delete(workspace_id, DATASET, name):
            raise not_found("Dataset", name)


def page(store: Store, workspace_id: str, after: int | None, size: int) -> tuple[list[Document], int | None]:
    """Return a page of datasets (latest versions) and the number after which the next page begins, or None."""
    found = store.find_numbered(workspace_id, DATASET, after=after, limit=size + 1)
    shown = found[:size]
    following = shown[-1][0] if len(found) > size else None
    return [require_version(store, workspace_id, dataset["name"]) for _, dataset in shown], following
