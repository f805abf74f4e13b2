"""Web services (Azure Container Instances) and the operations that bring them up.

SDK callers: `Model.deploy`, `service.wait_for_deployment/update/delete/get_keys/regen_key/get_logs`,
`Webservice.list`, `ws.webservices`.
"""

from __future__ import annotations

from starlette.concurrency import run_in_threadpool
from starlette.responses import JSONResponse, Response

from local_azure.machine_learning.domain.access.addresses import Addresses
from local_azure.machine_learning.domain.access.denials import Denials
from local_azure.machine_learning.domain.serving import operations, services
from local_azure.machine_learning.domain.serving.filters import UPDATED_FIRST, ordered
from local_azure.machine_learning.domain.serving.service_requests import checked_request
from local_azure.machine_learning.domain.workspace.redaction import Redactor
from local_azure.machine_learning.engines.services.host import ServiceHost
from local_azure.machine_learning.errors import ApiError, not_implemented
from local_azure.machine_learning.http.call import Call
from local_azure.machine_learning.http.routing import Plane
from local_azure.machine_learning.http.shapes import (
    ANYTHING,
    ENVIRONMENT,
    FLAG,
    NUMBER,
    TAGS,
    TEXT,
    Items,
    Record,
    Shape,
    require_values,
)
from local_azure.machine_learning.planes.serving.models import M
from local_azure.machine_learning.storage.store import Document, Store

PLANE = Plane("Web services")
# The client asks once and then sleeps 5 s between questions, so the first one is held until there is an answer.
HOLD_SECONDS = 30
_LOG_LINES = 5000
_IMAGE = Record(
    {
        "driverProgram": TEXT,
        "modelIds": Items(TEXT),
        "assets": Items(Record({"id": TEXT, "url": TEXT, "unpack": FLAG}, ("id", "url"))),
        "environment": ENVIRONMENT,
    }
)
_RESOURCES = Record(dict.fromkeys(("cpu", "cpuLimit", "memoryInGB", "memoryInGBLimit", "gpu"), NUMBER))
_SERVICE = Record(
    {
        **dict.fromkeys(("name", "description", "computeType", "cname", "dnsNameLabel", "location"), TEXT),
        **dict.fromkeys(("authEnabled", "appInsightsEnabled", "sslEnabled", "overwrite"), FLAG),
        "kvTags": TAGS,
        "properties": TAGS,
        "keys": Record({"primaryKey": TEXT, "secondaryKey": TEXT}),
        "containerResourceRequirements": _RESOURCES,
        "environmentImageRequest": _IMAGE,
    }
)
_CHECKED = Record({"type": TEXT, "createRequest": _SERVICE})
_PATCH = Items(Record({"op": TEXT, "path": TEXT, "value": ANYTHING}))
_WHOLE: dict[str, Shape] = {
    "environmentImageRequest": _IMAGE,
    "authEnabled": FLAG,
    "appInsightsEnabled": FLAG,
    "kvTags": TAGS,
    "description": TEXT,
}
_NEW_KEY = Record({"keyType": TEXT, "keyValue": TEXT})


# --- checks that the client asks for before it deploys: {} when all is well


def _verdict(refusal: ApiError) -> Document:
    return {"error": {"code": refusal.code, "message": refusal.message}}


@PLANE.route("POST", M + "/services/validate/name/{name}")
def validate_name(call: Call, store: Store, *, name: str) -> Document:
    """Whether the name is free."""
    try:
        services.require_free(store, call.workspace, name)
    except ApiError as refusal:
        return _verdict(refusal)
    return {}


@PLANE.route("POST", M + "/services/validate/resource")
def validate_resources() -> Document:
    """Whether there is room; the request itself is checked by `validate`."""
    return {}


@PLANE.route("POST", M + "/services/validate", body=_CHECKED)
def validate(call: Call, store: Store) -> Document:
    """Whether a create request can be carried out (updates and deletions are checked when they come)."""
    asked = call.document()
    try:
        if asked.get("type") == "Create":
            checked_request(store, call.workspace, asked.get("createRequest") or {})
    except ApiError as refusal:
        return _verdict(refusal)
    return {}


# --- operations


def _accepted(call: Call, addresses: Addresses, operation: Document) -> Response:
    path = M.replace("{W}", call.workspace.arm_id)
    address = f"{addresses.http}{path}/operations/{operation['id']}"
    return Response(status_code=202, headers={"Operation-Location": address})


@PLANE.route("GET", M + "/operations/{operation_id}")
async def get_operation(call: Call, store: Store, host: ServiceHost, *, operation_id: str) -> Document:
    """An operation, as soon as it has finished or after half a minute."""
    await host.wait_for(operation_id, HOLD_SECONDS)
    operation = await run_in_threadpool(operations.require, store, call.workspace, operation_id)
    log = operation.pop("streamingOperationLog")
    if "offset" not in call.query:
        return operation
    return {**operation, "streamingOperationLog": log[call.number("offset", 0) :]}


# --- services


@PLANE.route("POST", M + "/services", body=_SERVICE)
def create_service(
    call: Call, store: Store, addresses: Addresses, host: ServiceHost, *, denials: Denials
) -> Response:
    """Deploy a service, or replace one with `overwrite`."""
    denials.demand_deployment()
    posted = call.document()
    operation = services.create(store, call.workspace, posted)
    host.deploy(call.workspace, posted["name"], operation["id"])
    return _accepted(call, addresses, operation)


@PLANE.route("GET", M + "/services")
def list_services(call: Call, store: Store) -> Document:
    """Services that fit the filters."""
    for unknown in ("imageName", "imageId", "imageDigest"):
        if call.query.get(unknown):
            raise not_implemented(f"the filter {unknown} of services")
    found = services.find(store, call.workspace, call.query)
    chosen = ordered(found, call.query.get("orderby") or UPDATED_FIRST)
    return {"value": [_shown(call, store, service) for service in chosen]}


@PLANE.route("GET", M + "/services/{name}")
def get_service(call: Call, store: Store, *, name: str) -> Document:
    """One service."""
    return _shown(call, store, services.require(store, call.workspace, name))


def _shown(call: Call, store: Store, service: Document) -> Document:
    """The service as it is shown; its models only to a client that asks for them."""
    return services.shown(store, call.workspace, service, with_models=call.flag("expand"))


@PLANE.route("PATCH", M + "/services/{name}", body=_PATCH)
def update_service(call: Call, store: Store, addresses: Addresses, host: ServiceHost, *, name: str) -> Response:
    """Change a service; another image means another deployment (202), everything else counts at once (200)."""
    changes = call.json_patch()
    require_values(_WHOLE, changes)
    service, operation = services.patch(store, call.workspace, name, changes)
    if operation:
        host.deploy(call.workspace, name, operation["id"])
        return _accepted(call, addresses, operation)
    host.publish_keys(call.workspace, name)
    return JSONResponse(services.shown(store, call.workspace, service, with_models=True))


@PLANE.route("DELETE", M + "/services/{name}")
def delete_service(call: Call, store: Store, host: ServiceHost, *, name: str) -> Response:
    """Stop and forget a service, also one that is still being deployed."""
    existed = services.delete(store, call.workspace, name)
    host.end(call.workspace, name)
    return Response(status_code=200 if existed else 204)


@PLANE.route("POST", M + "/services/{name}/listkeys")
def list_keys(call: Call, store: Store, *, name: str) -> dict[str, str]:
    """Both keys."""
    return services.keys(store, call.workspace, name)


@PLANE.route("POST", M + "/services/{name}/regenerateKeys", body=_NEW_KEY)
def regenerate_key(call: Call, store: Store, addresses: Addresses, host: ServiceHost, *, name: str) -> Response:
    """Replace a key; the old one is refused from now on."""
    asked = call.document()
    operation = services.replace_key(store, call.workspace, name, asked.get("keyType"), asked.get("keyValue"))
    host.publish_keys(call.workspace, name)
    return _accepted(call, addresses, operation)


@PLANE.route("GET", M + "/services/{name}/logs")
def get_logs(call: Call, store: Store, host: ServiceHost, redactor: Redactor, *, name: str) -> dict[str, str]:
    """The end of the service's output, of the present or the last attempt to run it."""
    services.require(store, call.workspace, name)
    lines = call.number("tail", _LOG_LINES)
    log = host.folder(call.workspace, name).read_log(lines)
    return {"content": redactor.text(log)}
