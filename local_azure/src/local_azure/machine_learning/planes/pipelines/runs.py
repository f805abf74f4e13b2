"""Pipeline runs: creation, submission, status of run and nodes, logs, outputs, cancel.

SDK callers: `PipelineRun`, `StepRun`, `Experiment.submit(pipeline)`.
"""

from __future__ import annotations

from starlette.responses import JSONResponse, PlainTextResponse

from local_azure.machine_learning.domain.pipelines import graphs, nodes, pipeline_runs
from local_azure.machine_learning.domain.pipelines.modules import data_location
from local_azure.machine_learning.domain.runs import run_records
from local_azure.machine_learning.domain.runs.run_files import DRIVER_LOG, artifact_file
from local_azure.machine_learning.engines.steps.executor import Executor
from local_azure.machine_learning.errors import bad_request
from local_azure.machine_learning.http.call import Call
from local_azure.machine_learning.http.routing import Plane
from local_azure.machine_learning.http.shapes import TEXT, Items, Record
from local_azure.machine_learning.planes.pipelines.forms import ASSIGNMENTS, GRAPH, INTERFACE
from local_azure.machine_learning.storage.files import BlobFiles
from local_azure.machine_learning.storage.store import Document, Store

PLANE = Plane("Pipelines: runs")
_BASE = "/pipelines/v1.0{W}"
_INFO = Record({**ASSIGNMENTS, "RunHistoryExperimentName": TEXT})
_CREATION = Record({"CreationInfo": _INFO, "Graph": GRAPH, "GraphInterface": INTERFACE}, ("CreationInfo", "Graph"))
_NODE = Items(TEXT)
_LOGS = {"STDOUT": DRIVER_LOG, "JOBLOG": DRIVER_LOG, "STDERR": "azureml-logs/stderr.txt"}


def submit(call: Call, store: Store, executor: Executor, run: Document) -> None:
    """Record a run and hand it to the executor; durable before this returns."""
    pipeline_runs.record(store, call.ws, run, call.query.get("parentRunId"))
    executor.submit(call.workspace, run["Id"])


@PLANE.route("POST", _BASE + "/PipelineRuns/Unsubmitted/CreationInfoWithGraph", body=_CREATION)
def create(call: Call, store: Store) -> Document:
    """First half of `Experiment.submit(pipeline)`."""
    posted = call.document()
    info = posted["CreationInfo"]
    graph_id = graphs.save(store, call.ws, posted["Graph"], posted.get("GraphInterface"))
    experiment = call.query.get("experimentName") or info.get("RunHistoryExperimentName")
    if not experiment:
        raise bad_request("A pipeline run needs an experiment name.")
    run = pipeline_runs.new_pipeline_run(store, call.ws, graph_id, experiment, info)
    pipeline_runs.save_unsubmitted(store, call.ws, run)
    return run


@PLANE.route("POST", _BASE + "/PipelineRuns/Submit/{run_id}")
def submit_created(call: Call, store: Store, executor: Executor, *, run_id: str) -> None:
    """Second half of `Experiment.submit(pipeline)`."""
    run = pipeline_runs.require(store, call.ws, run_id)
    if run["IsSubmitted"]:
        raise bad_request(f"Pipeline run '{run_id}' has been submitted already.")
    submit(call, store, executor, run)


@PLANE.route("GET", _BASE + "/PipelineRuns/{run_id}")
def get(call: Call, store: Store, *, run_id: str) -> Document:
    """One pipeline run; the client polls it every second."""
    return pipeline_runs.require(store, call.ws, run_id)


@PLANE.route("DELETE", _BASE + "/PipelineRuns/{run_id}/Execution")
def cancel(call: Call, store: Store, executor: Executor, *, run_id: str) -> None:
    """Stop a run: `run.cancel()`, also from inside a step."""
    pipeline_runs.require(store, call.ws, run_id)
    executor.cancel(run_id)


@PLANE.route("GET", _BASE + "/PipelineRuns/Pipeline/{pipeline_id}")
def runs_of_pipeline(call: Call, store: Store, *, pipeline_id: str) -> list[Document]:
    """Runs of a published pipeline, newest first."""
    return pipeline_runs.of_pipeline(store, call.ws, pipeline_id)


def _node(call: Call, store: Store, run_id: str) -> Document | None:
    path = call.body
    if not isinstance(path, list) or not path or not isinstance(path[-1], str):
        raise bad_request("The body must be the path of a node: a list with its id.")
    return nodes.get(store, call.ws, run_id, path[-1])


@PLANE.route("POST", _BASE + "/PipelineRuns/{run_id}/Graph/Node/StatusCode", body=_NODE)
def node_status_code(call: Call, store: Store, *, run_id: str) -> JSONResponse:
    """Status code of one node as a JSON string."""
    return JSONResponse(nodes.status_code(_node(call, store, run_id)))


@PLANE.route("POST", _BASE + "/PipelineRuns/{run_id}/Graph/Node/Status", evidence="sdk-source", body=_NODE)
def node_status(call: Call, store: Store, *, run_id: str) -> Document:
    """Status of one node."""
    return nodes.status_of(_node(call, store, run_id))


@PLANE.route("POST", _BASE + "/PipelineRuns/{run_id}/Graph/AllNodes/Status", evidence="sdk-source")
def all_node_statuses(call: Call, store: Store, *, run_id: str) -> dict[str, Document]:
    """Status of every started node."""
    return {node["NodeId"]: nodes.status_of(node) for node in nodes.of_run(store, call.ws, run_id)}


@PLANE.route("POST", _BASE + "/PipelineRuns/{run_id}/Graph/AllNodes/StatusCode", evidence="sdk-source")
def all_node_status_codes(call: Call, store: Store, *, run_id: str) -> dict[str, str]:
    """Status code of every started node."""
    return {node["NodeId"]: nodes.status_code(node) for node in nodes.of_run(store, call.ws, run_id)}


@PLANE.route("POST", _BASE + "/PipelineRuns/{run_id}/Graph/Shareable/{kind}", body=_NODE)
def node_log(call: Call, store: Store, files: BlobFiles, *, run_id: str, kind: str) -> PlainTextResponse:
    """A step's log as text; empty before it has one."""
    node = _node(call, store, run_id)
    if node is None or kind.upper() not in _LOGS:
        return PlainTextResponse("")
    run = run_records.require(store, call.ws, node["RunId"])
    path = artifact_file(files, call.workspace, run, _LOGS[kind.upper()])
    return PlainTextResponse(path.read_text(encoding="utf-8", errors="replace") if path.is_file() else "")


@PLANE.route("POST", _BASE + "/PipelineRuns/{run_id}/Outputs", body=_NODE)
def node_outputs(call: Call, store: Store, *, run_id: str) -> dict[str, Document]:
    """Where a node's outputs are, by port."""
    node = _node(call, store, run_id)
    outputs: dict[str, Document] = (node or {}).get("Outputs", {})
    return {port: _output(location) for port, location in outputs.items()}


def _output(location: Document) -> Document:
    return {
        "DataTypeId": "AnyDirectory",
        "LogicalSizeInBytes": 0,
        "PhysicalSizeInBytes": 0,
        "Hash": None,
        "DataLocation": data_location({"AmlDataStoreName": location["datastore"], "RelativePath": location["path"]}),
    }
