"""Registered models and the assets that name their files.

SDK callers: `Model.register`, `Model(ws, ...)`, `Model.list`, `model.update/add_tags/add_properties/download/delete`,
`run.register_model`. Files are never copied here: an asset points at artifacts, a model at its asset.
"""

from __future__ import annotations

import re
import shutil
import uuid
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from starlette.responses import Response

from local_azure.machine_learning.clock import timestamp
from local_azure.machine_learning.domain.access.addresses import Addresses
from local_azure.machine_learning.domain.access.tokens import TENANT, USER
from local_azure.machine_learning.errors import ApiError, bad_request, not_found, not_implemented
from local_azure.machine_learning.http.call import Call
from local_azure.machine_learning.http.routing import Plane
from local_azure.machine_learning.storage.files import BlobFiles
from local_azure.machine_learning.storage.store import Store

if TYPE_CHECKING:
    from local_azure.machine_learning.domain.workspaces import Workspace

Document = dict[str, Any]

PLANE = Plane("Models")
M = "/modelmanagement/v1.0{W}"
ASSET_URL = "aml://asset/"
CREATED_BY = {"userObjectId": USER, "userTenantId": TENANT, "userName": "Local User"}

_NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9\-._]{0,254}")  # the client's own rule
# The service refused 223 characters and took 148 (MachineLearningNotebooks#1070); the limit between is our guess.
DESCRIPTION_LIMIT = 200
_PAGE = 255
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


@PLANE.route("POST", M + "/assets")
def create_asset(call: Call, store: Store) -> Document:
    """Remember which artifacts (a file or a folder, `origin/container/path`) belong together."""
    asked = call.document()
    if not asked.get("artifacts"):
        raise bad_request("An asset needs at least one artifact prefix.")
    asset = {**asked, "id": uuid.uuid4().hex, "createdTime": timestamp()}
    store.insert(call.ws, "asset", asset["id"], asset, name=str(asked.get("name") or ""))
    return asset


@PLANE.route("GET", M + "/assets", evidence="sdk-source")
def list_assets(call: Call, store: Store) -> Document:
    """Assets, optionally those of one run or one name."""
    run_id, name = call.query.get("runId"), call.query.get("name")
    found = store.find(call.ws, "asset", name=name)
    return {"value": [asset for asset in found if run_id is None or asset.get("runid") == run_id]}


@PLANE.route("GET", M + "/assets/{asset_id}")
def get_asset(call: Call, store: Store, *, asset_id: str) -> Document:
    """One asset."""
    return store.require(call.ws, "asset", asset_id)


# --- models


def _checked_description(description: str | None) -> str | None:
    if description is not None and len(description) > DESCRIPTION_LIMIT:
        raise bad_request(
            f"The description has {len(description)} characters; Azure refuses long ones (223 was refused, 148 "
            f"accepted), local_azure more than {DESCRIPTION_LIMIT}."
        )
    return description


def _checked_asset(call: Call, store: Store, url: object) -> str:
    if not isinstance(url, str) or not url.startswith(ASSET_URL):
        raise not_implemented(f"models at '{url}' (only {ASSET_URL}...)")
    store.require(call.ws, "asset", url.removeprefix(ASSET_URL))
    return url


@PLANE.route("POST", M + "/models")
def register_model(call: Call, store: Store) -> Document:
    """Register the next version of a name; the first is 1."""
    asked = {key: value for key, value in call.document().items() if value is not None}
    name = asked.get("name")
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise bad_request(f"'{name}' is not a model name: 1 to 255 letters, digits, '-', '.', '_', not leading.")
    if asked.get("unpack"):
        raise not_implemented("models that arrive as an archive (unpack)")
    _checked_description(asked.get("description"))
    model = {**_DEFAULTS, "kvTags": {}, "properties": {}, "datasets": [], "derivedModelIds": [], **asked}
    if model["resourceRequirements"]:  # the client leaves out what is not asked for, and misses it in our answer
        model["resourceRequirements"] = {**_NO_RESOURCES, **model["resourceRequirements"]}
    model |= {"url": _checked_asset(call, store, asked.get("url")), "createdBy": CREATED_BY}
    with store.transaction():
        existing = store.find(call.ws, "model", name=name)
        version = max((other["version"] for other in existing), default=0) + 1
        now = timestamp()
        model |= {"id": f"{name}:{version}", "version": version, "createdTime": now, "modifiedTime": now}
        store.insert(call.ws, "model", model["id"], model, name=name)
    return model


def matches_pairs(have: dict[str, str] | None, asked: str | None) -> bool:
    """Whether a dictionary satisfies a filter `key,key=value,...` of a list call."""
    for pair in filter(None, (asked or "").split(",")):
        key, separator, value = pair.partition("=")
        if key not in (have or {}) or (separator and (have or {})[key] != value):
            return False
    return True


def _matches(model: Document, query: dict[str, str]) -> bool:
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


@PLANE.route("GET", M + "/models")
def list_models(call: Call, store: Store, addresses: Addresses) -> Document:
    """Model versions, newest first. "Latest" is taken after the other filters."""
    query = call.query
    found = store.find_numbered(call.ws, "model", name=query.get("name"), newest_first=True)
    chosen = [(number, model) for number, model in found if _matches(model, query)]
    if call.flag("latestVersionOnly"):
        chosen = _latest(chosen)
    if "$skipToken" in query:
        chosen = [(number, model) for number, model in chosen if number < int(query["$skipToken"])]
    size = int(query.get("count") or _PAGE)
    page: Document = {"value": [model for _, model in chosen[:size]]}
    if len(chosen) > size:  # `Model(ws, name)` asks for one and never follows this
        following = urlencode({**query, "$skipToken": str(chosen[size - 1][0])})
        page["nextLink"] = f"{addresses.http}{call.request.url.path}?{following}"
    return page


@PLANE.route("GET", M + "/models/{model_id}")
def get_model(call: Call, store: Store, *, model_id: str) -> Document:
    """One version, by `name:version`."""
    return store.require(call.ws, "model", model_id)


def _apply(model: Document, operation: Document) -> None:
    path, value = str(operation.get("path", "")).lstrip("/"), operation.get("value")
    if path == "description":
        _checked_description(value)
    if path in _PATCHED_WHOLE:
        model[path] = value
    elif path == "properties" and isinstance(value, dict):
        for key, new in value.items():
            if model["properties"].setdefault(key, new) != new:
                raise bad_request(
                    f"Property '{key}' of model '{model['id']}' is '{model['properties'][key]}' and cannot become "
                    f"'{new}': properties of a model are written once."
                )
    elif path == "datasets" and isinstance(value, list):
        model["datasets"].extend(value)
    else:
        raise not_implemented(f"a change of '/{path}' of a model")


@PLANE.route("PATCH", M + "/models/{model_id}")
def update_model(call: Call, store: Store, *, model_id: str) -> Document:
    """Carry out a JSON patch: tags, description and samples are replaced, properties and datasets added."""
    if not isinstance(call.body, list):
        raise bad_request("The body of this request must be a JSON patch, a list of operations.")

    def change(model: Document) -> None:
        for operation in call.body:
            _apply(model, operation)
        model["modifiedTime"] = timestamp()

    return store.update(call.ws, "model", model_id, change)


@PLANE.route("DELETE", M + "/models/{model_id}")
def delete_model(call: Call, store: Store, *, model_id: str) -> Response:
    """Remove a version unless a service uses it (412, which the SDK knows by "DeletionRequired")."""
    with store.transaction():
        users = [
            service["name"]
            for service in store.find(call.ws, "service")
            if model_id in service["environmentImageRequest"].get("modelIds", [])
        ]
        if users:
            message = f"Model '{model_id}' is used by {', '.join(users)}; delete the service first."
            raise ApiError(412, "DeletionRequired", message)
        existed = store.delete(call.ws, "model", model_id)
    return Response(status_code=200 if existed else 204)


# --- files


def _artifact_files(files: BlobFiles, workspace: Workspace, artifact: Document) -> list[tuple[str, str]]:
    """(blob, path relative to the model's root) of one artifact of an asset; the root keeps the last name."""
    origin_path = str(artifact.get("prefix") or artifact.get("id") or "").strip("/")
    names = files.names(workspace.artifact_container, origin_path)
    wanted = [name for name in names if name == origin_path or name.startswith(origin_path + "/")]
    root = PurePosixPath(origin_path).parent
    return [(name, PurePosixPath(name).relative_to(root).as_posix()) for name in wanted]


def _copy_model(store: Store, files: BlobFiles, workspace: Workspace, model: Document, folder: Path) -> None:
    asset = store.require(workspace.id, "asset", model["url"].removeprefix(ASSET_URL))
    copied = 0
    for artifact in asset["artifacts"]:
        for blob, relative in _artifact_files(files, workspace, artifact):
            target = folder / relative
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(files.path(workspace.artifact_container, blob), target)
            copied += 1
    if not copied:
        raise not_found("The files of model", model["id"], "Were they uploaded before it was registered?")


def materialise(store: Store, files: BlobFiles, workspace: Workspace, model_ids: list[str], target: Path) -> Path:
    """Copy the files of models to `target/<name>/<version>/` and return the folder for AZUREML_MODEL_DIR.

    That is the folder of the one model, and `target` itself for several (or none), as in Azure's containers.
    Raises a 404 for an unknown model or one without files.
    """
    folders = []
    for model_id in model_ids:
        model = store.require(workspace.id, "model", model_id)
        folder = target / model["name"] / str(model["version"])
        folder.mkdir(parents=True, exist_ok=True)
        _copy_model(store, files, workspace, model, folder)
        folders.append(folder)
    target.mkdir(parents=True, exist_ok=True)
    return folders[0] if len(folders) == 1 else target
