"""Schedules in the store: what submits a published pipeline, or the default version of an endpoint, by itself."""

from __future__ import annotations

from enum import StrEnum

from local_azure.machine_learning.clock import timestamp
from local_azure.machine_learning.domain.data import datastores
from local_azure.machine_learning.domain.pipelines import endpoints, graphs, pipeline_runs, published
from local_azure.machine_learning.domain.pipelines.entities import EntityStatus, active, is_active, new_entity
from local_azure.machine_learning.domain.workspace.workspaces import Workspace
from local_azure.machine_learning.errors import bad_request
from local_azure.machine_learning.storage.files import BlobFiles
from local_azure.machine_learning.storage.store import Document, Store

# `name` of a schedule: its pipeline or endpoint. A fired run leaves a document whose `parent` is its schedule.
KIND, FIRED = "schedule", "schedule_run"
DEFAULT_POLLING_MINUTES = 5
_TIMING_KEYS = ("Recurrence", "DataStoreTriggerInfo", "EntityStatus")
_CHANGEABLE_KEYS = ("Name", "PipelineSubmissionInfo", *_TIMING_KEYS)


class ScheduleType(StrEnum):
    """What makes a schedule fire. The client sends the words and reads the digits."""

    RECURRENCE = "0"
    DATASTORE = "1"


def create(store: Store, files: BlobFiles, workspace: Workspace, posted: Document) -> Document:
    """Insert an active schedule; raises a 400 for what could never fire, a 404 for a target that is not there.

    It is provisioned at once, because the client waits 5 s each time it finds a "provisioning" one.
    """
    kind = str(posted.get("ScheduleType"))
    kind = ScheduleType.__members__.get(kind.upper(), kind)
    info = posted.get("PipelineSubmissionInfo") or {}
    if not info.get("ExperimentName"):
        raise bad_request("A schedule needs the name of the experiment that its runs belong to.")
    pipeline_id = _target(store, workspace.id, posted)
    recurrence, trigger = None, None
    if kind == ScheduleType.RECURRENCE:
        recurrence = posted.get("Recurrence")
    elif kind == ScheduleType.DATASTORE and posted.get("DataStoreTriggerInfo"):
        trigger = _checked_trigger(store, files, workspace, pipeline_id, posted["DataStoreTriggerInfo"])
    if not recurrence and not trigger:
        raise bad_request("A schedule needs a recurrence or a datastore.")
    schedule = {
        **new_entity(),
        "Name": posted.get("Name"),
        "PipelineId": posted.get("PipelineId"),
        "PipelineEndpointId": posted.get("PipelineEndpointId"),
        "ProvisioningStatus": "0",
        "ScheduleType": kind,
        "PipelineSubmissionInfo": info,
        "Recurrence": recurrence,
        "DataStoreTriggerInfo": trigger,
    }
    name = schedule["PipelineId"] or schedule["PipelineEndpointId"]
    store.insert(workspace.id, KIND, schedule["Id"], schedule, name=name)
    return schedule


def _target(store: Store, workspace_id: str, schedule: Document) -> str:
    """Return the id of the pipeline that would run now; raises a 400 or 404."""
    pipeline_id, endpoint_id = schedule.get("PipelineId") or "", schedule.get("PipelineEndpointId") or ""
    if bool(pipeline_id) == bool(endpoint_id):
        raise bad_request("A schedule needs either a PipelineId or a PipelineEndpointId.")
    if endpoint_id:
        return endpoints.pipeline_of(store, workspace_id, endpoint_id)
    return str(published.require(store, workspace_id, pipeline_id)["Id"])


def _checked_trigger(
    store: Store, files: BlobFiles, workspace: Workspace, pipeline_id: str, trigger: Document
) -> Document:
    """Add the polling interval to a trigger; raises a 400 for what could never fire."""
    datastore, path = str(trigger.get("DataStoreName")), trigger.get("PathOnDataStore") or ""
    datastores.local_path(store, files, workspace, datastore, path)  # refuses a storage that is not here
    minutes = trigger.get("PollingInterval")
    minutes = DEFAULT_POLLING_MINUTES if minutes is None else minutes
    if not isinstance(minutes, int) or minutes < 1:
        raise bad_request(f"The polling interval is a whole number of minutes from 1 on, not {minutes!r}.")
    name = trigger.get("DataPathParameterName")
    pipeline = published.require(store, workspace.id, pipeline_id)
    interface = graphs.require(store, workspace.id, pipeline["GraphId"])["interface"]
    known = [parameter["Name"] for parameter in interface.get("DataPathParameters") or []]
    if name and name not in known:
        raise bad_request(f"The pipeline has no data path parameter '{name}'; it has {', '.join(known) or 'none'}.")
    return {**trigger, "PollingInterval": minutes}


def require(store: Store, workspace_id: str, schedule_id: str) -> Document:
    """Return a schedule; raises a 404."""
    return store.require(workspace_id, KIND, schedule_id)


def newest_first(store: Store, workspace_id: str) -> list[Document]:
    """Return all schedules, newest first."""
    return store.find(workspace_id, KIND, newest_first=True)


def active_of(store: Store, workspace_id: str, target_id: str) -> list[Document]:
    """Return the active schedules of a pipeline or of an endpoint, newest first."""
    return active(store.find(workspace_id, KIND, name=target_id, newest_first=True))


def change(
    store: Store, files: BlobFiles, workspace: Workspace, schedule_id: str, posted: Document
) -> tuple[Document, bool]:
    """Change a schedule; returns it, and whether the times at which it fires have changed. Raises a 400 or 404."""
    changes = {key: posted[key] for key in _CHANGEABLE_KEYS if posted.get(key)}
    with store.transaction():
        before = require(store, workspace.id, schedule_id)
        pipeline_id = _target_if_enabled(store, workspace.id, before)
        if "DataStoreTriggerInfo" in changes and pipeline_id:
            trigger = changes["DataStoreTriggerInfo"]
            changes["DataStoreTriggerInfo"] = _checked_trigger(store, files, workspace, pipeline_id, trigger)
        if "EntityStatus" in changes:
            changes["EntityStatus"] = EntityStatus.parse(changes["EntityStatus"])
        changes["LastModifiedDate"] = timestamp()
        after = store.update(workspace.id, KIND, schedule_id, lambda schedule: schedule.update(changes))
    return after, any(before[key] != after[key] for key in _TIMING_KEYS)


def _target_if_enabled(store: Store, workspace_id: str, schedule: Document) -> str | None:
    """Return the pipeline of a schedule, None while its endpoint is disabled: no reason to refuse a change."""
    if schedule["PipelineId"]:
        return str(schedule["PipelineId"])
    endpoint = endpoints.require(store, workspace_id, schedule["PipelineEndpointId"])
    if not is_active(endpoint):
        return None
    return endpoints.pipeline_of(store, workspace_id, endpoint["Id"])


def new_run(store: Store, workspace_id: str, schedule: Document, blob: str | None = None) -> Document:
    """Make an unsubmitted run of a schedule; raises a 400 or 404 where its pipeline cannot be submitted.

    blob: path on the datastore of the changed blob that fires it.
    """
    asked = {
        **schedule["PipelineSubmissionInfo"],
        "ScheduleId": schedule["Id"],
        "RunType": "Schedule",
        "RunSource": schedule["PipelineSubmissionInfo"].get("RunSource") or "Schedule",
    }
    trigger = schedule["DataStoreTriggerInfo"] or {}
    parameter = trigger.get("DataPathParameterName")
    if blob is not None and parameter:
        value = {"DataStoreName": trigger["DataStoreName"], "RelativePath": blob}
        asked["DataPathAssignments"] = {**(asked.get("DataPathAssignments") or {}), parameter: value}
    target = schedule["PipelineId"] or endpoints.pipeline_of(store, workspace_id, schedule["PipelineEndpointId"])
    return published.new_run(store, workspace_id, target, asked)


def record_run(store: Store, workspace_id: str, schedule_id: str, run: Document) -> None:
    """Submit a run of a schedule, and note that the schedule has started it."""
    with store.transaction():
        pipeline_runs.record(store, workspace_id, run)
        store.insert(workspace_id, FIRED, run["Id"], {"Id": run["Id"]}, parent=schedule_id)


def started_runs(store: Store, workspace_id: str, schedule_id: str, limit: int | None = None) -> list[Document]:
    """Return the runs that a schedule has started, newest first."""
    require(store, workspace_id, schedule_id)
    found = store.find(workspace_id, FIRED, parent=schedule_id, newest_first=True, limit=limit)
    return [pipeline_runs.require(store, workspace_id, started["Id"]) for started in found]
