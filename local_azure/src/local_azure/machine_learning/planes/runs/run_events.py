"""Events of runs: how a program says that its run has started, ended or gone wrong.

SDK callers: `start_logging`, `run.complete/fail/cancel`, `create_children`. The same event twice changes nothing.
Source: azureml/_restclient/contracts/events.py.
"""

from __future__ import annotations

from typing import Any

from local_azure.machine_learning.domain.runs.moments import normalise_time
from local_azure.machine_learning.domain.runs.run_records import FINAL, Run, error_body, move_status, update
from local_azure.machine_learning.errors import ApiError, bad_request, json_body, not_implemented
from local_azure.machine_learning.http.call import Call
from local_azure.machine_learning.http.routing import Plane
from local_azure.machine_learning.planes.runs.history import require_run
from local_azure.machine_learning.storage.store import Store

Event = dict[str, Any]

PLANE = Plane("Run events")
_EXPERIMENT = "/history/v1.0{W}/experiments/{experiment}"
_PREFIX = "Microsoft.MachineLearning.Run."
_STATUS = {
    "Queued": "Queued",
    "Start": "Running",
    "CancelRequested": "CancelRequested",
    "Completed": "Completed",
    "Failed": "Failed",
    "Canceled": "Canceled",
}


def _apply(run: Run, kind: str, data: dict[str, Any]) -> None:
    if kind in _STATUS:
        moment = data.get("StartTime") or data.get("EndTime")
        move_status(run, _STATUS[kind], normalise_time(moment) if moment else None)
    elif kind == "Error":
        # `fail` sends it before Failed; a run that is over keeps what it ended with.
        error = (data.get("ErrorResponse") or {}).get("error")
        if error and run["status"] not in FINAL:
            run["error"] = error_body(error)
    elif kind == "Warning":
        warning = {"source": data.get("Source"), "message": data.get("Message")}
        if warning not in run["warnings"]:
            run["warnings"].append(warning)
    elif kind == "QueueingInfo":
        run["queueingInfo"] = {key[:1].lower() + key[1:]: value for key, value in data.items() if key != "RunId"}
    elif kind != "Heartbeat":  # a heartbeat changes nothing: nobody here gives up on a silent run
        raise not_implemented(f"the event '{_PREFIX}{kind}' of a run")


def _take(call: Call, store: Store, experiment: str, event: Event, run_id: str) -> None:
    kind = str(event.get("name", ""))
    if not kind.startswith(_PREFIX):
        raise not_implemented(f"the event '{kind}' of a run")
    require_run(call, store, run_id, experiment)
    data = event.get("data") or {}
    update(store, call.workspace, run_id, lambda run: _apply(run, kind.removeprefix(_PREFIX), data))


@PLANE.route("POST", _EXPERIMENT + "/runs/{run_id}/events")
def post_event(call: Call, store: Store, *, experiment: str, run_id: str) -> dict[str, Any]:
    """Apply one event."""
    _take(call, store, experiment, call.document(), run_id)
    return {}


@PLANE.route("POST", _EXPERIMENT + "/batch/events")
def post_events(call: Call, store: Store, *, experiment: str) -> dict[str, Any]:
    """Apply many events; each one succeeds or fails by itself."""
    errors = []
    for event in call.document().get("events") or []:
        run_id = (event.get("data") or {}).get("RunId")
        if not run_id:
            raise bad_request("Each event of a batch needs data with a 'RunId'.")
        try:
            _take(call, store, experiment, event, run_id)
        except ApiError as error:
            errors.append({"key": event, "value": json_body(error, run_id)})
    return {"errors": errors}
