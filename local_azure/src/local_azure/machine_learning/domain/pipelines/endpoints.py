"""Pipeline endpoints in the store: a name, and behind it published pipelines as numbered versions."""

from __future__ import annotations

from local_azure.machine_learning.domain.pipelines import published
from local_azure.machine_learning.domain.pipelines.entities import EntityStatus, is_active, new_entity
from local_azure.machine_learning.errors import bad_request, conflict
from local_azure.machine_learning.storage.store import Document, Store

KIND = "endpoint"
_FIXED_KEYS = ("Id", "Url")


def create(store: Store, workspace_id: str, posted: Document) -> Document:
    """Put a published pipeline behind a name; raises a 404, or a 409 when the name is taken."""
    published.require(store, workspace_id, posted["PipelineId"])
    document = {
        **new_entity(),
        "Name": posted["Name"],
        "Description": posted.get("Description"),
        "DefaultVersion": "0",
        "PipelineVersionList": [{"Version": "0", "PipelineId": posted["PipelineId"]}],
        "Properties": posted.get("Properties") or {},
        "SwaggerUrl": None,
        "tags": {},
    }
    with store.transaction():
        _refuse_taken_name(store, workspace_id, document)
        store.insert(workspace_id, KIND, document["Id"], document, name=document["Name"])
    return document


def _refuse_taken_name(store: Store, workspace_id: str, endpoint: Document) -> None:
    found = store.find(workspace_id, KIND, name=endpoint["Name"])
    if any(other["Id"] != endpoint["Id"] for other in found):
        raise conflict(f"A pipeline endpoint named '{endpoint['Name']}' exists already.")


def require(store: Store, workspace_id: str, endpoint_id: str) -> Document:
    """Return an endpoint; raises a 404."""
    return store.require(workspace_id, KIND, endpoint_id, "Pipeline endpoint")


def named(store: Store, workspace_id: str, name: str) -> Document:
    """Return the endpoint of a name; raises a 404."""
    return store.require_named(workspace_id, KIND, name, "Pipeline endpoint")


def newest_first(store: Store, workspace_id: str) -> list[Document]:
    """Return all endpoints, newest first."""
    return store.find(workspace_id, KIND, newest_first=True)


def replace(store: Store, workspace_id: str, endpoint_id: str, posted: Document) -> Document:
    """Take over an endpoint as the client sends it; raises a 400, 404 or 409.

    New versions come without a number and get the next one.
    """
    given = {key: value for key, value in posted.items() if value is not None and key not in _FIXED_KEYS}
    with store.transaction():
        document = {**require(store, workspace_id, endpoint_id), **given}
        _refuse_taken_name(store, workspace_id, document)
        document["EntityStatus"] = EntityStatus.parse(document["EntityStatus"])
        document["PipelineVersionList"] = _numbered(store, workspace_id, document["PipelineVersionList"])
        if document["DefaultVersion"] not in {entry["Version"] for entry in document["PipelineVersionList"]}:
            raise bad_request(f"The endpoint has no version {document['DefaultVersion']}.")
        store.put(workspace_id, KIND, endpoint_id, document, name=document["Name"])
    return document


def _numbered(store: Store, workspace_id: str, entries: list[Document]) -> list[Document]:
    versions = []
    for number, entry in enumerate(entries):
        published.require(store, workspace_id, entry["PipelineId"])
        version = entry.get("Version")
        versions.append({"Version": str(number if version is None else version), "PipelineId": entry["PipelineId"]})
    return versions


def pipeline_of(store: Store, workspace_id: str, endpoint_id: str, version: str | None = None) -> str:
    """Return the id of the pipeline behind a version of an endpoint, its default now; raises a 400 when disabled."""
    document = require(store, workspace_id, endpoint_id)
    if not is_active(document):
        raise bad_request(f"Pipeline endpoint '{document['Name']}' is disabled; enable it first.")
    version = version or document["DefaultVersion"]
    versions = {entry["Version"]: entry["PipelineId"] for entry in document["PipelineVersionList"]}
    if version not in versions:
        known = ", ".join(versions)
        raise bad_request(f"Pipeline endpoint '{document['Name']}' has no version {version}; it has {known}.")
    return str(versions[version])
