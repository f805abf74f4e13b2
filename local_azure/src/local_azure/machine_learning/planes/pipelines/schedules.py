"""Schedules of published pipelines and of pipeline endpoints.

SDK callers: `Schedule.create`, `create_for_pipeline_endpoint`, `get`, `list`, `update`, `enable`, `disable`,
`get_pipeline_runs`, `get_last_pipeline_run`. The scheduler (engines/schedules) decides when they fire.
"""

from __future__ import annotations

from starlette.responses import JSONResponse, Response

from local_azure.machine_learning.domain.pipelines import schedules
from local_azure.machine_learning.domain.pipelines.entities import active
from local_azure.machine_learning.engines.schedules.scheduler import Scheduler
from local_azure.machine_learning.http.call import Call
from local_azure.machine_learning.http.routing import Plane
from local_azure.machine_learning.planes.pipelines.forms import SCHEDULE
from local_azure.machine_learning.storage.files import BlobFiles
from local_azure.machine_learning.storage.store import Document, Store

PLANE = Plane("Pipelines: schedules")
_BASE = "/pipelines/v1.0{W}"


@PLANE.route("POST", _BASE + "/Schedules/Create", body=SCHEDULE)
def create_schedule(call: Call, store: Store, files: BlobFiles, scheduler: Scheduler) -> Document:
    """Create an active schedule."""
    with store.transaction():
        schedule = schedules.create(store, files, call.workspace, call.document())
        scheduler.begin(call.workspace, schedule, created=True)
    scheduler.wake()
    return schedule


@PLANE.route("GET", _BASE + "/Schedules")
def list_schedules(call: Call, store: Store) -> list[Document]:
    """Schedules, newest first; active ones unless asked otherwise."""
    found = schedules.newest_first(store, call.ws)
    return active(found) if call.flag("activeOnly", default=True) else found


@PLANE.route("GET", _BASE + "/Schedules/{schedule_id}")
def get_schedule(call: Call, store: Store, *, schedule_id: str) -> Document:
    """One schedule."""
    return schedules.require(store, call.ws, schedule_id)


@PLANE.route("GET", _BASE + "/Schedules/Pipeline/{target_id}")
@PLANE.route("GET", _BASE + "/Schedules/PipelineEndpoint/{target_id}")
def schedules_of(call: Call, store: Store, *, target_id: str) -> list[Document]:
    """Active schedules of a pipeline or of an endpoint."""
    return schedules.active_of(store, call.ws, target_id)


@PLANE.route("PUT", _BASE + "/Schedules/{schedule_id}", body=SCHEDULE)
def update_schedule(
    call: Call, store: Store, files: BlobFiles, scheduler: Scheduler, *, schedule_id: str
) -> Document:
    """`update`, `enable`, `disable`: the client sends the whole schedule. A change of its times starts it anew."""
    with store.transaction():
        schedule, is_timed_anew = schedules.change(store, files, call.workspace, schedule_id, call.document())
        if is_timed_anew:
            scheduler.begin(call.workspace, schedule, created=False)
    scheduler.wake()
    return schedule


@PLANE.route("GET", _BASE + "/PipelineRuns/Schedule/{schedule_id}")
def runs_of_schedule(call: Call, store: Store, *, schedule_id: str) -> list[Document]:
    """Runs that a schedule has started, newest first."""
    return schedules.started_runs(store, call.ws, schedule_id)


@PLANE.route("GET", _BASE + "/PipelineRuns/Schedule/{schedule_id}/Last")
def last_run_of_schedule(call: Call, store: Store, *, schedule_id: str) -> Response:
    """The last run that a schedule has started; 204 before the first."""
    found = schedules.started_runs(store, call.ws, schedule_id, limit=1)
    return JSONResponse(found[0]) if found else Response(status_code=204)
