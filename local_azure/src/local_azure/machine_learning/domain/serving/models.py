"""Registered models and the assets that name their files.

Files are never copied here: an asset points at artifacts, a model at its asset.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterable, Mapping

from local_azure.machine_learning.clock import timestamp
from local_azure.machine_learning.domain.access.tokens import CREATED_BY
from local_azure.machine_learning.domain.workspace.workspaces import Workspace
from local_azure.machine_learning.errors import ApiError, bad_request, not_implemented
from local_azure.machine_learning.storage.store import Document, Store

ASSET_URL = "aml://asset/"
_ASSET, _MODEL = "asset", "model"
_NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9\-._]{0,254}")  # the client's own rule
# The service refused 223 characters and took 148 (MachineLearningNotebooks#1070); the limit between is our guess.
DESCRIPTION_LIMIT = 200
_PATCHED_WHOLE = frozenset({"kvTags", "description", "sampleInputData", "sampleOutputData", "resourceRequirements"})
_DEFAULTS: Document = {
    "mimeType": "application/json",
    "unpack": False,
    "description": None,
    "framework": "Custom",
    "frameworkVersion": None,
    "experimentName": None,
    "runId": None,
    "parentModelId": None,
    "sampleInputData": None,
    "sampleOutputData": None,
    "resourceRequirements": None,
}
_NO_RESOURCES = {"cpu": None, "memoryInGB": None, "gpu": None}


# --- assets


def create_asset(store: Store, workspace: Workspace, asked: Document) -> Document:
    """Remember which artifacts (a file or a folder, `origin/container/path`) belong together."""
    if not asked.get("artifacts"):
        raise bad_request("An asset needs at least one artifact prefix.")
    asset = {**asked, "id": uuid.uuid4().hex, "createdTime": timestamp()}
    store.insert(workspace.id, _ASSET, asset["id"], asset, name=str(asked.get("name") or ""))
    return asset


def find_assets(store: Store, workspace: Workspace, *, name: str | None, run_id: str | None) -> list[Document]:
    """Assets, optionally those of one run or one name."""
    found = store.find(workspace.id, _ASSET, name=name)
    return [asset for asset in found if run_id is None or asset.get("runid") == run_id]


def require_asset(store: Store, workspace: Workspace, asset_id: str) -> Document:
    """One asset; raises a 404."""
    return store.require(workspace.id, _ASSET, asset_id)


def asset_of(store: Store, workspace: Workspace, url: object) -> Document:
    """The asset at the address that a model carries; raises a 404."""
    if not isinstance(url, str) or not url.startswith(ASSET_URL):
        raise not_implemented(f"models at '{url}' (only {ASSET_URL}...)")
    return require_asset(store, workspace, url.removeprefix(ASSET_URL))


# --- models


def register(store: Store, workspace: Workspace, posted: Document) -> Document:
    """Register the next version of a name; the first is 1."""
    asked = {key: value for key, value in posted.items() if value is not None}
    name = asked.get("name")
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise bad_request(f"'{name}' is not a model name: 1 to 255 letters, digits, '-', '.', '_', not leading.")
    if asked.get("unpack"):
        raise not_implemented("models that arrive as an archive (unpack)")
    _check_description(asked.get("description"))
    asset_of(store, workspace, asked.get("url"))
    model = {**_DEFAULTS, "kvTags": {}, "properties": {}, "datasets": [], "derivedModelIds": [], **asked}
    model["createdBy"] = CREATED_BY
    if model["resourceRequirements"]:  # the client leaves out what is not asked for, and misses it in our answer
        model["resourceRequirements"] = {**_NO_RESOURCES, **model["resourceRequirements"]}
    with store.transaction():
        existing = store.find(workspace.id, _MODEL, name=name)
        version = max((other["version"] for other in existing), default=0) + 1
        now = timestamp()
        model |= {"id": f"{name}:{version}", "version": version, "createdTime": now, "modifiedTime": now}
        store.insert(workspace.id, _MODEL, model["id"], model, name=name)
    return model


def _check_description(description: str | None) -> None:
    if description is not None and len(description) > DESCRIPTION_LIMIT:
        raise bad_request(
            f"The description has {len(description)} characters; Azure refuses long ones (223 was refused, 148 "
            f"accepted), local_azure more than {DESCRIPTION_LIMIT}."
        )


def get(store: Store, workspace: Workspace, model_id: str) -> Document | None:
    """One version by `name:version`, or None."""
    return store.get(workspace.id, _MODEL, model_id)


def require(store: Store, workspace: Workspace, model_id: str) -> Document:
    """One version by `name:version`; raises a 404."""
    return store.require(workspace.id, _MODEL, model_id)


def find(
    store: Store, workspace: Workspace, query: Mapping[str, str], *, latest_only: bool
) -> list[tuple[int, Document]]:
    """Model versions that fit the filters of a query, newest first, each with its number in the store.

    latest_only: of each name the latest one of those that fit.
    """
    found = store.find_numbered(workspace.id, _MODEL, name=query.get("name"), newest_first=True)
    chosen = [(number, model) for number, model in found if _matches(model, query)]
    return _latest(chosen) if latest_only else chosen


def _matches(model: Document, query: Mapping[str, str]) -> bool:
    return (
        query.get("framework") in (None, model["framework"])
        and query.get("runId") in (None, model["runId"])
        and matches_pairs(model["kvTags"], query.get("tags") or query.get("tag"))
        and matches_pairs(model["properties"], query.get("properties"))
        and ("datasetId" not in query or query["datasetId"] in [one["id"] for one in model["datasets"]])
    )


def _latest(models: Iterable[tuple[int, Document]]) -> list[tuple[int, Document]]:
    highest: dict[str, tuple[int, Document]] = {}
    for number, model in models:
        held = highest.get(model["name"])
        if held is None or held[1]["version"] < model["version"]:
            highest[model["name"]] = (number, model)
    return sorted(highest.values(), key=lambda pair: -pair[0])


def patch(store: Store, workspace: Workspace, model_id: str, operations: list[Document]) -> Document:
    """Carry out a JSON patch: tags, description and samples are replaced, properties and datasets added."""

    def change(model: Document) -> None:
        for operation in operations:
            _apply(model, operation)
        model["modifiedTime"] = timestamp()

    return store.update(workspace.id, _MODEL, model_id, change)


def _apply(model: Document, operation: Document) -> None:
    path, value = str(operation.get("path", "")).lstrip("/"), operation.get("value")
    if path == "description":
        _check_description(value)
    if path in _PATCHED_WHOLE:
        model[path] = value
    elif path == "properties" and isinstance(value, dict):
        _add_properties(model, value)
    elif path == "datasets" and isinstance(value, list):
        model["datasets"].extend(value)
    else:
        raise not_implemented(f"a change of '/{path}' of a model")


def _add_properties(model: Document, given: Document) -> None:
    held = model["properties"]
    for key, value in given.items():
        if held.setdefault(key, value) != value:
            raise bad_request(
                f"Property '{key}' of model '{model['id']}' is '{held[key]}' and cannot become '{value}': properties "
                "of a model are written once."
            )


def delete(store: Store, workspace: Workspace, model_id: str) -> bool:
    """Remove a version, False when there is none; raises a 412 when a service uses it.

    The SDK knows that refusal by "DeletionRequired".
    """
    with store.transaction():
        users = [
            service["name"]
            for service in store.find(workspace.id, "service")
            if model_id in service["environmentImageRequest"].get("modelIds", [])
        ]
        if users:
            message = f"Model '{model_id}' is used by {', '.join(users)}; delete the service first."
            raise ApiError(412, "DeletionRequired", message)
        return store.delete(workspace.id, _MODEL, model_id)


def matches_pairs(have: dict[str, str] | None, asked: str | None) -> bool:
    """Whether a dictionary satisfies a filter `key,key=value,...` of a list call."""
    held = have or {}
    for pair in filter(None, (asked or "").split(",")):
        key, separator, value = pair.partition("=")
        if key not in held or (separator and held[key] != value):
            return False
    return True
