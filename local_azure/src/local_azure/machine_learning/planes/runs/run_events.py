"""Events of runs: how a program says that its run has started, ended or gone wrong.

SDK callers: `start_logging`, `run.complete/fail/cancel`, `create_children`.
"""

from __future__ import annotations

from typing import Any

from local_azure.machine_learning.clock import timestamp
from local_azure.machine_learning.domain.runs import events
from local_azure.machine_learning.errors import ApiError, bad_request, json_body
from local_azure.machine_learning.http.call import Call
from local_azure.machine_learning.http.routing import Plane
from local_azure.machine_learning.http.shapes import ANYTHING, TEXT, Items, Record
from local_azure.machine_learning.storage.store import Store

PLANE = Plane("Run events")
_ERROR = Record({"error": Record({"code": TEXT, "message": TEXT, "details": Items(ANYTHING)})})
_DATA = Record(
    {"RunId": TEXT, "StartTime": TEXT, "EndTime": TEXT, "Source": TEXT, "Message": TEXT, "ErrorResponse": _ERROR}
)
_EVENT = Record({"name": TEXT, "data": _DATA})
_EVENTS = Record({"events": Items(_EVENT)})
_EXPERIMENT = "/history/v1.0{W}/experiments/{experiment}"


@PLANE.route("POST", _EXPERIMENT + "/runs/{run_id}/events", body=_EVENT)
def post_event(call: Call, store: Store, *, experiment: str, run_id: str) -> dict[str, Any]:
    """Apply one event."""
    events.apply(store, call.ws, experiment, run_id, call.document())
    return {}


@PLANE.route("POST", _EXPERIMENT + "/batch/events", body=_EVENTS)
def post_events(call: Call, store: Store, *, experiment: str) -> dict[str, Any]:
    """Apply many events; each one succeeds or fails by itself."""
    errors = []
    for event in call.document().get("events") or []:
        run_id = (event.get("data") or {}).get("RunId")
        if not run_id:
            raise bad_request("Each event of a batch needs data with a 'RunId'.")
        try:
            events.apply(store, call.ws, experiment, run_id, event)
        except ApiError as error:
            errors.append({"key": event, "value": json_body(error, run_id, timestamp())})
    return {"errors": errors}
