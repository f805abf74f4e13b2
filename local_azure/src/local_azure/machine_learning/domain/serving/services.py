"""Web services in the store: what they are asked to be, how they are, and the operations that change them."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlsplit

from local_azure.machine_learning.clock import timestamp
from local_azure.machine_learning.domain.serving import models, operations
from local_azure.machine_learning.domain.serving.filters import matches_pairs
from local_azure.machine_learning.domain.serving.operations import OperationState
from local_azure.machine_learning.domain.serving.service_requests import (
    ServiceState,
    apply_patch,
    checked_key,
    checked_request,
    key_name,
    new_key,
    new_service,
)
from local_azure.machine_learning.domain.workspace.workspaces import Workspace
from local_azure.machine_learning.errors import conflict
from local_azure.machine_learning.storage.store import Document, Store

_KIND = "service"
_HIDDEN = frozenset({"keys"})
# Keys of the service that nothing here fills. Source: specification of model management, ServiceResponseBase. The SDK
# reads into `imageDetails`, `environment` and `dataCollection` wherever the keys are there, so they are left out.
_UNUSED = {**dict.fromkeys(("operationId", "swaggerUri", "modelConfigMap")), "deploymentType": "Http"}


def require(store: Store, workspace: Workspace, name: str) -> Document:
    """One service; raises a 404."""
    return store.require(workspace.id, _KIND, name)


def find(store: Store, workspace: Workspace, query: Mapping[str, str]) -> list[Document]:
    """Services that fit the filters of a query."""
    return [service for service in store.find(workspace.id, _KIND) if _matches(service, query)]


def _matches(service: Document, query: Mapping[str, str]) -> bool:
    model_ids = service["environmentImageRequest"].get("modelIds") or []
    return (
        query.get("computeType", "ACI").upper() == service["computeType"]
        and query.get("modelId") in (None, *model_ids)
        and query.get("modelName") in (None, *(model_id.rpartition(":")[0] for model_id in model_ids))
        and matches_pairs(service["kvTags"], query.get("tags"))
        and matches_pairs(service["properties"], query.get("properties"))
    )


def shown(store: Store, workspace: Workspace, service: Document, *, with_models: bool) -> Document:
    """The document as clients see it: without keys, with all keys of the service."""
    visible = {**_UNUSED, "id": service["name"], **service}
    visible = {key: value for key, value in visible.items() if key not in _HIDDEN}
    if not with_models:
        return visible
    model_ids = service["environmentImageRequest"].get("modelIds") or []
    found = [models.get(store, workspace, model_id) for model_id in model_ids]
    return {**visible, "models": [model for model in found if model]}


# --- what clients ask for


def require_free(store: Store, workspace: Workspace, name: str) -> None:
    """Raise a 409 when there is a service of this name."""
    if store.get(workspace.id, _KIND, name) is not None:
        raise conflict(
            f"Service {name} exists already; delete it first, choose another name, or deploy with overwrite."
        )


def _require_idle(store: Store, workspace: Workspace, name: str) -> Document:
    """The service, which must not be in the middle of something."""
    service = require(store, workspace, name)
    if service["state"] == ServiceState.TRANSITIONING:
        raise conflict(f"Service {name} is being deployed; wait for that operation first.")
    return service


def create(store: Store, workspace: Workspace, posted: Document) -> Document:
    """Record a service that is to be deployed, or one that replaces another; returns the operation."""
    asked = checked_request(store, workspace, posted)
    name, service = asked["name"], new_service(asked)
    with store.transaction():
        if not asked.get("overwrite"):
            require_free(store, workspace, name)
        elif store.get(workspace.id, _KIND, name):
            before = _require_idle(store, workspace, name)
            service |= {"createdTime": before["createdTime"], "scoringUri": before["scoringUri"]}
        store.put(workspace.id, _KIND, name, service)
        return operations.create(store, workspace, name, "Service", OperationState.RUNNING)


def patch(store: Store, workspace: Workspace, name: str, changes: list[Document]) -> tuple[Document, Document | None]:
    """Change a service; returns it, and the operation where it must be deployed again."""
    operation = None
    with store.transaction():
        service = _require_idle(store, workspace, name)
        if apply_patch(store, workspace, service, changes):
            service |= {"state": ServiceState.TRANSITIONING, "error": None}
            operation = operations.create(store, workspace, name, "Service", OperationState.RUNNING)
        store.put(workspace.id, _KIND, name, service)
    return service, operation


def delete(store: Store, workspace: Workspace, name: str) -> bool:
    """Forget a service; False when there was none."""
    return store.delete(workspace.id, _KIND, name)


def keys(store: Store, workspace: Workspace, name: str) -> dict[str, str]:
    """Both keys of a service; raises a 404."""
    return dict(require(store, workspace, name)["keys"])


def replace_key(store: Store, workspace: Workspace, name: str, key_type: object, value: str | None) -> Document:
    """Replace a key, by a new one without a value; returns the operation, which is done."""
    new = {key_name(key_type): checked_key(value) if value else new_key()}
    with store.transaction():
        store.update(workspace.id, _KIND, name, lambda service: service["keys"].update(new))
        return operations.create(store, workspace, name, "Key", OperationState.SUCCEEDED)


# --- what becomes of them


def unfinished(store: Store, workspace: Workspace) -> list[Document]:
    """Services that a killed or stopped server had up, or was bringing up."""
    meant = (ServiceState.HEALTHY, ServiceState.TRANSITIONING)
    return [service for service in store.find(workspace.id, _KIND) if service.get("state") in meant]


def last_port(store: Store, workspace: Workspace, name: str) -> int:
    """Port that the service answered on last, 0 when it never did."""
    service = store.get(workspace.id, _KIND, name) or {}
    return urlsplit(service.get("scoringUri") or "").port or 0


def succeed(store: Store, workspace: Workspace, name: str, operation_id: str | None, scoring_uri: str) -> None:
    """The service answers: both sides of the event in one transaction."""
    new = {"state": ServiceState.HEALTHY, "error": None, "scoringUri": scoring_uri}
    with store.transaction():
        _change(store, workspace, name, new, operation_id)
        if operation_id:
            operations.finish(store, workspace, operation_id, OperationState.SUCCEEDED, None)


def delay(store: Store, workspace: Workspace, name: str, message: str) -> None:
    """The service comes back later, for this reason."""
    error = {"code": "InsufficientStorage", "statusCode": 503, "message": message, "details": []}
    _change(store, workspace, name, {"state": ServiceState.TRANSITIONING, "error": error}, None)


def fail(store: Store, workspace: Workspace, name: str, operation_id: str | None, *, message: str, log: str) -> None:
    """Record in one transaction that a service did not start, or stopped for good."""
    error = {
        "code": "AciDeploymentFailed",
        "statusCode": 400,
        "message": f"Aci Deployment failed with exception: {message}",
        "details": [{"code": "CrashLoopBackOff", "message": log or message}],
    }
    with store.transaction():
        _change(store, workspace, name, {"state": ServiceState.FAILED, "error": error}, operation_id)
        if operation_id:
            operations.finish(store, workspace, operation_id, OperationState.FAILED, error)


def _change(store: Store, workspace: Workspace, name: str, new: Document, operation_id: str | None) -> None:
    """Change a service unless it has been deleted meanwhile.

    Only an operation changes its update time: without one the same service came back or stopped, and whoever compares
    the time with a record must not take that for a deployment.
    """
    if store.get(workspace.id, _KIND, name) is not None:
        changed = {**new, "updatedTime": timestamp()} if operation_id else new
        store.update(workspace.id, _KIND, name, lambda service: service.update(changed))
