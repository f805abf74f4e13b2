"""Registered models and the assets that name their files.

SDK callers: `Model.register`, `Model(ws, ...)`, `Model.list`, `model.update/add_tags/add_properties/download/delete`,
`run.register_model`.
"""

from __future__ import annotations

from urllib.parse import urlencode

from starlette.responses import Response

from local_azure.machine_learning.domain.access.addresses import Addresses
from local_azure.machine_learning.domain.serving import models
from local_azure.machine_learning.http.call import Call
from local_azure.machine_learning.http.routing import Plane
from local_azure.machine_learning.storage.store import Document, Store

PLANE = Plane("Models")
M = "/modelmanagement/v1.0{W}"
_PAGE = 255


# --- assets


@PLANE.route("POST", M + "/assets")
def create_asset(call: Call, store: Store) -> Document:
    """Remember which artifacts belong together."""
    return models.create_asset(store, call.workspace, call.document())


@PLANE.route("GET", M + "/assets", evidence="sdk-source")
def list_assets(call: Call, store: Store) -> Document:
    """Assets, optionally those of one run or one name."""
    run_id, name = call.query.get("runId"), call.query.get("name")
    return {"value": models.find_assets(store, call.workspace, name=name, run_id=run_id)}


@PLANE.route("GET", M + "/assets/{asset_id}")
def get_asset(call: Call, store: Store, *, asset_id: str) -> Document:
    """One asset."""
    return models.require_asset(store, call.workspace, asset_id)


# --- models


@PLANE.route("POST", M + "/models")
def register_model(call: Call, store: Store) -> Document:
    """Register the next version of a name."""
    return models.register(store, call.workspace, call.document())


@PLANE.route("GET", M + "/models")
def list_models(call: Call, store: Store, addresses: Addresses) -> Document:
    """Model versions, newest first. "Latest" is taken after the other filters."""
    query = call.query
    chosen = models.find(store, call.workspace, query, latest_only=call.flag("latestVersionOnly"))
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
    return models.require(store, call.workspace, model_id)


@PLANE.route("PATCH", M + "/models/{model_id}")
def update_model(call: Call, store: Store, *, model_id: str) -> Document:
    """Carry out a JSON patch."""
    return models.patch(store, call.workspace, model_id, call.json_patch())


@PLANE.route("DELETE", M + "/models/{model_id}")
def delete_model(call: Call, store: Store, *, model_id: str) -> Response:
    """Remove a version unless a service uses it."""
    existed = models.delete(store, call.workspace, model_id)
    return Response(status_code=200 if existed else 204)
