"""Registered models and the assets that name their files.

SDK callers: `Model.register`, `Model(ws, ...)`, `Model.list`, `model.update/add_tags/add_properties/download/delete`,
`run.register_model`.
"""

from __future__ import annotations

from urllib.parse import urlencode

from starlette.responses import Response

from local_azure.machine_learning.domain.access.addresses import Addresses
from local_azure.machine_learning.domain.serving import models
from local_azure.machine_learning.domain.serving.filters import CREATED_FIRST, ordered
from local_azure.machine_learning.engines.services.host import ServiceHost
from local_azure.machine_learning.errors import not_implemented
from local_azure.machine_learning.http.call import Call
from local_azure.machine_learning.http.routing import Plane
from local_azure.machine_learning.http.shapes import (
    ANYTHING,
    FLAG,
    NUMBER,
    TAGS,
    TEXT,
    WORD,
    Items,
    Pairs,
    Record,
    Shape,
    require_values,
)
from local_azure.machine_learning.storage.store import Document, Store

PLANE = Plane("Models")
M = "/modelmanagement/v1.0{W}"
_PAGE = 255
_ASSET = Record(
    {
        **dict.fromkeys(("name", "description", "runid", "type"), TEXT),
        "artifacts": Items(Record({"prefix": TEXT, "id": TEXT})),
        "kvTags": TAGS,
        "properties": TAGS,
        "meta": Pairs(ANYTHING),
    }
)
_RESOURCES = Record({"cpu": NUMBER, "memoryInGB": NUMBER, "gpu": NUMBER})
_MODEL = Record(
    {
        **dict.fromkeys(("name", "url", "description", "mimeType", "framework", "experimentName", "runId"), TEXT),
        "frameworkVersion": WORD,
        "unpack": FLAG,
        "kvTags": TAGS,
        "properties": TAGS,
        "datasets": Items(Record({"id": TEXT, "name": TEXT}, ("id",))),
        "derivedModelIds": Items(TEXT),
        "resourceRequirements": _RESOURCES,
    }
)
_PATCH = Items(Record({"op": TEXT, "path": TEXT, "value": ANYTHING}))
_WHOLE: dict[str, Shape] = {  # of a model's patch, by path
    "kvTags": TAGS,
    "properties": TAGS,
    "description": TEXT,
    "resourceRequirements": _RESOURCES,
    "datasets": Items(Record({"id": TEXT}, ("id",))),
    "sampleInputData": Pairs(ANYTHING),
    "sampleOutputData": Pairs(ANYTHING),
}


# --- assets


@PLANE.route("POST", M + "/assets", body=_ASSET)
def create_asset(call: Call, store: Store) -> Document:
    """Remember which artifacts belong together."""
    return models.create_asset(store, call.workspace, call.document())


@PLANE.route("GET", M + "/assets", evidence="sdk-source")
def list_assets(call: Call, store: Store) -> Document:
    """Assets, optionally those of one run or one name."""
    run_id, name = call.query.get("runId"), call.query.get("name")
    found = models.find_assets(store, call.workspace, name=name, run_id=run_id)
    return {"value": ordered(found, call.query.get("orderby") or CREATED_FIRST)}


@PLANE.route("GET", M + "/assets/{asset_id}")
def get_asset(call: Call, store: Store, *, asset_id: str) -> Document:
    """One asset."""
    return models.require_asset(store, call.workspace, asset_id)


# --- models


@PLANE.route("POST", M + "/models", body=_MODEL)
def register_model(call: Call, store: Store, host: ServiceHost) -> Document:
    """Register the next version of a name, which a web service may be deployed for."""
    host.prepare()
    return models.register(store, call.workspace, call.document())


@PLANE.route("GET", M + "/models")
def list_models(call: Call, store: Store, addresses: Addresses) -> Document:
    """Model versions, newest first. "Latest" is taken after the other filters."""
    query = call.query
    order = query.get("orderBy") or CREATED_FIRST
    if order.lower() != CREATED_FIRST.lower():
        raise not_implemented(f"the order {order} of models")
    chosen = models.find(store, call.workspace, query, latest_only=call.flag("latestVersionOnly"))
    if "$skipToken" in query:
        chosen = [(number, model) for number, model in chosen if number < call.number("$skipToken", 0)]
    size = call.number("count", _PAGE)
    page: Document = {"value": [model for _, model in chosen[:size]]}
    if len(chosen) > size:  # `Model(ws, name)` asks for one and never follows this
        following = urlencode({**query, "$skipToken": str(chosen[size - 1][0])})
        page["nextLink"] = f"{addresses.http}{call.request.url.path}?{following}"
    return page


@PLANE.route("GET", M + "/models/{model_id}")
def get_model(call: Call, store: Store, *, model_id: str) -> Document:
    """One version, by `name:version`."""
    return models.require(store, call.workspace, model_id)


@PLANE.route("PATCH", M + "/models/{model_id}", body=_PATCH)
def update_model(call: Call, store: Store, *, model_id: str) -> Document:
    """Carry out a JSON patch."""
    operations = call.json_patch()
    require_values(_WHOLE, operations)
    return models.patch(store, call.workspace, model_id, operations)


@PLANE.route("DELETE", M + "/models/{model_id}")
def delete_model(call: Call, store: Store, *, model_id: str) -> Response:
    """Remove a version unless a service uses it."""
    existed = models.delete(store, call.workspace, model_id)
    return Response(status_code=200 if existed else 204)
