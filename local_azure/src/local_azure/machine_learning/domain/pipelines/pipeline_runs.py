"""Pipeline runs in the store.

The same run lives in two planes: in the pipelines plane with a status code, in the run history with a word. The
functions that move it write both in one transaction.
"""

from __future__ import annotations

import json

from local_azure.machine_learning.clock import timestamp
from local_azure.machine_learning.domain.pipelines import graphs, nodes
from local_azure.machine_learning.domain.pipelines.entities import new_entity
from local_azure.machine_learning.domain.runs import run_records
from local_azure.machine_learning.domain.runs.run_documents import Failure
from local_azure.machine_learning.domain.runs.statuses import PIPELINE_RUN_CODES, PipelineRunCode, RunStatus
from local_azure.machine_learning.storage.store import Document, Store

KIND = "pipeline_run"
# `parent` column of a pipeline or script run: open ones, which the executor looks after, are found by it.
OPEN, CLOSED = "open", "closed"


def new_pipeline_run(
    store: Store,
    workspace_id: str,
    graph_id: str,
    experiment: str,
    asked: Document,
    *,
    pipeline_id: str | None = None,
) -> Document:
    """Make an unsubmitted run of a stored graph.

    asked: CreationInfo of a submission, or the body of a REST submission.
    """
    stored = graphs.require(store, workspace_id, graph_id)
    goes_on = asked.get("ContinueRunOnStepFailure") or asked.get("ContinueExperimentOnNodeFailure")
    status = {"StatusDetail": None, "CreationTime": timestamp(), "EndTime": None}
    return {
        **new_entity(),
        "Description": asked.get("Description"),
        "Status": {"StatusCode": PipelineRunCode.NOT_STARTED, **status},
        "GraphId": graph_id,
        "IsSubmitted": False,
        "HasErrors": False,
        "HasWarnings": False,
        "UploadState": "1",
        **_assignments(stored["interface"], asked),
        "RunHistoryExperimentName": experiment,
        "PipelineId": pipeline_id,
        "RunSource": asked.get("RunSource") or "Unavailable",
        "RunType": asked.get("RunType") or "HTTP",
        "TotalRunSteps": graphs.number_of_steps(stored["graph"]),
        "ScheduleId": asked.get("ScheduleId"),
        "tags": asked.get("tags") or asked.get("Tags") or {},
        "Properties": asked.get("Properties") or {},
        "ContinueRunOnStepFailure": bool(goes_on),
    }


def _assignments(interface: Document, asked: Document) -> Document:
    """Return the values of a run's parameters.

    Values that the graph has no parameter for are left out, and `record` warns of them: Microsoft's notebook about
    versioned endpoints submits such values, so the service takes them.
    """
    defaults = graphs.defaults(interface)
    assigned = asked.get("ParameterAssignments") or {}
    values = {name: assigned.get(name, default) for name, default in defaults.items()}
    return {
        "ParameterAssignments": graphs.as_texts(values),
        "UnknownParameters": sorted(set(assigned) - set(defaults)),
        "DataPathAssignments": asked.get("DataPathAssignments") or {},
        "DataSetDefinitionValueAssignments": asked.get("DataSetDefinitionValueAssignments") or {},
    }


def _save(store: Store, workspace_id: str, run: Document, openness: str) -> None:
    store.put(workspace_id, KIND, run["Id"], run, name=run.get("PipelineId") or "", parent=openness)


def save_unsubmitted(store: Store, workspace_id: str, run: Document) -> None:
    """Keep a run that the client will submit later."""
    _save(store, workspace_id, run, CLOSED)


def require(store: Store, workspace_id: str, run_id: str) -> Document:
    """Return a pipeline run; raises a 404."""
    return store.require(workspace_id, KIND, run_id, "Pipeline run")


def of_pipeline(store: Store, workspace_id: str, pipeline_id: str) -> list[Document]:
    """Return the runs of a published pipeline, newest first."""
    return store.find(workspace_id, KIND, name=pipeline_id, newest_first=True)


def open_runs(store: Store, workspace_id: str) -> list[Document]:
    """Return the submitted runs that have not ended."""
    return store.find(workspace_id, KIND, parent=OPEN)


def is_running(run: Document) -> bool:
    """Tell whether a run has left the queue and not ended."""
    return bool(run["Status"]["StatusCode"] == PipelineRunCode.RUNNING)


def record(store: Store, workspace_id: str, run: Document, parent_run_id: str | None = None) -> None:
    """Make a run known to the run history as submitted; the executor takes it up now, or after a restart."""
    run["IsSubmitted"] = True
    properties = {
        **run["Properties"],
        "azureml.runsource": "azureml.PipelineRun",
        "runSource": run["RunSource"],
        "runType": run["RunType"],
        "azureml.parameters": json.dumps(run["ParameterAssignments"]),
    }
    if run["PipelineId"]:
        properties["azureml.pipelineid"] = run["PipelineId"]
    given = {
        "parentRunId": parent_run_id,
        "runType": "azureml.PipelineRun",
        "name": run["Description"],
        "tags": run["tags"],
        "properties": properties,
    }
    with store.transaction():
        _save(store, workspace_id, run, OPEN)
        run_records.create_named(store, workspace_id, run["Id"], run["RunHistoryExperimentName"], given)
        run_records.warn(store, workspace_id, run["Id"], _unknown_parameters(run))


def _unknown_parameters(run: Document) -> list[str]:
    known = ", ".join(sorted(run["ParameterAssignments"])) or "none"
    return [
        f"The pipeline has no parameter '{name}'; its value is not used. The pipeline's parameters: {known}."
        for name in run.get("UnknownParameters") or []
    ]


def begin(store: Store, workspace_id: str, run: Document) -> None:
    """Move a submitted run to running."""
    run["Status"]["StatusCode"] = PipelineRunCode.RUNNING
    with store.transaction():
        _save(store, workspace_id, run, OPEN)
        run_records.set_status(store, workspace_id, run["Id"], RunStatus.RUNNING)


def finish(store: Store, workspace_id: str, run: Document, status: RunStatus, message: str | None) -> None:
    """Move a run to a final status. message: why not all of its steps succeeded."""
    failure = Failure("UserError", message or "") if status == RunStatus.FAILED else None
    with store.transaction():
        _close(store, workspace_id, run, status, message)
        run_records.set_status(store, workspace_id, run["Id"], status, failure)


def fail_cut_off(store: Store, workspace_id: str, run: Document, message: str) -> None:
    """Fail a run, its steps and its child runs that were in progress when their server died."""
    with store.transaction():
        nodes.fail_running(store, workspace_id, run["Id"], message)
        _close(store, workspace_id, run, RunStatus.FAILED, message)
        run_records.fail_family(store, workspace_id, run["Id"], Failure("ServiceError", message))


def close_broken(store: Store, workspace_id: str, run: Document, message: str) -> None:
    """End a run whose document or steps cannot be read any more, as far as they can."""
    run["Status"] = {"CreationTime": None}
    with store.transaction():
        _close(store, workspace_id, run, RunStatus.FAILED, message)
        run_records.fail_broken(store, workspace_id, run["Id"], Failure("ServiceError", message))


def _close(store: Store, workspace_id: str, run: Document, status: RunStatus, message: str | None) -> None:
    code = PIPELINE_RUN_CODES[status]
    run["Status"] |= {"StatusCode": code, "StatusDetail": message, "EndTime": timestamp()}
    run["HasErrors"] = status == RunStatus.FAILED
    _save(store, workspace_id, run, CLOSED)
