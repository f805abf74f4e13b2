"""Events of runs: how a program says that its run has started, ended or gone wrong.

The same event twice changes nothing. Source: azureml/_restclient/contracts/events.py.
"""

from __future__ import annotations

from typing import Any

from local_azure.machine_learning.domain.runs import run_records
from local_azure.machine_learning.domain.runs.moments import normalise_time
from local_azure.machine_learning.domain.runs.run_documents import Run, error_body, has_ended, move_status
from local_azure.machine_learning.domain.runs.statuses import RunStatus
from local_azure.machine_learning.errors import not_implemented
from local_azure.machine_learning.storage.store import Store

Event = dict[str, Any]

_PREFIX = "Microsoft.MachineLearning.Run."
_STATUS = {
    "Queued": RunStatus.QUEUED,
    "Start": RunStatus.RUNNING,
    "CancelRequested": RunStatus.CANCEL_REQUESTED,
    "Completed": RunStatus.COMPLETED,
    "Failed": RunStatus.FAILED,
    "Canceled": RunStatus.CANCELED,
}


def apply(store: Store, workspace_id: str, experiment: str, run_id: str, event: Event) -> None:
    """Apply an event {"name", "data"} to a run of an experiment; raises a 400 or 404."""
    name = str(event.get("name", ""))
    if not name.startswith(_PREFIX):
        raise not_implemented(f"the event '{name}' of a run")
    run_records.require_in(store, workspace_id, run_id, experiment)
    kind, data = name.removeprefix(_PREFIX), event.get("data") or {}
    run_records.update(store, workspace_id, run_id, lambda run: _change(run, kind, data))


def _change(run: Run, kind: str, data: dict[str, Any]) -> None:
    if kind in _STATUS:
        moment = data.get("StartTime") or data.get("EndTime")
        move_status(run, _STATUS[kind], normalise_time(moment) if moment else None)
    elif kind == "Error":
        # `fail` sends it before Failed; a run that is over keeps what it ended with.
        error = (data.get("ErrorResponse") or {}).get("error")
        if error and not has_ended(run):
            run["error"] = error_body(error)
    elif kind == "Warning":
        warning = {"source": data.get("Source"), "message": data.get("Message")}
        held = run["warnings"] or []
        if warning not in held:
            run["warnings"] = [*held, warning]
    elif kind == "QueueingInfo":
        run["queueingInfo"] = {key[:1].lower() + key[1:]: value for key, value in data.items() if key != "RunId"}
    elif kind != "Heartbeat":  # a heartbeat changes nothing: nobody here gives up on a silent run
        raise not_implemented(f"the event '{_PREFIX}{kind}' of a run")
