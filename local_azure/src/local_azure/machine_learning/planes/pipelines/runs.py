"""Pipeline runs: creation, submission, status of run and nodes, logs, outputs, cancel.

The same run lives in two planes: here with status codes ("3" Finished), in the run history with words ("Completed").
The executor writes both. SDK callers: `PipelineRun`, `StepRun`, `Experiment.submit(pipeline)`.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from starlette.responses import JSONResponse, PlainTextResponse

from local_azure.machine_learning.clock import timestamp
from local_azure.machine_learning.errors import bad_request
from local_azure.machine_learning.http.call import Call
from local_azure.machine_learning.http.routing import Plane
from local_azure.machine_learning.planes.data.artifacts import run_container
from local_azure.machine_learning.planes.pipelines.modules import GRAPH, P, entity, save_graph
from local_azure.machine_learning.planes.runs import history
from local_azure.machine_learning.storage.files import BlobFiles
from local_azure.machine_learning.storage.store import Document, Store

if TYPE_CHECKING:
    from local_azure.machine_learning.domain.workspaces import Workspace
    from local_azure.machine_learning.engines.steps import Executor

PLANE = Plane("Pipelines: runs")
PIPELINE_RUN, NODE = "pipeline_run", "node"
RUN_NOT_STARTED, RUN_RUNNING, RUN_FAILED, RUN_FINISHED, RUN_CANCELED = "0", "1", "2", "3", "4"
# `parent` column of a pipeline run: those the executor still has to look after can be found without reading all.
OPEN, CLOSED = "open", "closed"
DRIVER_LOG = "azureml-logs/70_driver_log.txt"
_LOGS = {"STDOUT": DRIVER_LOG, "JOBLOG": DRIVER_LOG, "STDERR": "azureml-logs/stderr.txt"}


def new_pipeline_run(
    store: Store, workspace_id: str, graph_id: str, experiment: str, asked: Document, **more: Any
) -> Document:
    """An unsubmitted run of a stored graph.

    asked: CreationInfo of a submission, or the body of a REST submission. Values are kept as text, as the service
    does; what the graph has no parameter for is left out, and `record` warns of it. Microsoft's notebook about
    versioned endpoints submits such values, so the service takes them.
    """
    stored = store.require(workspace_id, GRAPH, graph_id)
    interface, graph = stored["interface"], stored["graph"]
    defaults = {p["Name"]: p.get("DefaultValue") for p in interface.get("Parameters") or []}
    assigned = asked.get("ParameterAssignments") or {}
    values = {
        name: None if value is None else str(value)
        for name, value in {**defaults, **assigned}.items()
        if name in defaults
    }
    return {
        **entity(),
        "Description": asked.get("Description"),
        "Status": {"StatusCode": RUN_NOT_STARTED, "StatusDetail": None, "CreationTime": timestamp(), "EndTime": None},
        "GraphId": graph_id,
        "IsSubmitted": False,
        "HasErrors": False,
        "HasWarnings": False,
        "UploadState": "1",
        "ParameterAssignments": values,
        "DataPathAssignments": asked.get("DataPathAssignments") or {},
        "DataSetDefinitionValueAssignments": asked.get("DataSetDefinitionValueAssignments") or {},
        "RunHistoryExperimentName": experiment,
        "PipelineId": None,
        "RunSource": asked.get("RunSource") or "Unavailable",
        "RunType": asked.get("RunType") or "HTTP",
        "UnknownParameters": sorted(set(assigned) - set(defaults)),
        "TotalRunSteps": len(graph.get("ModuleNodes") or []),
        "ScheduleId": asked.get("ScheduleId"),
        "tags": asked.get("tags") or asked.get("Tags") or {},
        "Properties": asked.get("Properties") or {},
        "ContinueRunOnStepFailure": bool(
            asked.get("ContinueRunOnStepFailure") or asked.get("ContinueExperimentOnNodeFailure")
        ),
        **more,
    }


def _unknown_parameters(run: Document) -> list[str]:
    known = ", ".join(sorted(run["ParameterAssignments"])) or "none"
    return [
        f"The pipeline has no parameter '{name}'; its value is not used. The pipeline's parameters: {known}."
        for name in run.get("UnknownParameters") or []
    ]


def record(store: Store, workspace: Workspace, run: Document, parent_run_id: str | None = None) -> None:
    """Make a run known to the run history as submitted; the executor takes it up now, or after a restart."""
    run["IsSubmitted"] = True
    properties = {
        **run["Properties"],
        "azureml.runsource": "azureml.PipelineRun",
        "runSource": run["RunSource"],
        "runType": run["RunType"],
        "azureml.parameters": json.dumps(run["ParameterAssignments"]),
        **({"azureml.pipelineid": run["PipelineId"]} if run["PipelineId"] else {}),
    }
    with store.transaction():
        store.put(workspace.id, PIPELINE_RUN, run["Id"], run, name=run["PipelineId"] or "", parent=OPEN)
        history.create_run(
            store,
            workspace,
            run["Id"],
            run["RunHistoryExperimentName"],
            run_type="azureml.PipelineRun",
            parent=parent_run_id,
            name=run["Description"],
            tags=run["tags"],
            properties=properties,
        )
        history.warn(store, workspace, run["Id"], _unknown_parameters(run))


def submit(call: Call, store: Store, executor: Executor, run: Document, parent_run_id: str | None) -> None:
    """Record a run and hand it to the executor; durable before this returns."""
    record(store, call.workspace, run, parent_run_id)
    executor.submit(call.workspace, run["Id"])


@PLANE.route("POST", P + "/PipelineRuns/Unsubmitted/CreationInfoWithGraph")
def create(call: Call, store: Store) -> Document:
    """First half of `Experiment.submit(pipeline)`."""
    posted = call.document()
    info = posted["CreationInfo"]
    graph_id = save_graph(store, call.ws, posted["Graph"], posted.get("GraphInterface"))
    experiment = call.query.get("experimentName") or info.get("RunHistoryExperimentName")
    if not experiment:
        raise bad_request("A pipeline run needs an experiment name.")
    run = new_pipeline_run(store, call.ws, graph_id, experiment, info)
    store.insert(call.ws, PIPELINE_RUN, run["Id"], run, parent=CLOSED)
    return run


@PLANE.route("POST", P + "/PipelineRuns/Submit/{run_id}")
def submit_created(call: Call, store: Store, executor: Executor, *, run_id: str) -> None:
    """Second half of `Experiment.submit(pipeline)`."""
    run = store.require(call.ws, PIPELINE_RUN, run_id, "Pipeline run")
    if run["IsSubmitted"]:
        raise bad_request(f"Pipeline run '{run_id}' has been submitted already.")
    submit(call, store, executor, run, call.query.get("parentRunId"))


@PLANE.route("GET", P + "/PipelineRuns/{run_id}")
def get(call: Call, store: Store, *, run_id: str) -> Document:
    """One pipeline run; the client asks every second."""
    return store.require(call.ws, PIPELINE_RUN, run_id, "Pipeline run")


@PLANE.route("DELETE", P + "/PipelineRuns/{run_id}/Execution")
def cancel(call: Call, store: Store, executor: Executor, *, run_id: str) -> None:
    """Stop a run: `run.cancel()`, also from inside a step."""
    store.require(call.ws, PIPELINE_RUN, run_id, "Pipeline run")
    executor.cancel(run_id)


@PLANE.route("GET", P + "/PipelineRuns/Pipeline/{pipeline_id}")
def runs_of_pipeline(call: Call, store: Store, *, pipeline_id: str) -> list[Document]:
    """Runs of a published pipeline, newest first."""
    return store.find(call.ws, PIPELINE_RUN, name=pipeline_id, newest_first=True)


def _node(call: Call, store: Store, run_id: str) -> Document | None:
    path = call.body
    if not isinstance(path, list) or not path or not isinstance(path[-1], str):
        raise bad_request("The body must be the path of a node: a list with its id.")
    return store.get(call.ws, NODE, f"{run_id}/{path[-1]}")


def _task_status(node: Document | None) -> Document:
    node = node or {"StatusCode": "0"}
    names = (
        "StatusCode",
        "StatusDetail",
        "CreationTime",
        "ScheduleTime",
        "StartTime",
        "EndTime",
        "RunId",
        "ReuseInfo",
    )
    return {name: node.get(name) for name in names}


@PLANE.route("POST", P + "/PipelineRuns/{run_id}/Graph/Node/StatusCode")
def node_status_code(call: Call, store: Store, *, run_id: str) -> JSONResponse:
    """Status code of one node as a JSON string."""
    node = _node(call, store, run_id)
    return JSONResponse(node["StatusCode"] if node else "0")


@PLANE.route("POST", P + "/PipelineRuns/{run_id}/Graph/Node/Status", evidence="sdk-source")
def node_status(call: Call, store: Store, *, run_id: str) -> Document:
    """Status of one node."""
    return _task_status(_node(call, store, run_id))


def _nodes(call: Call, store: Store, run_id: str) -> dict[str, Document]:
    return {node["NodeId"]: node for node in store.find(call.ws, NODE, parent=run_id)}


@PLANE.route("POST", P + "/PipelineRuns/{run_id}/Graph/AllNodes/Status", evidence="sdk-source")
def all_node_statuses(call: Call, store: Store, *, run_id: str) -> dict[str, Document]:
    """Status of every started node."""
    return {key: _task_status(node) for key, node in _nodes(call, store, run_id).items()}


@PLANE.route("POST", P + "/PipelineRuns/{run_id}/Graph/AllNodes/StatusCode", evidence="sdk-source")
def all_node_status_codes(call: Call, store: Store, *, run_id: str) -> dict[str, str]:
    """Status code of every started node."""
    return {key: node["StatusCode"] for key, node in _nodes(call, store, run_id).items()}


@PLANE.route("POST", P + "/PipelineRuns/{run_id}/Graph/Shareable/{kind}")
def node_log(call: Call, store: Store, files: BlobFiles, *, run_id: str, kind: str) -> PlainTextResponse:
    """A step's log as text; empty before it has one."""
    node = _node(call, store, run_id)
    if node is None or kind.upper() not in _LOGS:
        return PlainTextResponse("")
    run = store.require(call.ws, "run", node["RunId"], "Run")
    name = f"ExperimentRun/{run_container(run)}/{_LOGS[kind.upper()]}"
    path = files.path(call.workspace.artifact_container, name)
    return PlainTextResponse(path.read_text(encoding="utf-8", errors="replace") if path.is_file() else "")


@PLANE.route("POST", P + "/PipelineRuns/{run_id}/Outputs")
def node_outputs(call: Call, store: Store, *, run_id: str) -> dict[str, Document]:
    """Where a node's outputs lie, by port."""
    node = _node(call, store, run_id)
    outputs: dict[str, Document] = (node or {}).get("Outputs", {})
    return {
        port: {
            "DataTypeId": "AnyDirectory",
            "LogicalSizeInBytes": 0,
            "PhysicalSizeInBytes": 0,
            "Hash": None,
            "DataLocation": {
                "StorageType": "1",
                "DataReference": {
                    "Type": "1",
                    "AzureBlobReference": {"AmlDataStoreName": place["datastore"], "RelativePath": place["path"]},
                },
            },
        }
        for port, place in outputs.items()
    }
