"""Compute targets. Steps run on this machine whatever the target; its document says what was asked for.

SDK callers: `ComputeTarget.create/list`, `AmlCompute`, `ws.compute_targets`, `wait_for_completion`, `delete`.
"""

from __future__ import annotations

import re
from typing import Any

from starlette.responses import JSONResponse

from local_azure.machine_learning.clock import timestamp
from local_azure.machine_learning.domain.access.addresses import Addresses
from local_azure.machine_learning.errors import ApiError, bad_request, not_implemented
from local_azure.machine_learning.http.call import Call
from local_azure.machine_learning.http.routing import Plane
from local_azure.machine_learning.storage.store import Store

PLANE = Plane("Compute")
_KIND = "compute"
_LISTED = "/rp/workspaces{W}/computes"
_ARM = "{W}/computes/{name}"

# Source: Azure documentation of the resource `workspaces/computes`.
_NAME = re.compile(r"[A-Za-z](?:[A-Za-z0-9-]{1,22}[A-Za-z0-9])")
_NUMBERED = re.compile(r"-\d+$")
_VM_SIZE = re.compile(r"(?:standard|basic)_[a-z]\w*", re.IGNORECASE)
# Some sizes for clients that ask first; any other of the right form is taken as well.
_VM_SIZES = {"Standard_DS2_v2": (2, 7, 0), "Standard_DS3_v2": (4, 14, 0), "Standard_NC6s_v3": (6, 112, 1)}
_NODE_COUNTS = ("preparing", "running", "idle", "unusable", "leaving", "preempted")


def _document(call: Call, name: str, asked: dict[str, Any]) -> dict[str, Any]:
    properties = asked.get("properties") or {}
    kind = properties.get("computeType", "AmlCompute")
    if kind != "AmlCompute":
        raise not_implemented(f"compute of type {kind}")
    if not _NAME.fullmatch(name) or _NUMBERED.search(name):
        raise bad_request(
            f"'{name}' is not a name for compute: 3 to 24 letters, digits and '-', first a letter, and not '-' and a "
            "number at the end."
        )
    size = (properties.get("properties") or {}).get("vmSize")
    if size and not _VM_SIZE.fullmatch(size):
        raise bad_request(f"'{size}' is not a size of virtual machines; expected one such as STANDARD_DS2_V2.")
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
def list_computes(call: Call, store: Store) -> dict[str, Any]:
    """Every compute target."""
    return {"value": store.find(call.ws, _KIND)}


@PLANE.route("GET", _LISTED + "/{name}")
@PLANE.route("GET", _ARM, access="user", evidence="sdk-source")
def get_compute(call: Call, store: Store, *, name: str) -> dict[str, Any]:
    """One compute target."""
    found = store.get(call.ws, _KIND, name.lower())
    if found is None:
        raise _missing(name)
    return found


@PLANE.route("PUT", _ARM, access="user")
def create_compute(call: Call, store: Store, addresses: Addresses, *, name: str) -> JSONResponse:
    """Create or change; ready at once, because there is nothing to provision."""
    document = _document(call, name, call.document())
    store.put(call.ws, _KIND, name.lower(), document)
    return _accepted(call, addresses, name, document, 201)


def _accepted(call: Call, addresses: Addresses, name: str, document: dict[str, Any], status: int) -> JSONResponse:
    operation = f"{addresses.tls}{call.workspace.arm_id}/computeOperations/{name}"
    return JSONResponse(document, status_code=status, headers={"Azure-AsyncOperation": operation})


@PLANE.route("PATCH", _ARM, access="user")
def update_compute(call: Call, store: Store, *, name: str) -> dict[str, Any]:
    """`update`: the scale settings are what can change."""
    asked = (call.document().get("properties") or {}).get("properties") or {}
    if set(asked) - {"scaleSettings"}:
        raise not_implemented(f"a change of {', '.join(sorted(asked))} of compute")
    get_compute(call, store, name=name)

    def change(document: dict[str, Any]) -> None:
        document["properties"]["properties"]["scaleSettings"] = asked.get("scaleSettings")
        document["properties"]["modifiedOn"] = timestamp()

    return store.update(call.ws, _KIND, name.lower(), change)


@PLANE.route("GET", "{W}/computeOperations/{name}", access="user")
def compute_operation() -> dict[str, str]:
    """State of the operation that `wait_for_completion` follows: each one is done at once."""
    return {"status": "Succeeded"}


@PLANE.route("DELETE", _ARM, access="user")
def delete_compute(call: Call, store: Store, addresses: Addresses, *, name: str) -> JSONResponse:
    """Remove a compute target."""
    if not store.delete(call.ws, _KIND, name.lower()):
        raise _missing(name)
    return _accepted(call, addresses, name, {}, 202)


@PLANE.route("POST", _ARM + "/listNodes", access="user")
def list_nodes(call: Call, store: Store, *, name: str) -> dict[str, list[Any]]:
    """No nodes: steps are processes of this machine."""
    get_compute(call, store, name=name)
    return {"nodes": []}


@PLANE.route(
    "GET",
    "/subscriptions/{subscription}/providers/Microsoft.MachineLearningServices/locations/{location}/vmSizes",
    access="user",
)
def list_vm_sizes() -> dict[str, list[dict[str, Any]]]:
    """`AmlCompute.supported_vmsizes`."""
    sizes = [
        {
            "name": name,
            "family": "local",
            "vCPUs": cores,
            "gpus": gpus,
            "memoryGB": memory,
            "osVhdSizeMB": 0,
            "maxResourceVolumeMB": 0,
            "lowPriorityCapable": True,
            "premiumIO": True,
        }
        for name, (cores, memory, gpus) in _VM_SIZES.items()
    ]
    return {"amlCompute": sizes, "value": sizes}
