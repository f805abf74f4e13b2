"""The documents of services and operations, as the host changes them: both sides of an event in one transaction."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from local_azure.machine_learning.clock import timestamp
from local_azure.machine_learning.storage.store import Store

Document = dict[str, Any]


class Records:
    """Reads and writes for the host; planes create and delete the documents."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def service(self, workspace: str, name: str) -> Document:
        """The service's whole document."""
        return self._store.require(workspace, "service", name)

    def unfinished(self, workspace: str) -> list[Document]:
        """Services that a killed or stopped server had up, or was bringing up."""
        return [one for one in self._store.find(workspace, "service") if one["state"] in ("Healthy", "Transitioning")]

    def running_operation(self, workspace: str, name: str) -> str | None:
        """Id of the operation that a killed server left running for a service."""
        for operation in self._store.find(workspace, "operation", parent=name, newest_first=True):
            if operation["state"] == "Running":
                return str(operation["id"])
        return None

    def last_port(self, workspace: str, name: str) -> int:
        """Port that the service answered on last, 0 when it never did."""
        service = self._store.get(workspace, "service", name) or {}
        return urlsplit(service.get("scoringUri") or "").port or 0

    def add_line(self, workspace: str, operation_id: str, line: str) -> None:
        """Add `yyyymmddHHMMSS|text` to the operation's log; the SDK splits it at '#'."""

        def change(operation: Document) -> None:
            log = operation["streamingOperationLog"]
            operation["streamingOperationLog"] = f"{log}#{line}" if log else line

        self._store.update(workspace, "operation", operation_id, change)

    def succeed(self, workspace: str, name: str, operation_id: str | None, scoring_uri: str) -> None:
        """The service answers."""
        new = {"state": "Healthy", "error": None, "scoringUri": scoring_uri, "updatedTime": timestamp()}
        self._write(workspace, name, operation_id, new, {"state": "Succeeded", "error": None})

    def delay(self, workspace: str, name: str, *, code: str, message: str) -> None:
        """The service comes back later, for this reason."""
        error = {"code": code, "statusCode": 503, "message": message, "details": []}
        self._write(workspace, name, None, {"state": "Transitioning", "error": error, "updatedTime": timestamp()}, {})

    def fail(self, workspace: str, name: str, operation_id: str | None, *, message: str, log: str) -> None:
        """The service did not come up, or went down for good."""
        error = {
            "code": "AciDeploymentFailed",
            "statusCode": 400,
            "message": f"Aci Deployment failed with exception: {message}",
            "details": [{"code": "CrashLoopBackOff", "message": log or message}],
        }
        new = {"state": "Failed", "error": error, "updatedTime": timestamp()}
        self._write(workspace, name, operation_id, new, {"state": "Failed", "error": error})

    def _write(
        self, workspace: str, name: str, operation_id: str | None, service: Document, operation: Document
    ) -> None:
        with self._store.transaction():
            if self._store.get(workspace, "service", name) is not None:
                self._store.update(workspace, "service", name, lambda doc: doc.update(service))
            if operation_id:
                details = {"subOperationType": "DeployService", "subOperationState": operation["state"]}
                self._store.update(
                    workspace,
                    "operation",
                    operation_id,
                    lambda doc: doc.update({**operation, "operationDetails": details}),
                )
