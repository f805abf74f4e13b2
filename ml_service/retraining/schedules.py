"""`schedule`: keep the schedules of Azure ML as the problem file says.

The name of a schedule holds a hash of its settings, because its parameters cannot be read back. So an unchanged one
is left alone, and a changed one is replaced; a paused one stays paused.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import Any, Literal

from azure_ml.pipelines import schedules
from azure_ml.pipelines.published import Endpoint
from azure_ml.pipelines.schedules import Firing, StoredSchedule
from azure_ml.storage import leases
from azure_ml.storage.blobs import open_blobs
from azure_ml.storage.inbox import markers_folder
from azure_ml.workspace import Workspace
from forecasting.json_text import hash_of
from forecasting.problem.problem_file import Problem
from forecasting.problem.schedule import Recurrence
from ml_service.errors import ConflictError
from ml_service.output.console import Terminal
from ml_service.retraining.variant import ensure_variant, find_variant
from ml_service.settings.build import Build
from ml_service.settings.variables import Settings
from ml_service.training.pipeline import REASON_PARAMETER

Kind = Literal["recurrence", "data"]
_REASONS: dict[Kind, str] = {"recurrence": "schedule", "data": "data"}
_HASH_CHARACTERS = 8
_FREQUENCIES = {"minute": "Minute", "hour": "Hour", "day": "Day", "week": "Week", "month": "Month"}


@dataclass(frozen=True)
class Scheduled:
    """A schedule as `schedule list` and the status show it."""

    id: str
    kind: str
    name: str
    state: Literal["active", "paused"]
    did: str = ""
    """What `apply` did with it; empty elsewhere."""
    last: str = ""
    """When it has last started a run, UTC; empty before the first time, and where it was not asked."""

    @classmethod
    def of(cls, stored: StoredSchedule, did: str = "") -> Scheduled:
        """From what the service says."""
        kind = stored.name.rpartition("-")[0].rpartition("-")[2]
        return cls(stored.id, kind, stored.name, "active" if stored.is_active else "paused", did)


@dataclass(frozen=True)
class _Wanted:
    """A schedule that the problem file asks for."""

    kind: Kind
    name: str
    create: Callable[[], StoredSchedule]


def read_schedules(workspace: Workspace, settings: Settings) -> tuple[Scheduled, ...]:
    """The schedules of the problem, paused ones too; changes nothing."""
    endpoint = find_variant(workspace, settings)
    found = schedules.list_schedules(workspace, endpoint) if endpoint else []
    told = (replace(Scheduled.of(stored), last=schedules.last_firing(stored)) for stored in found)
    return tuple(sorted(told, key=lambda schedule: schedule.name))


def apply(workspace: Workspace, settings: Settings, build: Build, terminal: Terminal) -> tuple[Scheduled, ...]:
    """Publish the scheduled pipeline where its code has changed, and make the schedules what the problem file says.

    Without a section `schedule`, or without a part of it, the schedules of that part are removed.
    Raises: ConflictError when another process does the same; what `publish` raises.
    """
    with _alone(workspace, settings, build):
        if Problem(settings.problem_file).schedule is None:
            return remove(workspace, settings)
        endpoint = ensure_variant(workspace, settings, build, terminal)
        wanted = {schedule.name: schedule for schedule in _wanted(workspace, settings, endpoint)}
        stored = {schedule.name: schedule for schedule in schedules.list_schedules(workspace, endpoint)}
        paused = {Scheduled.of(schedule).kind for schedule in stored.values() if not schedule.is_active}
        done = [Scheduled.of(stored[name], "unchanged") for name in wanted.keys() & stored.keys()]
        for name in wanted.keys() - stored.keys():
            made = wanted[name].create()
            if wanted[name].kind in paused:
                schedules.pause(made)
            state: Literal["active", "paused"] = "paused" if wanted[name].kind in paused else "active"
            done.append(Scheduled(made.id, wanted[name].kind, name, state, "created"))
        for name in stored.keys() - wanted.keys():
            schedules.remove(stored[name])
            done.append(Scheduled.of(stored[name], "removed"))
        return tuple(sorted(done, key=lambda schedule: schedule.name))


def pause(workspace: Workspace, settings: Settings) -> tuple[Scheduled, ...]:
    """Let no schedule of the problem fire until it is resumed."""
    return _each(workspace, settings, lambda schedule: schedule.is_active, schedules.pause, "paused")


def resume(workspace: Workspace, settings: Settings) -> tuple[Scheduled, ...]:
    """Let the paused schedules of the problem fire again."""
    return _each(workspace, settings, lambda schedule: not schedule.is_active, schedules.resume, "resumed")


def remove(workspace: Workspace, settings: Settings) -> tuple[Scheduled, ...]:
    """Remove the schedules of the problem; the published pipeline stays."""
    return _each(workspace, settings, lambda _: True, schedules.remove, "removed")


def _each(
    workspace: Workspace,
    settings: Settings,
    concerned: Callable[[StoredSchedule], bool],
    change: Callable[[StoredSchedule], None],
    did: str,
) -> tuple[Scheduled, ...]:
    endpoint = find_variant(workspace, settings)
    done = []
    for stored in schedules.list_schedules(workspace, endpoint) if endpoint else []:
        if concerned(stored):
            change(stored)
            done.append(Scheduled.of(stored, did))
    return tuple(done)


def todo_after_delivery(settings: Settings, otherwise: str) -> str:
    """What a person does about a version whose marker was written: where a schedule watches for it, only wait.

    otherwise: what trains on the version where none does.
    """
    rule = Problem(settings.problem_file).schedule
    if rule is None or not rule.on_data:
        return otherwise
    waits = f"wait for the training that its marker starts within {rule.poll_minutes} minutes"
    return (
        f"{waits}: python -m ml_service outcome\n"
        f"while the schedules are paused: {otherwise.removeprefix('train on it: ')}"
    )


def _wanted(workspace: Workspace, settings: Settings, endpoint: Endpoint) -> Iterator[_Wanted]:
    rule = Problem(settings.problem_file).schedule
    if rule is None:
        return
    common: dict[str, Any] = {"experiment": settings.experiment_name}
    if rule.recurrence is not None:
        firing = firing_of(rule.recurrence)
        name = name_of(endpoint.name, "recurrence", {**common, **asdict(firing)})
        asked = {**common, "parameters": {REASON_PARAMETER: _REASONS["recurrence"]}}
        yield _Wanted(
            "recurrence", name, lambda: schedules.create_recurring(workspace, endpoint, name, firing, **asked)
        )
    if rule.on_data:
        watched = {"folder": markers_folder(settings.dataset_name), "poll_minutes": rule.poll_minutes}
        watching = name_of(endpoint.name, "data", {**common, **watched})
        told = {**common, **watched, "parameters": {REASON_PARAMETER: _REASONS["data"]}}
        yield _Wanted("data", watching, lambda: schedules.create_watching(workspace, endpoint, watching, **told))


def firing_of(rule: Recurrence) -> Firing:
    """A recurrence of a problem file as the service takes it."""
    hour, minute = map(int, rule.at.split(":")) if rule.at else (None, None)
    return Firing(
        frequency=_FREQUENCIES[rule.every],
        interval=rule.interval,
        start=rule.start,
        time_zone=rule.time_zone,
        week_days=rule.days,
        hours=() if hour is None else (hour,),
        minutes=() if minute is None else (minute,),
    )


def name_of(endpoint: str, kind: Kind, settings: dict[str, Any]) -> str:
    """Name of a schedule: other settings give another name."""
    return f"{endpoint}-{kind}-{hash_of(settings)[:_HASH_CHARACTERS]}"


@contextmanager
def _alone(workspace: Workspace, settings: Settings, build: Build) -> Iterator[None]:
    holder = {"verb": "schedule apply", "who": build.who, "since": datetime.now(UTC).isoformat(timespec="seconds")}
    name = f"leases/schedules-{settings.pipeline_endpoint_name}.json"
    try:
        with leases.acquire(open_blobs(workspace), name, holder, lambda _: None):
            yield
    except leases.LeaseHeldError as held:
        raise ConflictError(
            f"the schedules of {settings.pipeline_endpoint_name} are being changed by another process",
            found=", ".join(f"{key} {value}" for key, value in held.holder.items()),
            todo="repeat the command when it has ended",
        ) from held


def show(terminal: Terminal, found: tuple[Scheduled, ...]) -> None:
    """Print schedules, and what was done with them."""
    if found:
        rows = [(schedule.kind, schedule.state, schedule.did or "-", schedule.name) for schedule in found]
        terminal.table(("kind", "state", "done", "name"), rows)
    else:
        terminal.out("no schedule; the sample, paid_amount.yml, explains the section schedule")
    terminal.document({"schedules": [asdict(schedule) for schedule in found]})
