"""Web services (Azure Container Instances) and the operations that bring them up.

SDK callers: `Model.deploy`, `service.wait_for_deployment/update/delete/get_keys/regen_key/get_logs`,
`Webservice.list`, `ws.webservices`. Processes belong to the host in `serving/`; this module keeps the documents.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from starlette.concurrency import run_in_threadpool
from starlette.responses import JSONResponse, Response

from local_azure.machine_learning.clock import new_id, timestamp
from local_azure.machine_learning.domain.access.addresses import Addresses
from local_azure.machine_learning.domain.redaction import Redactor
from local_azure.machine_learning.domain.serving.service_documents import (
    apply_patch,
    checked_request,
    key_name,
    new_key,
    new_service,
    shown,
)
from local_azure.machine_learning.errors import ApiError, bad_request, conflict, not_implemented
from local_azure.machine_learning.http.call import Call
from local_azure.machine_learning.http.routing import Plane
from local_azure.machine_learning.planes.serving.models import M, matches_pairs
from local_azure.machine_learning.storage.store import Store

if TYPE_CHECKING:
    from local_azure.machine_learning.engines.services import ServiceHost

Document = dict[str, Any]

PLANE = Plane("Web services")
# The client asks once and then sleeps 5 s between questions, so the first one is held until there is an answer.
HOLD_SECONDS = 30
_LOG_LINES = 5000


# --- checks that the client asks for before it deploys: {} when all is well


def _verdict(check: ApiError | None) -> Document:
    return {"error": {"code": check.code, "message": check.message}} if check else {}


@PLANE.route("POST", M + "/services/validate/name/{name}")
def validate_name(call: Call, store: Store, *, name: str) -> Document:
    """Whether the name is free."""
    taken = store.get(call.ws, "service", name) is not None
    return _verdict(_taken(name) if taken else None)


@PLANE.route("POST", M + "/services/validate/resource")
def validate_resources() -> Document:
    """Whether there is room; the request itself is checked by `validate`."""
    return {}


@PLANE.route("POST", M + "/services/validate")
def validate(call: Call, store: Store) -> Document:
    """Whether a create request can be carried out (updates and deletions are checked when they come)."""
    asked = call.document()
    try:
        if asked.get("type") == "Create":
            checked_request(call, store, asked.get("createRequest") or {})
    except ApiError as refusal:
        return _verdict(refusal)
    return {}


def _taken(name: str) -> ApiError:
    return conflict(f"Service {name} exists already; delete it first, choose another name, or deploy with overwrite.")


# --- operations


def _new_operation(call: Call, store: Store, service: str, kind: str, state: str) -> Document:
    identifier = new_id()
    operation = {
        "id": identifier,
        "operationType": kind,
        "state": state,
        "createdTime": timestamp(),
        "error": None,
        "operationLog": None,
        "operationDetails": {"subOperationType": "DeployService", "subOperationState": state},
        "resourceLocation": f"{call.workspace.arm_id}/services/{service}",
        "streamingOperationLog": "",
    }
    store.insert(call.ws, "operation", identifier, operation, parent=service)
    return operation


def _accepted(call: Call, addresses: Addresses, operation: Document) -> Response:
    path = M.replace("{W}", call.workspace.arm_id)
    address = f"{addresses.http}{path}/operations/{operation['id']}"
    return Response(status_code=202, headers={"Operation-Location": address})


@PLANE.route("GET", M + "/operations/{operation_id}")
async def get_operation(call: Call, store: Store, host: ServiceHost, *, operation_id: str) -> Document:
    """An operation, as soon as it has finished or after half a minute."""
    await host.wait_for(operation_id, HOLD_SECONDS)
    operation = await run_in_threadpool(store.require, call.ws, "operation", operation_id)
    log = operation.pop("streamingOperationLog")
    offset = call.query.get("offset")
    return operation if offset is None else {**operation, "streamingOperationLog": log[int(offset) :]}


# --- services


def _idle(call: Call, store: Store, name: str) -> Document:
    """The service, which must not be in the middle of something."""
    service = store.require(call.ws, "service", name)
    if service["state"] == "Transitioning":
        raise conflict(f"Service {name} is being deployed; wait for that operation first.")
    return service


@PLANE.route("POST", M + "/services")
def create_service(call: Call, store: Store, addresses: Addresses, host: ServiceHost) -> Response:
    """Deploy a service, or replace one with `overwrite`."""
    asked = checked_request(call, store, call.document())
    name, service = asked["name"], new_service(asked)
    with store.transaction():
        existing = store.get(call.ws, "service", name)
        if existing:
            if not asked.get("overwrite"):
                raise _taken(name)
            before = _idle(call, store, name)
            service |= {"createdTime": before["createdTime"], "scoringUri": before["scoringUri"]}
        store.put(call.ws, "service", name, service)
        operation = _new_operation(call, store, name, "Service", "Running")
    host.deploy(call.workspace, name, operation["id"])
    return _accepted(call, addresses, operation)


def _matches(service: Document, query: dict[str, str]) -> bool:
    model_ids = service["environmentImageRequest"].get("modelIds") or []
    return (
        query.get("computeType", "ACI").upper() == service["computeType"]
        and query.get("modelId") in (None, *model_ids)
        and query.get("modelName") in (None, *(model_id.rpartition(":")[0] for model_id in model_ids))
        and matches_pairs(service["kvTags"], query.get("tags"))
        and matches_pairs(service["properties"], query.get("properties"))
    )


@PLANE.route("GET", M + "/services")
def list_services(call: Call, store: Store) -> Document:
    """Services that fit the filters."""
    for unknown in ("imageName", "imageId", "imageDigest"):
        if call.query.get(unknown):
            raise not_implemented(f"the filter {unknown} of services")
    found = store.find(call.ws, "service")
    return {"value": [shown(call, store, service) for service in found if _matches(service, call.query)]}


@PLANE.route("GET", M + "/services/{name}")
def get_service(call: Call, store: Store, *, name: str) -> Document:
    """One service."""
    return shown(call, store, store.require(call.ws, "service", name))


@PLANE.route("PATCH", M + "/services/{name}")
def update_service(call: Call, store: Store, addresses: Addresses, host: ServiceHost, *, name: str) -> Response:
    """Change a service; another image means another deployment (202), everything else counts at once (200)."""
    if not isinstance(call.body, list):
        raise bad_request("The body of this request must be a JSON patch, a list of operations.")
    with store.transaction():
        service = _idle(call, store, name)
        redeploy = apply_patch(call, store, service, call.body)
        if redeploy:
            service |= {"state": "Transitioning", "error": None}
            operation = _new_operation(call, store, name, "Service", "Running")
        store.put(call.ws, "service", name, service)
    if redeploy:
        host.deploy(call.workspace, name, operation["id"])
        return _accepted(call, addresses, operation)
    host.publish_keys(call.workspace, name)
    return JSONResponse(shown(call, store, service))


@PLANE.route("DELETE", M + "/services/{name}")
def delete_service(call: Call, store: Store, host: ServiceHost, *, name: str) -> Response:
    """Stop and forget a service, also one that is still being deployed."""
    existed = store.delete(call.ws, "service", name)
    host.end(call.workspace, name)
    return Response(status_code=200 if existed else 204)


@PLANE.route("POST", M + "/services/{name}/listkeys")
def list_keys(call: Call, store: Store, *, name: str) -> dict[str, str]:
    """Both keys."""
    service = store.require(call.ws, "service", name)
    return dict(service["keys"])


@PLANE.route("POST", M + "/services/{name}/regenerateKeys")
def regenerate_key(call: Call, store: Store, addresses: Addresses, host: ServiceHost, *, name: str) -> Response:
    """Replace a key; the old one is refused from now on."""
    asked = call.document()
    key, value = key_name(asked.get("keyType")), asked.get("keyValue") or new_key()
    with store.transaction():
        store.update(call.ws, "service", name, lambda doc: doc["keys"].update({key: value}))
        operation = _new_operation(call, store, name, "Key", "Succeeded")
    host.publish_keys(call.workspace, name)
    return _accepted(call, addresses, operation)


@PLANE.route("GET", M + "/services/{name}/logs")
def get_logs(call: Call, store: Store, redactor: Redactor, host: ServiceHost, *, name: str) -> dict[str, str]:
    """The end of the service's output, of the present or the last attempt to run it."""
    store.require(call.ws, "service", name)
    lines = int(call.query.get("tail") or _LOG_LINES)
    log = host.folder(call.workspace, name).read_log(lines)
    return {"content": redactor.text(log)}
