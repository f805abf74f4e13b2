"""Submits runs when schedules are due.

The state of a schedule, {"anchor", "next", "seen", "missed"}, is in the store and moves on in the transaction that
records the runs it starts: a killed server neither fires twice nor forgets. Times that passed while no server ran are
made up for once, however many they were; a schedule that was disabled or changed starts over without making up for
missed runs (both assumed). "missed" says since when, and why, no run could be submitted; earlier versions did not
write it.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import logging
from collections.abc import Callable
from dataclasses import dataclass

from local_azure.machine_learning.clock import timestamp, utc_now
from local_azure.machine_learning.domain.data import datastores
from local_azure.machine_learning.domain.pipelines import schedules
from local_azure.machine_learning.domain.pipelines.entities import is_active
from local_azure.machine_learning.domain.pipelines.schedules import ScheduleType
from local_azure.machine_learning.domain.workspace.workspaces import Workspace, Workspaces
from local_azure.machine_learning.engines.schedules import recurrence
from local_azure.machine_learning.errors import ApiError
from local_azure.machine_learning.storage.files import BlobFiles
from local_azure.machine_learning.storage.store import Document, Store

LOG = logging.getLogger("local_azure")
_STATE = "schedule_state"
# The loop re-checks at least this often: a laptop that slept, or whose clock was set, is noticed.
MOST_SECONDS = 60.0
Submit = Callable[[Workspace, str], None]
Fingerprint = dict[str, list[int]]  # size and time of the last change (ns) of each blob
_BROKEN = "it broke; `python -m local_azure logs` says why"


@dataclass(frozen=True)
class Late:
    """An active schedule that should have started a run at `since` and has not."""

    schedule: Document
    since: str
    why: str


class Scheduler:
    """The schedules of all workspaces; belongs to the event loop in which it is made.

    submit: called from a thread with each run that a schedule has started. speed: how much faster than the clock
    schedules run, for rehearsals and tests.
    """

    def __init__(
        self, store: Store, files: BlobFiles, workspaces: Workspaces, submit: Submit, *, speed: float = 1.0
    ) -> None:
        self._store = store
        self._files = files
        self._workspaces = workspaces
        self._submit = submit
        self._speed = speed
        self._origin = utc_now()
        self._loop = asyncio.get_running_loop()
        self._changed = asyncio.Event()
        self._is_stopping = False
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Fire schedules from now on."""
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """Fire nothing more; returns when what is being fired is in the store."""
        self._is_stopping = True
        self._changed.set()
        if self._task:
            await self._task

    def now(self) -> dt.datetime:
        """Return the moment by which schedules fire: the present, or that of a fast clock since the start."""
        return self._origin + (utc_now() - self._origin) * self._speed

    async def _run(self) -> None:
        while not self._is_stopping:
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
        if schedule["ScheduleType"] == ScheduleType.RECURRENCE:
            rule = recurrence.parse(schedule["Recurrence"], now)
            state["next"] = timestamp(rule.first(now) if created else rule.next_after(now))
        else:
            state |= {"next": timestamp(now + _polling(schedule)), "seen": self._fingerprint(workspace, schedule)}
        self._store.put(workspace.id, _STATE, schedule["Id"], state)

    def next_time(self, workspace: Workspace, schedule_id: str) -> str | None:
        """Return when an active schedule fires or looks at its blobs next; None where nobody knows."""
        state = self._store.get(workspace.id, _STATE, schedule_id)
        return state["next"] if state else None

    def late(self, workspace: Workspace) -> list[Late]:
        """Return the active schedules that are late: nothing could be submitted, or nobody attended to them."""
        patience = dt.timedelta(seconds=2 * MOST_SECONDS * self._speed)
        found = []
        for schedule in filter(is_active, schedules.newest_first(self._store, workspace.id)):
            state = self._store.get(workspace.id, _STATE, schedule["Id"]) or {}
            missed = state.get("missed")
            if missed:
                found.append(Late(schedule, missed["since"], missed["why"]))
            elif state and dt.datetime.fromisoformat(state["next"]) < self.now() - patience:
                found.append(Late(schedule, state["next"], _BROKEN))
        return found

    def wake(self) -> None:
        """Re-check the schedules, after a change has been committed. From any thread."""
        self._loop.call_soon_threadsafe(self._changed.set)

    def fire_due(self, now: dt.datetime) -> dt.datetime | None:
        """Fire every schedule that is due; returns when the next one will be, None without any."""
        upcoming = []
        for workspace in self._workspaces.all():
            for schedule in schedules.newest_first(self._store, workspace.id):
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
        with self._store.transaction():
            schedule = schedules.require(self._store, workspace.id, schedule_id)
            state = self._store.require(workspace.id, _STATE, schedule_id)
            due = dt.datetime.fromisoformat(state["next"])
            if not is_active(schedule):
                return None
            if due > now:
                return due
            if schedule["ScheduleType"] == ScheduleType.RECURRENCE:
                due = _next_time(schedule, state, now)
                runs = self._new_runs(workspace, schedule, state, [None])
            else:
                due = now + _polling(schedule)
                runs = self._new_runs(workspace, schedule, state, self._changed_blobs(workspace, schedule, state))
            self._store.put(workspace.id, _STATE, schedule_id, {**state, "next": timestamp(due)})
            for run in runs:
                schedules.record_run(self._store, workspace.id, schedule_id, run)
        for run in runs:
            self._submit(workspace, run["Id"])
        return due

    def _new_runs(
        self, workspace: Workspace, schedule: Document, state: Document, blobs: list[str] | list[None]
    ) -> list[Document]:
        """Make a run for each changed blob, or one for a time; none where the pipeline cannot be submitted.

        The state notes since when, and why, until runs can be submitted again.
        """
        made: list[Document] = []
        before = state.get("missed") or {}
        for blob in blobs:
            try:
                made.append(schedules.new_run(self._store, workspace.id, schedule, blob))
                state["missed"] = None
            except ApiError as error:
                LOG.warning("schedule %s (%s) fired nothing: %s", schedule["Name"], schedule["Id"], error.message)
                state["missed"] = {"since": before.get("since") or state["next"], "why": error.message}
        return made

    def _changed_blobs(self, workspace: Workspace, schedule: Document, state: Document) -> list[str]:
        """Return the blobs that are new or changed since the last check, and note in the state what is there now."""
        seen, state["seen"] = state["seen"], self._fingerprint(workspace, schedule)
        return sorted(name for name, facts in state["seen"].items() if seen.get(name) != facts)

    def _fingerprint(self, workspace: Workspace, schedule: Document) -> Fingerprint:
        """Take the fingerprint of the blobs in the watched folder, by path on the datastore; no sub-folders."""
        trigger = schedule["DataStoreTriggerInfo"]
        path = (trigger.get("PathOnDataStore") or "").strip("/")
        folder = datastores.local_path(self._store, self._files, workspace, trigger["DataStoreName"], path)
        if not folder.is_dir():
            return {}
        facts = {entry.name: entry.stat() for entry in folder.iterdir() if entry.is_file()}
        return {f"{path}/{name}".strip("/"): [stat.st_size, stat.st_mtime_ns] for name, stat in facts.items()}


def _next_time(schedule: Document, state: Document, now: dt.datetime) -> dt.datetime:
    anchor = dt.datetime.fromisoformat(state["anchor"])
    return recurrence.parse(schedule["Recurrence"], anchor).next_after(now)


def _polling(schedule: Document) -> dt.timedelta:
    return dt.timedelta(minutes=schedule["DataStoreTriggerInfo"]["PollingInterval"])
