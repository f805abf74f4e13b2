"""Compute targets. Steps run on this machine whatever the target; its document says what was asked for."""

from __future__ import annotations

import re

from local_azure.machine_learning.clock import timestamp
from local_azure.machine_learning.domain.workspace.workspaces import Workspace
from local_azure.machine_learning.errors import ApiError, bad_request, not_implemented
from local_azure.machine_learning.storage.store import Document, Store

_KIND = "compute"
# Source: Azure documentation of the resource `workspaces/computes`.
_NAME = re.compile(r"[A-Za-z](?:[A-Za-z0-9-]{1,22}[A-Za-z0-9])")
_NUMBERED = re.compile(r"-\d+$")
_VM_SIZE = re.compile(r"(?:standard|basic)_[a-z]\w*", re.IGNORECASE)
# Some sizes for clients that ask first (cores, GB of memory, GPUs); any other of the right form is taken as well.
_VM_SIZES = {"Standard_DS2_v2": (2, 7, 0), "Standard_DS3_v2": (4, 14, 0), "Standard_NC6s_v3": (6, 112, 1)}
_SECONDS = re.compile(r"PT([0-9]{1,9})S")
MAX_NODES = 1_000  # far above any quota
_NODE_COUNTS = ("preparing", "running", "idle", "unusable", "leaving", "preempted")


def find_all(store: Store, workspace: Workspace) -> list[Document]:
    """Every compute target."""
    return [_with_nodes(document) for document in store.find(workspace.id, _KIND)]


def require(store: Store, workspace: Workspace, name: str) -> Document:
    """One compute target; raises a 404 without a body, as the service answers."""
    found = find(store, workspace, name)
    if found is None:
        raise _missing(name)
    return found


def find(store: Store, workspace: Workspace, name: str) -> Document | None:
    """One compute target, or None."""
    found = store.get(workspace.id, _KIND, name.lower())
    return None if found is None else _with_nodes(found)


def create(store: Store, workspace: Workspace, name: str, asked: Document) -> Document:
    """Create or replace; ready at once, because there is nothing to provision."""
    properties = asked.get("properties") or {}
    _check(name, properties)
    document = _new_document(workspace, name, asked.get("tags"), properties)
    store.put(workspace.id, _KIND, name.lower(), document)
    return _with_nodes(document)


def _with_nodes(document: Document) -> Document:
    """The document with the nodes that a cluster keeps when nothing runs: its minimum, all idle.

    Clients wait for them, so that they are there as soon as the cluster is.
    """
    cluster = document["properties"]["properties"]
    count = (cluster.get("scaleSettings") or {}).get("minNodeCount") or 0
    counts = {f"{state}NodeCount": count if state == "idle" else 0 for state in _NODE_COUNTS}
    cluster |= {"currentNodeCount": count, "targetNodeCount": count, "nodeStateCounts": counts}
    return document


def nodes(store: Store, workspace: Workspace, name: str) -> list[Document]:
    """The nodes of a cluster; raises a 404."""
    count = require(store, workspace, name)["properties"]["properties"]["currentNodeCount"]
    state = {"nodeState": "idle", "port": None, "publicIpAddress": None, "privateIpAddress": None, "runId": None}
    return [{"nodeId": f"{name.lower()}-{number}", **state} for number in range(count)]


def _check(name: str, properties: Document) -> None:
    kind = properties.get("computeType", "AmlCompute")
    if kind != "AmlCompute":
        raise not_implemented(f"compute of type {kind}")
    if not _NAME.fullmatch(name) or _NUMBERED.search(name):
        raise bad_request(
            f"'{name}' is not a name for compute: 3 to 24 letters, digits and '-', first a letter, and not '-' and a "
            "number at the end."
        )
    cluster = properties.get("properties") or {}
    size = cluster.get("vmSize")
    if size and not _VM_SIZE.fullmatch(size):
        raise bad_request(f"'{size}' is not a size of virtual machines; expected one such as STANDARD_DS2_V2.")
    _check_scale(cluster.get("scaleSettings") or {})


def _check_scale(scale: Document) -> None:
    smallest, largest = scale.get("minNodeCount") or 0, scale.get("maxNodeCount")
    largest = smallest if largest is None else largest
    whole = isinstance(smallest, int) and isinstance(largest, int)
    if not whole or not 0 <= smallest <= largest <= MAX_NODES:
        raise bad_request(
            f"A cluster has whole numbers of nodes, 0 <= minimum <= maximum <= {MAX_NODES}; asked for {smallest} and "
            f"{largest}."
        )


def _new_document(workspace: Workspace, name: str, tags: object, properties: Document) -> Document:
    now = timestamp()
    return {
        "id": f"{workspace.arm_id}/computes/{name}",
        "name": name,
        "type": "Microsoft.MachineLearningServices/workspaces/computes",
        "location": "local",
        "tags": tags or {},
        "properties": {
            "computeType": "AmlCompute",
            "computeLocation": "local",
            "description": properties.get("description"),
            "provisioningState": "Succeeded",
            "provisioningErrors": None,
            "provisioningWarnings": {},
            "disableLocalAuth": False,
            "createdOn": now,
            "modifiedOn": now,
            "resourceId": None,
            "isAttachedCompute": False,
            "properties": _cluster(properties.get("properties") or {}, now),
        },
    }


def _cluster(asked: Document, now: str) -> Document:
    """The AmlCompute section: defaults, what was asked for, and a state that never changes."""
    given = {key: value for key, value in asked.items() if value is not None}
    return {
        "vmSize": "STANDARD_D2_V2",
        "vmPriority": "Dedicated",
        "scaleSettings": {"minNodeCount": 0, "maxNodeCount": 1, "nodeIdleTimeBeforeScaleDown": "PT2M"},
        "subnet": None,
        "virtualMachineImage": None,
        "enableBatchPrivateLink": False,
        "propertyBag": {},
        "remoteLoginPortPublicAccess": "NotSpecified",
        "enableNodePublicIp": True,
        "isolatedNetwork": False,
        "osType": "Linux",
        **given,
        **({"scaleSettings": _scale(given["scaleSettings"])} if "scaleSettings" in given else {}),
        "allocationState": "Steady",
        "allocationStateTransitionTime": now,
        "errors": None,
    }


def _scale(asked: Document) -> Document:
    """Scale settings with their time in the short form that the service gives back: PT2M for PT120S."""
    idle = str(asked.get("nodeIdleTimeBeforeScaleDown") or "")
    seconds = _SECONDS.fullmatch(idle)
    if not seconds:
        return asked
    minutes, rest = divmod(int(seconds[1]), 60)
    hours, minutes = divmod(minutes, 60)
    parts = ((hours, "H"), (minutes, "M"), (rest, "S"))
    short = "".join(f"{number}{letter}" for number, letter in parts if number) or "0S"
    return {**asked, "nodeIdleTimeBeforeScaleDown": f"PT{short}"}


def update(store: Store, workspace: Workspace, name: str, asked: Document) -> Document:
    """Change the scale settings, which is all that can change; raises a 404."""
    if set(asked) - {"scaleSettings"}:
        raise not_implemented(f"a change of {', '.join(sorted(asked))} of compute")
    require(store, workspace, name)
    _check_scale(asked.get("scaleSettings") or {})

    def change(document: Document) -> None:
        document["properties"]["properties"]["scaleSettings"] = _scale(asked.get("scaleSettings") or {})
        document["properties"]["modifiedOn"] = timestamp()

    return _with_nodes(store.update(workspace.id, _KIND, name.lower(), change))


def delete(store: Store, workspace: Workspace, name: str) -> None:
    """Remove a compute target; raises a 404."""
    if not store.delete(workspace.id, _KIND, name.lower()):
        raise _missing(name)


def vm_sizes() -> list[Document]:
    """Sizes of virtual machines that a client may choose from."""
    return [
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


def _missing(name: str) -> ApiError:
    message = f"The compute target '{name}' was not found in this workspace."
    return ApiError(404, "ResourceNotFound", message, has_body=False)
