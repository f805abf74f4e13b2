"""Operations: what the client asks after while a service is deployed."""

from __future__ import annotations

from enum import StrEnum

from local_azure.machine_learning.clock import new_id, timestamp
from local_azure.machine_learning.domain.workspace.workspaces import Workspace
from local_azure.machine_learning.storage.store import Document, Store

_KIND = "operation"  # parent: the service's name


class OperationState(StrEnum):
    """How far an operation is."""

    RUNNING = "Running"
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"


def create(store: Store, workspace: Workspace, service: str, kind: str, state: OperationState) -> Document:
    """Record a new operation of a service. kind: "Service" or "Key"."""
    operation: Document = {
        "id": new_id(),
        "operationType": kind,
        "state": state,
        "createdTime": timestamp(),
        "endTime": None if state == OperationState.RUNNING else timestamp(),
        "parentRequestId": None,
        "error": None,
        "operationLog": None,
        "operationDetails": _details(state),
        "resourceLocation": f"{workspace.arm_id}/services/{service}",
        "streamingOperationLog": "",
    }
    store.insert(workspace.id, _KIND, operation["id"], operation, parent=service)
    return operation


def require(store: Store, workspace: Workspace, operation_id: str) -> Document:
    """One operation; raises a 404."""
    return store.require(workspace.id, _KIND, operation_id)


def running(store: Store, workspace: Workspace, service: str) -> str | None:
    """Id of the operation that a killed server left running for a service."""
    for operation in store.find(workspace.id, _KIND, parent=service, newest_first=True):
        if operation["state"] == OperationState.RUNNING:
            return str(operation["id"])
    return None


def add_line(store: Store, workspace: Workspace, operation_id: str, line: str) -> None:
    """Add `yyyymmddHHMMSS|text` to the operation's log; the SDK splits it at '#'."""

    def change(operation: Document) -> None:
        log = operation["streamingOperationLog"]
        operation["streamingOperationLog"] = f"{log}#{line}" if log else line

    store.update(workspace.id, _KIND, operation_id, change)


def finish(
    store: Store, workspace: Workspace, operation_id: str, state: OperationState, error: Document | None
) -> None:
    """Move an operation to its final state."""
    final = {"state": state, "endTime": timestamp(), "error": error, "operationDetails": _details(state)}
    store.update(workspace.id, _KIND, operation_id, lambda operation: operation.update(final))


def _details(state: OperationState) -> Document:
    return {"subOperationType": "DeployService", "subOperationState": state}
