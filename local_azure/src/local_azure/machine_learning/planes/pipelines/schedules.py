"""Schedules: what submits a published pipeline, or the default version of an endpoint, by itself.

SDK callers: `Schedule.create`, `create_for_pipeline_endpoint`, `get`, `list`, `update`, `enable`, `disable`,
`get_pipeline_runs`, `get_last_pipeline_run`. When they fire is the scheduler's business (scheduling/).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from starlette.responses import JSONResponse, Response

from local_azure.machine_learning.errors import bad_request
from local_azure.machine_learning.http.call import Call
from local_azure.machine_learning.http.routing import Plane
from local_azure.machine_learning.planes.data import datastores
from local_azure.machine_learning.planes.pipelines.modules import ACTIVE, GRAPH, P, entity
from local_azure.machine_learning.planes.pipelines.published import (
    ENDPOINT,
    PIPELINE,
    pipeline_of_endpoint,
    shown,
    status_code,
)
from local_azure.machine_learning.planes.pipelines.runs import PIPELINE_RUN
from local_azure.machine_learning.storage.files import BlobFiles
from local_azure.machine_learning.storage.store import Document, Store

if TYPE_CHECKING:
    from local_azure.machine_learning.engines.schedules.scheduler import Scheduler

PLANE = Plane("Pipelines: schedules")
# `name`: the pipeline or endpoint. A fired run leaves a document whose `parent` is its schedule.
SCHEDULE, FIRED = "schedule", "schedule_run"
BY_RECURRENCE, BY_DATASTORE = "0", "1"
_TYPES = {"recurrence": BY_RECURRENCE, "datastore": BY_DATASTORE}
DEFAULT_POLLING_MINUTES = 5
_FIRING = ("Recurrence", "DataStoreTriggerInfo", "EntityStatus")


def _check_target(call: Call, store: Store, posted: Document) -> str:
    """Id of the pipeline that would run now; raises a 400 or 404."""
    pipeline_id, endpoint_id = posted.get("PipelineId") or "", posted.get("PipelineEndpointId") or ""
    if bool(pipeline_id) == bool(endpoint_id):
        raise bad_request("A schedule needs either a PipelineId or a PipelineEndpointId.")
    if endpoint_id:
        return pipeline_of_endpoint(store, call.ws, endpoint_id)
    return str(store.require(call.ws, PIPELINE, pipeline_id, "Published pipeline")["Id"])


def _check_trigger(call: Call, store: Store, files: BlobFiles, pipeline_id: str, trigger: Document) -> Document:
    """The trigger with its polling interval; raises a 400 for what could never fire."""
    datastore, path = str(trigger.get("DataStoreName")), trigger.get("PathOnDataStore") or ""
    datastores.local_path(store, files, call.workspace, datastore, path)  # refuses a storage that is not here
    minutes = trigger.get("PollingInterval")
    minutes = DEFAULT_POLLING_MINUTES if minutes is None else minutes
    if not isinstance(minutes, int) or minutes < 1:
        raise bad_request(f"The polling interval is a whole number of minutes from 1 on, not {minutes!r}.")
    name = trigger.get("DataPathParameterName")
    pipeline = store.require(call.ws, PIPELINE, pipeline_id, "Published pipeline")
    interface = store.require(call.ws, GRAPH, pipeline["GraphId"])["interface"]
    known = [parameter["Name"] for parameter in interface.get("DataPathParameters") or []]
    if name and name not in known:
        raise bad_request(f"The pipeline has no data path parameter '{name}'; it has {', '.join(known) or 'none'}.")
    return {**trigger, "PollingInterval": minutes}


@PLANE.route("POST", P + "/Schedules/Create")
def create_schedule(call: Call, store: Store, files: BlobFiles, scheduler: Scheduler) -> Document:
    """Create an active schedule; provisioned at once, because a "provisioning" one costs the client 5 s a look."""
    posted = call.document()
    kind = str(posted.get("ScheduleType"))
    kind = _TYPES.get(kind.lower(), kind)
    info: dict[str, Any] = posted.get("PipelineSubmissionInfo") or {}
    if not info.get("ExperimentName"):
        raise bad_request("A schedule needs the name of the experiment that its runs belong to.")
    pipeline_id = _check_target(call, store, posted)
    trigger: dict[str, Any] = posted.get("DataStoreTriggerInfo") or {}
    if kind not in _TYPES.values() or not (posted.get("Recurrence") if kind == BY_RECURRENCE else trigger):
        raise bad_request("A schedule needs a recurrence or a datastore.")
    schedule = {
        **entity(),
        "Name": posted.get("Name"),
        "PipelineId": posted.get("PipelineId"),
        "PipelineEndpointId": posted.get("PipelineEndpointId"),
        "ProvisioningStatus": "0",
        "ScheduleType": kind,
        "PipelineSubmissionInfo": info,
        "Recurrence": posted["Recurrence"] if kind == BY_RECURRENCE else None,
        "DataStoreTriggerInfo": _check_trigger(call, store, files, pipeline_id, trigger)
        if kind == BY_DATASTORE
        else None,
    }
    name = schedule["PipelineId"] or schedule["PipelineEndpointId"]
    with store.transaction():
        store.insert(call.ws, SCHEDULE, schedule["Id"], schedule, name=name)
        scheduler.begin(call.workspace, schedule, created=True)
    scheduler.wake()
    return schedule


@PLANE.route("GET", P + "/Schedules")
def list_schedules(call: Call, store: Store) -> list[Document]:
    """Schedules, newest first; active ones unless asked otherwise."""
    return shown(call, store.find(call.ws, SCHEDULE, newest_first=True))


@PLANE.route("GET", P + "/Schedules/{schedule_id}")
def get_schedule(call: Call, store: Store, *, schedule_id: str) -> Document:
    """One schedule."""
    return store.require(call.ws, SCHEDULE, schedule_id)


@PLANE.route("GET", P + "/Schedules/Pipeline/{target_id}")
@PLANE.route("GET", P + "/Schedules/PipelineEndpoint/{target_id}")
def schedules_of(call: Call, store: Store, *, target_id: str) -> list[Document]:
    """Active schedules of a pipeline or of an endpoint."""
    found = store.find(call.ws, SCHEDULE, name=target_id, newest_first=True)
    return [schedule for schedule in found if schedule["EntityStatus"] == ACTIVE]


@PLANE.route("PUT", P + "/Schedules/{schedule_id}")
def update_schedule(
    call: Call, store: Store, files: BlobFiles, scheduler: Scheduler, *, schedule_id: str
) -> Document:
    """`update`, `enable`, `disable`: the client sends the whole schedule. What changes its times starts it anew."""
    posted = call.document()
    pipeline_id = _pipeline_now(call, store, schedule_id)
    trigger = posted.get("DataStoreTriggerInfo")
    if trigger and pipeline_id:
        posted["DataStoreTriggerInfo"] = _check_trigger(call, store, files, pipeline_id, trigger)
    changes = {key: posted[key] for key in ("Name", "PipelineSubmissionInfo", *_FIRING) if posted.get(key)}
    if "EntityStatus" in changes:
        changes["EntityStatus"] = status_code(changes["EntityStatus"])
    with store.transaction():
        before = store.require(call.ws, SCHEDULE, schedule_id)
        changes["LastModifiedDate"] = entity()["LastModifiedDate"]
        after = store.update(call.ws, SCHEDULE, schedule_id, lambda schedule: schedule.update(changes))
        if any(before[key] != after[key] for key in _FIRING):
            scheduler.begin(call.workspace, after, created=False)
    scheduler.wake()
    return after


def _pipeline_now(call: Call, store: Store, schedule_id: str) -> str | None:
    """The pipeline of a schedule, or None while its endpoint is switched off: no reason to refuse a change."""
    schedule = store.require(call.ws, SCHEDULE, schedule_id)
    if schedule["PipelineId"]:
        return str(schedule["PipelineId"])
    endpoint = store.require(call.ws, ENDPOINT, schedule["PipelineEndpointId"], "Pipeline endpoint")
    if endpoint["EntityStatus"] != ACTIVE:
        return None
    return pipeline_of_endpoint(store, call.ws, endpoint["Id"])


def _fired(call: Call, store: Store, schedule_id: str, limit: int | None = None) -> list[Document]:
    store.require(call.ws, SCHEDULE, schedule_id)
    found = store.find(call.ws, FIRED, parent=schedule_id, newest_first=True, limit=limit)
    return [store.require(call.ws, PIPELINE_RUN, fired["Id"], "Pipeline run") for fired in found]


@PLANE.route("GET", P + "/PipelineRuns/Schedule/{schedule_id}")
def runs_of_schedule(call: Call, store: Store, *, schedule_id: str) -> list[Document]:
    """Runs that a schedule has started, newest first."""
    return _fired(call, store, schedule_id)


@PLANE.route("GET", P + "/PipelineRuns/Schedule/{schedule_id}/Last")
def last_run_of_schedule(call: Call, store: Store, *, schedule_id: str) -> Response:
    """The last run that a schedule has started; 204 before the first."""
    found = _fired(call, store, schedule_id, limit=1)
    return JSONResponse(found[0]) if found else Response(status_code=204)
