"""Schedules of a pipeline endpoint: list, create, pause, resume, remove.

The service deletes no schedule, so a removed one is disabled and renamed. Parameters of a schedule are fixed when it
is created; what it runs is the endpoint's default at that time.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from azure_ml.errors import AzureMlError
from azure_ml.pipelines.published import Endpoint
from azure_ml.pipelines.runs import Run
from azure_ml.workspace import Workspace

_REMOVED = " (removed)"
_ACTIVE = "Active"


@dataclass(frozen=True)
class StoredSchedule:
    """A schedule as it was read."""

    sdk: Any = field(repr=False, compare=False)
    id: str
    name: str
    is_active: bool


@dataclass(frozen=True)
class Firing:
    """When a schedule fires, as the SDK takes it. week_days, hours, minutes: none for those of the start."""

    frequency: str
    interval: int
    start: str
    time_zone: str
    week_days: tuple[str, ...] = ()
    hours: tuple[int, ...] = ()
    minutes: tuple[int, ...] = ()


def list_schedules(workspace: Workspace, endpoint: Endpoint) -> list[StoredSchedule]:
    """The schedules of an endpoint that were not removed, paused ones too."""
    from azureml.pipeline.core import Schedule

    return [
        _of(sdk)
        for sdk in Schedule.list(workspace.sdk, active_only=False)
        if sdk.pipeline_endpoint_id == endpoint.id and not str(sdk.name).endswith(_REMOVED)
    ]


def create_recurring(
    workspace: Workspace,
    endpoint: Endpoint,
    name: str,
    firing: Firing,
    *,
    experiment: str,
    parameters: Mapping[str, str],
) -> StoredSchedule:
    """Create a schedule by the clock."""
    from azureml.pipeline.core import ScheduleRecurrence

    recurrence = ScheduleRecurrence(
        frequency=firing.frequency,
        interval=firing.interval,
        start_time=firing.start,
        time_zone=_time_zone(firing.time_zone),
        week_days=list(firing.week_days) or None,
        hours=list(firing.hours) or None,
        minutes=list(firing.minutes) or None,
    )
    return _create(workspace, endpoint, name, experiment, parameters, recurrence=recurrence)


def _time_zone(name: str) -> Any:
    from azureml.pipeline.core.schedule import TimeZone

    try:
        return TimeZone(name)
    except ValueError:
        raise AzureMlError(
            f"{name} is not a time zone of Azure ML",
            expected="a Windows name, such as W. Europe Standard Time, or UTC",
            todo="correct schedule.recurrence.time_zone in the problem file",
        ) from None


def create_watching(
    workspace: Workspace,
    endpoint: Endpoint,
    name: str,
    *,
    folder: str,
    poll_minutes: int,
    experiment: str,
    parameters: Mapping[str, str],
) -> StoredSchedule:
    """Create a schedule that fires for each new blob of a folder of the default datastore, not of its subfolders."""
    watched = {
        "datastore": workspace.sdk.get_default_datastore(),
        "path_on_datastore": folder,
        "polling_interval": poll_minutes,
    }
    return _create(workspace, endpoint, name, experiment, parameters, **watched)


def _create(
    workspace: Workspace, endpoint: Endpoint, name: str, experiment: str, parameters: Mapping[str, str], **when: Any
) -> StoredSchedule:
    from azureml.pipeline.core import Schedule

    return _of(
        Schedule.create_for_pipeline_endpoint(
            workspace.sdk,
            name=name,
            pipeline_endpoint_id=endpoint.id,
            experiment_name=experiment,
            pipeline_parameters=dict(parameters),
            wait_for_provisioning=True,
            **when,
        )
    )


def pause(schedule: StoredSchedule) -> None:
    """Let a schedule fire no more until it is resumed."""
    schedule.sdk.disable(wait_for_provisioning=True)


def resume(schedule: StoredSchedule) -> None:
    """Let a paused schedule fire again; what it has missed is not made up for."""
    schedule.sdk.enable(wait_for_provisioning=True)


def last_firing(schedule: StoredSchedule) -> str:
    """When a schedule has last started a run, UTC; empty before the first time."""
    run = schedule.sdk.get_last_pipeline_run()
    return Run(run).created if run is not None else ""


def remove(schedule: StoredSchedule) -> None:
    """Let a schedule fire no more and mark it as removed."""
    schedule.sdk.update(name=f"{schedule.name}{_REMOVED}", status="Disabled", wait_for_provisioning=True)


def _of(sdk: Any) -> StoredSchedule:
    return StoredSchedule(sdk, id=str(sdk.id), name=str(sdk.name), is_active=str(sdk.status) == _ACTIVE)
