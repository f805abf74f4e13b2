"""What schedules fire across restarts, by a scheduler without a server around it."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from local_azure.machine_learning.clock import timestamp
from local_azure.machine_learning.domain.pipelines import graphs, pipeline_runs, published, schedules
from local_azure.machine_learning.domain.workspace.workspaces import Workspace, Workspaces
from local_azure.machine_learning.engines.schedules.scheduler import Scheduler
from local_azure.machine_learning.storage.files import BlobFiles
from local_azure.machine_learning.storage.store import Store


@dataclass(frozen=True)
class Server:
    """One life of a server, as far as schedules need one."""

    store: Store
    files: BlobFiles
    workspace: Workspace
    scheduler: Scheduler


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[[], Server]]:
    """Starts a scheduler on the same state again and again; it submits to nobody."""
    stores: list[Store] = []

    async def scheduler(store: Store, files: BlobFiles, workspaces: Workspaces) -> Scheduler:  # it belongs to a loop
        return Scheduler(store, files, workspaces, lambda workspace, run_id: None)

    def again() -> Server:
        stores.append(Store(tmp_path / "store.sqlite"))
        files, workspaces = BlobFiles(tmp_path / "blobs"), Workspaces(stores[-1])
        workspace = workspaces.ensure("subscription", "group", "workspace")
        return Server(stores[-1], files, workspace, asyncio.run(scheduler(stores[-1], files, workspaces)))

    yield again
    for store in stores:
        store.close()


def _scheduled(server: Server, **more: Any) -> dict[str, Any]:
    """A schedule of an empty pipeline, every hour unless asked otherwise."""
    workspace = server.workspace
    server.store.insert(workspace.id, graphs.KIND, "g", {"graph": {}, "interface": {}})
    pipeline: dict[str, Any] = {
        "Id": "p",
        "Name": "p",
        "EntityStatus": "0",
        "GraphId": "g",
        "ContinueRunOnStepFailure": None,
    }
    pipeline |= {"ParameterAssignments": {}, "DataPathAssignments": {}, "DataSetDefinitionValueAssignments": {}}
    server.store.insert(workspace.id, published.KIND, "p", pipeline)
    schedule: dict[str, Any] = {
        "Id": "s",
        "Name": "s",
        "EntityStatus": "0",
        "PipelineId": "p",
        "PipelineEndpointId": None,
    }
    schedule |= {"PipelineSubmissionInfo": {"ExperimentName": "e"}, "ScheduleType": "0", "DataStoreTriggerInfo": None}
    schedule |= {"Recurrence": {"Frequency": "Hour", "Interval": 1}, **more}
    server.store.insert(workspace.id, schedules.KIND, "s", schedule)
    server.scheduler.begin(workspace, schedule, created=True)
    return schedule


def _runs(server: Server) -> list[dict[str, Any]]:
    return pipeline_runs.open_runs(server.store, server.workspace.id)


def test_a_restart_fires_nothing_twice_and_makes_up_once(start: Callable[[], Server]) -> None:
    first = start()
    _scheduled(first)
    created = first.scheduler.now()
    first.scheduler.fire_due(created)
    assert [run["ScheduleId"] for run in _runs(first)] == ["s"]
    second = start()
    due = second.scheduler.fire_due(created)
    assert len(_runs(second)) == 1
    assert due is not None
    assert dt.timedelta(minutes=59) < due - created <= dt.timedelta(hours=1)
    next_due = second.scheduler.fire_due(created + dt.timedelta(hours=5, minutes=1))
    assert len(_runs(second)) == 2, "four hours were missed, one run makes up for them"
    assert next_due == due + dt.timedelta(hours=5)


def test_changes_while_no_server_ran_are_noticed(start: Callable[[], Server]) -> None:
    trigger = {"DataStoreName": "workspaceblobstore", "PollingInterval": 5, "PathOnDataStore": "in"}
    first = start()
    workspace = first.workspace
    folder = first.files.container(workspace.blobstore_container) / "in"
    folder.mkdir(parents=True)
    (folder / "old").write_text("old")
    _scheduled(first, ScheduleType="1", Recurrence=None, DataStoreTriggerInfo=trigger)
    (folder / "new").write_text("new")
    now = start().scheduler.now()
    second = start()
    second.scheduler.fire_due(now)
    assert not _runs(second), "not before the interval has passed"
    second.scheduler.fire_due(now + dt.timedelta(minutes=6))
    second.scheduler.fire_due(now + dt.timedelta(minutes=12))
    assert len(_runs(second)) == 1


def test_a_schedule_without_its_pipeline_goes_on(start: Callable[[], Server]) -> None:
    server = start()
    workspace = server.workspace
    _scheduled(server)
    server.store.update(workspace.id, published.KIND, "p", lambda pipeline: pipeline.update(EntityStatus="2"))
    due = server.scheduler.fire_due(server.scheduler.now())
    assert due is not None
    assert not _runs(server)
    server.store.update(workspace.id, published.KIND, "p", lambda pipeline: pipeline.update(EntityStatus="0"))
    server.scheduler.fire_due(due)
    assert len(_runs(server)) == 1


def test_a_schedule_that_could_submit_nothing_is_late_until_it_can(start: Callable[[], Server]) -> None:
    server = start()
    workspace = server.workspace
    _scheduled(server)
    began = server.scheduler.next_time(workspace, "s")
    assert server.scheduler.late(workspace) == []
    server.store.update(workspace.id, published.KIND, "p", lambda pipeline: pipeline.update(EntityStatus="2"))
    due = server.scheduler.fire_due(server.scheduler.now())
    assert due is not None
    again = server.scheduler.fire_due(due)
    assert again is not None
    (late,) = start().scheduler.late(workspace)
    assert (late.since, late.schedule["Id"]) == (began, "s"), "since the first time, across restarts"
    assert late.why
    server.store.update(workspace.id, published.KIND, "p", lambda pipeline: pipeline.update(EntityStatus="0"))
    server.scheduler.fire_due(again)
    assert server.scheduler.late(workspace) == []


def test_a_schedule_that_nobody_attends_to_is_late_and_a_disabled_one_is_not(start: Callable[[], Server]) -> None:
    server = start()
    workspace = server.workspace
    _scheduled(server)
    past = timestamp(server.scheduler.now() - dt.timedelta(minutes=3))
    server.store.update(workspace.id, "schedule_state", "s", lambda state: state.update(next=past))
    assert [late.since for late in server.scheduler.late(workspace)] == [past]
    server.store.update(workspace.id, schedules.KIND, "s", lambda schedule: schedule.update(EntityStatus="2"))
    assert server.scheduler.late(workspace) == []
