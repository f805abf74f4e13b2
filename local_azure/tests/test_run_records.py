"""What the executor does to runs, without a server around it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from local_azure.machine_learning.domain.workspaces import Workspace
from local_azure.machine_learning.emulator import Emulator
from local_azure.machine_learning.errors import ApiError
from local_azure.machine_learning.planes.runs.history import create_run, set_status
from local_azure.machine_learning.planes.runs.metrics import copy_metrics
from local_azure.machine_learning.storage.state import ServerInfo, StateFolder


@pytest.fixture
def emulator(tmp_path: Path) -> Iterator[Emulator]:
    """An emulator that does not serve."""
    state = StateFolder(tmp_path / "state")
    state.create()

    async def make() -> Emulator:
        return Emulator(state, ServerInfo(0, 1, 2, "secret"))

    made = asyncio.run(make())  # the executor wants to know the loop that it would work in
    yield made
    made.store.close()


@pytest.fixture
def workspace(emulator: Emulator) -> Workspace:
    """Its one workspace."""
    return emulator.workspaces.all()[0]


def test_a_pipeline_run_and_its_steps(emulator: Emulator, workspace: Workspace) -> None:
    parent = create_run(emulator.store, workspace, "p", "demo", run_type="azureml.PipelineRun", tags={"a": "1"})
    child = create_run(
        emulator.store,
        workspace,
        "c",
        "demo",
        run_type="azureml.StepRun",
        parent="p",
        name="prep",
        properties={"azureml.nodeid": "n"},
        target="cpu",
    )
    assert (parent["runNumber"], child["runNumber"]) == (1, 2)
    assert (child["rootRunId"], child["parentRunId"]) == ("p", "p")
    assert child["experimentId"] == parent["experimentId"]
    assert (child["displayName"], child["target"], child["status"]) == ("prep", "cpu", "NotStarted")


def test_a_run_cannot_be_made_twice_or_below_nothing(emulator: Emulator, workspace: Workspace) -> None:
    create_run(emulator.store, workspace, "r", "demo", run_type="x")
    with pytest.raises(ApiError, match="'r' exists already"):
        create_run(emulator.store, workspace, "r", "demo", run_type="x")
    with pytest.raises(ApiError, match="Parent run 'nobody'"):
        create_run(emulator.store, workspace, "s", "demo", run_type="x", parent="nobody")
    with pytest.raises(ApiError, match="not a run id"):
        create_run(emulator.store, workspace, "../r", "demo", run_type="x")


def test_a_final_status_is_not_left(emulator: Emulator, workspace: Workspace) -> None:
    create_run(emulator.store, workspace, "r", "demo", run_type="x")
    set_status(emulator.store, workspace, "r", "Running")
    set_status(emulator.store, workspace, "r", "Failed", "exit code 1")
    failed = emulator.store.require(workspace.id, "run", "r")
    assert failed["error"] == {"error": {"code": "UserError", "message": "exit code 1", "details": []}}
    assert failed["startTimeUtc"] <= failed["endTimeUtc"]
    set_status(emulator.store, workspace, "r", "Completed")
    set_status(emulator.store, workspace, "r", "Failed", {"error": {"code": "Other", "message": "again"}})
    assert emulator.store.require(workspace.id, "run", "r") == failed


def test_a_run_canceled_before_it_started_has_no_start(emulator: Emulator, workspace: Workspace) -> None:
    create_run(emulator.store, workspace, "r", "demo", run_type="x", status="Queued")
    set_status(emulator.store, workspace, "r", "Canceled")
    run = emulator.store.require(workspace.id, "run", "r")
    assert (run["startTimeUtc"], run["endTimeUtc"] is None) == (None, False)
    with pytest.raises(ApiError, match="Known ones: NotStarted"):
        set_status(emulator.store, workspace, "r", "Done")


def test_metrics_of_a_reused_run_are_copied(emulator: Emulator, workspace: Workspace) -> None:
    with emulator.store.transaction() as connection:
        for name in ("b", "a"):
            connection.execute("INSERT INTO metric VALUES (?, 'source', ?, '{}', '{}')", (workspace.id, name))
            connection.execute(
                "INSERT INTO metric_value (workspace, run_id, name, created, doc) VALUES (?, 'source', ?, 't', '{}')",
                (workspace.id, name),
            )
    copy_metrics(emulator.store, workspace, "source", "target")
    rows = emulator.store.rows("SELECT name FROM metric WHERE run_id='target' ORDER BY rowid")
    assert [row["name"] for row in rows] == ["b", "a"]
    rows = emulator.store.rows("SELECT name FROM metric_value WHERE run_id='target' ORDER BY seq")
    assert [row["name"] for row in rows] == ["b", "a"]
