"""Compute targets. Steps run on this machine whatever the target; its document says what was asked for.

SDK callers: `ComputeTarget.create/list`, `AmlCompute`, `ws.compute_targets`, `wait_for_completion`, `delete`.
"""

from __future__ import annotations

from typing import Any

from starlette.responses import JSONResponse

from local_azure.machine_learning.call import Call
from local_azure.machine_learning.clock import timestamp
from local_azure.machine_learning.errors import ApiError, not_implemented
from local_azure.machine_learning.routing import Plane

PLANE = Plane("Compute")
_KIND = "compute"
_LISTED = "/rp/workspaces{W}/computes"
_ARM = "{W}/computes/{name}"

_NODE_COUNTS = ("preparing", "running", "idle", "unusable", "leaving", "preempted")


def _document(call: Call, name: str, asked: dict[str, Any]) -> dict[str, Any]:
    properties = asked.get("properties") or {}
    kind = properties.get("computeType", "AmlCompute")
    if kind != "AmlCompute":
        raise not_implemented(f"compute of type {kind}")
    now = timestamp()
    counts = {f"{state}NodeCount": 0 for state in _NODE_COUNTS}
    return {
        "id": f"{call.workspace.arm_id}/computes/{name}",
        "name": name,
        "type": "Microsoft.MachineLearningServices/workspaces/computes",
        "location": "local",
        "tags": asked.get("tags"),
        "properties": {
            "computeType": kind,
            "computeLocation": "local",
            "description": properties.get("description"),
            "provisioningState": "Succeeded",
            "provisioningErrors": None,
            "createdOn": now,
            "modifiedOn": now,
            "resourceId": None,
            "isAttachedCompute": False,
            "properties": {
                "vmSize": "STANDARD_D2_V2",
                "vmPriority": "Dedicated",
                "scaleSettings": {
                    "minNodeCount": 0,
                    "maxNodeCount": 1,
                    "nodeIdleTimeBeforeScaleDown": "PT120S",
                },
                "subnet": None,
                "userAccountCredentials": {},
                "remoteLoginPortPublicAccess": "NotSpecified",
                "enableNodePublicIp": True,
                "isolatedNetwork": False,
                "osType": "Linux",
                **{key: value for key, value in (properties.get("properties") or {}).items() if value is not None},
                "allocationState": "Steady",
                "allocationStateTransitionTime": now,
                "currentNodeCount": 0,
                "targetNodeCount": 0,
                "errors": None,
                "nodeStateCounts": counts,
            },
        },
    }


def _missing(name: str) -> ApiError:
    return ApiError(404, "ResourceNotFound", f"The compute target '{name}' was not found in this workspace.")


@PLANE.route("GET", _LISTED)
def list_computes(call: Call) -> dict[str, Any]:
    """Every compute target."""
    return {"value": call.store.find(call.ws, _KIND)}


@PLANE.route("GET", _LISTED + "/{name}")
@PLANE.route("GET", _ARM, access="user")
def get_compute(call: Call, name: str) -> dict[str, Any]:
    """One compute target."""
    found = call.store.get(call.ws, _KIND, name.lower())
    if found is None:
        raise _missing(name)
    return found


@PLANE.route("PUT", _ARM, access="user")
def create_compute(call: Call, name: str) -> JSONResponse:
    """Create or change; ready at once, because there is nothing to provision."""
    document = _document(call, name, call.document())
    call.store.put(call.ws, _KIND, name.lower(), document)
    operation = f"{call.emulator.addresses.tls}{call.workspace.arm_id}/computeOperations/{name}"
    return JSONResponse(document, status_code=201, headers={"Azure-AsyncOperation": operation})


@PLANE.route("GET", "{W}/computeOperations/{name}", access="user")
def compute_operation(call: Call, name: str) -> dict[str, str]:
    """State of the creation that `wait_for_completion` follows."""
    get_compute(call, name)
    return {"status": "Succeeded"}


@PLANE.route("DELETE", _ARM, access="user", evidence="sdk-source")
def delete_compute(call: Call, name: str) -> dict[str, Any]:
    """Remove a compute target."""
    if not call.store.delete(call.ws, _KIND, name.lower()):
        raise _missing(name)
    return {}
