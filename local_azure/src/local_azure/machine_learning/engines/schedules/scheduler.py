"""Submits runs when schedules are due.

What a schedule waits for is in the store, and moves on in the transaction that records the runs it starts: a killed
server neither fires twice nor forgets. Times that passed while no server ran are made up for once, however many they
were; a schedule that was disabled or changed starts anew and makes up for nothing (both assumed).
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import logging
from typing import TYPE_CHECKING

from local_azure.machine_learning.clock import timestamp, utc_now
from local_azure.machine_learning.domain.workspaces import Workspace
from local_azure.machine_learning.engines.schedules import recurrence
from local_azure.machine_learning.errors import ApiError
from local_azure.machine_learning.planes.data import datastores
from local_azure.machine_learning.planes.pipelines.modules import ACTIVE
from local_azure.machine_learning.planes.pipelines.published import pipeline_of_endpoint, run_of_pipeline
from local_azure.machine_learning.planes.pipelines.runs import record
from local_azure.machine_learning.planes.pipelines.schedules import BY_RECURRENCE, FIRED, SCHEDULE
from local_azure.machine_learning.storage.store import Document

if TYPE_CHECKING:
    from local_azure.machine_learning.emulator import Emulator

LOG = logging.getLogger("local_azure")
_STATE = "schedule_state"
# The loop looks at least this often: a laptop that slept, or whose clock was set, is noticed.
MOST_SECONDS = 60.0
Look = dict[str, list[int]]


class Scheduler:
    """The schedules of all workspaces. speed: how much faster than the clock they run, for rehearsals and tests."""

    def __init__(self, emulator: Emulator, speed: float = 1.0) -> None:
        self._emulator = emulator
        self._speed = speed
        self._origin = utc_now()
        self._loop = asyncio.get_running_loop()
        self._changed = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Look after the schedules from now on."""
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """Fire nothing more."""
        if self._task:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    def now(self) -> dt.datetime:
        """The moment by which schedules fire; with speed 1 the present one. A fast clock starts with the server."""
        return self._origin + (utc_now() - self._origin) * self._speed

    async def _run(self) -> None:
        while True:
            self._changed.clear()
            due = await asyncio.to_thread(self.fire_due, self.now())
            seconds = MOST_SECONDS
            if due is not None:
                seconds = min(seconds, max(0.0, (due - self.now()).total_seconds() / self._speed))
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._changed.wait(), seconds)

    def begin(self, workspace: Workspace, schedule: Document, *, created: bool) -> None:
        """Set a new or changed schedule going; raises a 400 for a recurrence that makes no sense."""
        now = self.now()
        state: Document = {"anchor": timestamp(now), "seen": None}
        if schedule["ScheduleType"] == BY_RECURRENCE:
            rule = recurrence.parse(schedule["Recurrence"], now)
            state["next"] = timestamp(rule.first(now) if created else rule.next_after(now))
        else:
            state |= {"next": timestamp(now + _polling(schedule)), "seen": self._look(workspace, schedule)}
        self._emulator.store.put(workspace.id, _STATE, schedule["Id"], state)

    def wake(self) -> None:
        """Look at the schedules again, after a change has been committed. From any thread."""
        self._loop.call_soon_threadsafe(self._changed.set)

    def fire_due(self, now: dt.datetime) -> dt.datetime | None:
        """Fire every schedule that is due; returns when the next one will be, None without any."""
        upcoming = []
        for workspace in self._emulator.workspaces.all():
            for schedule in self._emulator.store.find(workspace.id, SCHEDULE):
                try:
                    due = self._attend(workspace, schedule["Id"], now)
                except Exception:  # one broken schedule must not silence the others
                    LOG.exception("schedule %s broke", schedule["Id"])
                    due = None
                if due is not None:
                    upcoming.append(due)
        return min(upcoming, default=None)

    def _attend(self, workspace: Workspace, schedule_id: str, now: dt.datetime) -> dt.datetime | None:
        """Fire one schedule if it is due; returns its next time, None when it is not active."""
        store = self._emulator.store
        runs: list[Document] = []
        with store.transaction():
            schedule = store.require(workspace.id, SCHEDULE, schedule_id)
            state = store.require(workspace.id, _STATE, schedule_id)
            due = dt.datetime.fromisoformat(state["next"])
            if schedule["EntityStatus"] != ACTIVE:
                return None
            if due > now:
                return due
            if schedule["ScheduleType"] == BY_RECURRENCE:
                due = recurrence.parse(schedule["Recurrence"], dt.datetime.fromisoformat(state["anchor"])).next_after(
                    now
                )
                runs = self._runs(workspace, schedule, [None])
            else:
                due = now + _polling(schedule)
                look = self._look(workspace, schedule)
                changed = sorted(name for name, facts in look.items() if state["seen"].get(name) != facts)
                state["seen"] = look
                runs = self._runs(workspace, schedule, changed)
            state["next"] = timestamp(due)
            store.put(workspace.id, _STATE, schedule_id, state)
            for run in runs:
                record(self._emulator.store, workspace, run)
                store.insert(workspace.id, FIRED, run["Id"], {"Id": run["Id"]}, parent=schedule_id)
        for run in runs:
            self._emulator.executor.submit(workspace, run["Id"])
        return due

    def _runs(self, workspace: Workspace, schedule: Document, blobs: list[str] | list[None]) -> list[Document]:
        """One run for each changed blob, or one for a time; none where the pipeline cannot be submitted."""
        store = self._emulator.store
        made = []
        for blob in blobs:
            try:
                target = schedule["PipelineId"] or pipeline_of_endpoint(
                    store, workspace.id, schedule["PipelineEndpointId"]
                )
                made.append(run_of_pipeline(store, workspace.id, target, _submission(schedule, blob)))
            except ApiError as error:
                LOG.warning("schedule %s (%s) fired nothing: %s", schedule["Name"], schedule["Id"], error.message)
        return made

    def _look(self, workspace: Workspace, schedule: Document) -> Look:
        """Size and time of each blob in the watched folder by its path on the datastore; no sub-folders."""
        trigger = schedule["DataStoreTriggerInfo"]
        path = (trigger.get("PathOnDataStore") or "").strip("/")
        folder = datastores.local_path(
            self._emulator.store, self._emulator.files, workspace, trigger["DataStoreName"], path
        )
        if not folder.is_dir():
            return {}
        facts = {entry.name: entry.stat() for entry in folder.iterdir() if entry.is_file()}
        return {f"{path}/{name}".strip("/"): [stat.st_size, stat.st_mtime_ns] for name, stat in facts.items()}


def _polling(schedule: Document) -> dt.timedelta:
    return dt.timedelta(minutes=schedule["DataStoreTriggerInfo"]["PollingInterval"])


def _submission(schedule: Document, blob: str | None) -> Document:
    """Body of the submission: the schedule's own, and the changed path as the value of its data path parameter."""
    asked = {
        **schedule["PipelineSubmissionInfo"],
        "ScheduleId": schedule["Id"],
        "RunType": "Schedule",
        "RunSource": schedule["PipelineSubmissionInfo"].get("RunSource") or "Schedule",
    }
    trigger = schedule["DataStoreTriggerInfo"]
    if blob is not None and trigger.get("DataPathParameterName"):
        value = {"DataStoreName": trigger["DataStoreName"], "RelativePath": blob}
        asked["DataPathAssignments"] = {
            **(asked.get("DataPathAssignments") or {}),
            trigger["DataPathParameterName"]: value,
        }
    return asked
