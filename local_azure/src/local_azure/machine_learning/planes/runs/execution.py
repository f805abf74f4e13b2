"""Runs of one script: `Experiment.submit(ScriptRunConfig(...))`.

SDK caller: `azureml._execution._commands.start_run`.
"""

from __future__ import annotations

from typing import NoReturn

from local_azure.machine_learning.domain.access.addresses import Addresses
from local_azure.machine_learning.domain.pipelines import script_runs
from local_azure.machine_learning.domain.runs import run_records
from local_azure.machine_learning.domain.runs.statuses import RunStatus
from local_azure.machine_learning.engines.steps.executor import Executor
from local_azure.machine_learning.errors import not_implemented
from local_azure.machine_learning.http.call import Call
from local_azure.machine_learning.http.routing import Plane
from local_azure.machine_learning.http.shapes import (
    ANYTHING,
    ENVIRONMENT,
    NUMBER,
    SIMPLE,
    TEXT,
    WORDS,
    Items,
    Pairs,
    Record,
)
from local_azure.machine_learning.storage.store import Store

PLANE = Plane("Execution")
_OPTIONS = Record({"pathOnCompute": TEXT})
_INPUT = Record(
    {
        "mechanism": TEXT,
        "mode": TEXT,
        "pathOnCompute": TEXT,
        "additionalOptions": _OPTIONS,
        "dataLocation": Record(
            {
                "dataset": Record({"id": TEXT}),
                "dataPath": Record({"datastoreName": TEXT, "relativePath": TEXT}),
            }
        ),
    }
)
_REGISTRATION = Record(
    {
        "name": TEXT,
        "description": TEXT,
        "tags": Pairs(SIMPLE),
        "datasetRegistrationOptions": Record({"additionalTransformation": TEXT}),
    }
)
_OUTPUT = Record(
    {
        "mechanism": TEXT,
        "mode": TEXT,
        "outputLocation": Record({"dataPath": Record({"datastoreName": TEXT, "relativePath": TEXT})}),
        "additionalOptions": Record(
            {
                "pathOnCompute": TEXT,
                "registrationOptions": _REGISTRATION,
                "uploadOptions": Record({"sourceGlobs": Pairs(ANYTHING)}),
            }
        ),
    }
)
_REFERENCE = Record({"dataStoreName": TEXT, "mode": TEXT, "pathOnDataStore": TEXT, "pathOnCompute": TEXT})
_CONFIGURATION = Record(
    {
        **dict.fromkeys(("script", "target", "framework", "communicator"), TEXT),
        "command": WORDS,
        "arguments": Items(SIMPLE),
        "nodeCount": NUMBER,
        "maxRunDurationSeconds": NUMBER,
        "data": Pairs(_INPUT),
        "outputData": Pairs(_OUTPUT),
        "dataReferences": Pairs(_REFERENCE),
        "environmentVariables": Pairs(SIMPLE),
        "environment": ENVIRONMENT,
    }
)
_START = Record({"SnapshotId": TEXT, "ParentRunId": TEXT, "Configuration": _CONFIGURATION})
_EXPERIMENT = "/execution/v1.0{W}/experiments/{experiment}"


@PLANE.route("POST", _EXPERIMENT + "/snapshotrun", body=_START)
def start_run(
    call: Call, store: Store, addresses: Addresses, executor: Executor, *, experiment: str
) -> dict[str, str]:
    """Submit a script with the snapshot of its folder."""
    posted, run_id = call.document(), call.query.get("runId") or ""
    document = script_runs.new_script_run(store, call.workspace, experiment, run_id, posted)
    script_runs.record(store, call.workspace, addresses, document, posted.get("ParentRunId"))
    executor.submit_script(call.workspace, run_id)
    return {"runId": run_id}


@PLANE.route("POST", _EXPERIMENT + "/runs/{run_id}/cancel")
def cancel_run(call: Call, store: Store, executor: Executor, *, experiment: str, run_id: str) -> None:
    """`run.cancel()`: the client has this address from the run."""
    run_records.require_in(store, call.ws, run_id, experiment)
    run_records.set_status(store, call.ws, run_id, RunStatus.CANCEL_REQUESTED)
    executor.cancel(run_id)


@PLANE.route("POST", _EXPERIMENT + "/localrun")
def refuse_local_run(*, experiment: str) -> NoReturn:
    """Refuse by name: the client would run the script itself, with files that come from the service."""
    raise not_implemented(f"runs on the target 'local' (experiment '{experiment}'); name a compute target instead")
