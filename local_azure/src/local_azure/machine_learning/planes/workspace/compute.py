"""Compute targets.

SDK callers: `ComputeTarget.create/list`, `AmlCompute`, `ws.compute_targets`, `wait_for_completion`, `delete`.
"""

from __future__ import annotations

from starlette.responses import JSONResponse, Response

from local_azure.machine_learning.domain.access.addresses import Addresses
from local_azure.machine_learning.domain.access.denials import Denials
from local_azure.machine_learning.domain.workspace import compute
from local_azure.machine_learning.errors import ApiError
from local_azure.machine_learning.http.call import Call
from local_azure.machine_learning.http.routing import Plane
from local_azure.machine_learning.http.shapes import NUMBER, TAGS, TEXT, Record
from local_azure.machine_learning.storage.store import Document, Store

PLANE = Plane("Compute")
_LISTED = "/rp/workspaces{W}/computes"
_ARM = "{W}/computes/{name}"
_SCALE = Record({"minNodeCount": NUMBER, "maxNodeCount": NUMBER, "nodeIdleTimeBeforeScaleDown": TEXT})
_CLUSTER = Record({"vmSize": TEXT, "vmPriority": TEXT, "scaleSettings": _SCALE})
_BODY = Record(
    {
        "tags": TAGS,
        "properties": Record({"computeType": TEXT, "description": TEXT, "properties": _CLUSTER}),
    }
)


@PLANE.route("GET", _LISTED)
def list_computes(call: Call, store: Store) -> Document:
    """Every compute target."""
    return {"value": compute.find_all(store, call.workspace)}


@PLANE.route("GET", _LISTED + "/{name}")
@PLANE.route("GET", _ARM, evidence="sdk-source", recorded=True)
def get_compute(call: Call, store: Store, *, name: str) -> Document:
    """One compute target."""
    return compute.require(store, call.workspace, name)


@PLANE.route("PUT", _ARM, access="user", body=_BODY, recorded=True)
def create_compute(call: Call, store: Store, addresses: Addresses, denials: Denials, *, name: str) -> JSONResponse:
    """Create or replace a compute target."""
    if denials.value("quota") is not None:
        raise ApiError(400, "QuotaExceeded", "The specified subscription has no cores left for this family of VMs.")
    document = compute.create(store, call.workspace, name, call.document())
    return JSONResponse(document, status_code=201, headers=_operation(call, addresses, name))


def _operation(call: Call, addresses: Addresses, name: str) -> dict[str, str]:
    return {"Azure-AsyncOperation": f"{addresses.tls}{call.workspace.arm_id}/computeOperations/{name}"}


@PLANE.route("PATCH", _ARM, access="user", body=_BODY)
def update_compute(call: Call, store: Store, *, name: str) -> Document:
    """`update`: the scale settings are what can change."""
    asked = (call.document().get("properties") or {}).get("properties") or {}
    return compute.update(store, call.workspace, name, asked)


@PLANE.route("GET", "{W}/computeOperations/{name}", access="user", recorded=True)
def compute_operation() -> Document:
    """State of the operation that `wait_for_completion` follows: each one is done at once."""
    return {"status": "Succeeded", "percentComplete": 100.0}


@PLANE.route("DELETE", _ARM, access="user", recorded=True)
def delete_compute(call: Call, store: Store, addresses: Addresses, *, name: str) -> Response:
    """Remove a compute target."""
    compute.delete(store, call.workspace, name)
    return Response(status_code=202, headers=_operation(call, addresses, name))


@PLANE.route("POST", _ARM + "/listNodes", access="user")
def list_nodes(call: Call, store: Store, *, name: str) -> Document:
    """The nodes that the cluster keeps idle. Steps are processes of this machine and add none."""
    return {"nodes": compute.nodes(store, call.workspace, name)}


@PLANE.route(
    "GET",
    "/subscriptions/{subscription}/providers/Microsoft.MachineLearningServices/locations/{location}/vmSizes",
    access="user",
)
def list_vm_sizes() -> Document:
    """`AmlCompute.supported_vmsizes`."""
    sizes = compute.vm_sizes()
    return {"amlCompute": sizes, "value": sizes}
