"""The update time of a web service tells of changes by clients: it stays when the service only comes back."""

from __future__ import annotations

import pytest

from local_azure.machine_learning.domain.serving import operations, services
from local_azure.machine_learning.domain.serving.operations import OperationState
from local_azure.machine_learning.domain.workspace.workspaces import Workspace, Workspaces
from local_azure.machine_learning.storage.store import Store

LONG_AGO = "2026-01-01T00:00:00+00:00"


@pytest.fixture
def workspace(store: Store) -> Workspace:
    """Its workspace."""
    made = Workspaces(store).ensure("subscription", "group", "workspace")
    store.put(made.id, "service", "svc", {"name": "svc", "state": "Transitioning", "updatedTime": LONG_AGO})
    return made


def updated(store: Store, workspace: Workspace) -> str:
    return str(services.require(store, workspace, "svc")["updatedTime"])


def test_a_service_that_comes_back_or_stops_was_not_updated(store: Store, workspace: Workspace) -> None:
    services.delay(store, workspace, "svc", "no room")
    services.succeed(store, workspace, "svc", None, "http://127.0.0.1:1/score")
    services.fail(store, workspace, "svc", None, message="it died", log="")
    assert updated(store, workspace) == LONG_AGO


@pytest.mark.parametrize("sound", [True, False])
def test_a_deployment_updates_it(store: Store, workspace: Workspace, *, sound: bool) -> None:
    operation = operations.create(store, workspace, "svc", "Service", OperationState.RUNNING)["id"]
    if sound:
        services.succeed(store, workspace, "svc", operation, "http://127.0.0.1:1/score")
    else:
        services.fail(store, workspace, "svc", operation, message="it died", log="")
    assert updated(store, workspace) > LONG_AGO
