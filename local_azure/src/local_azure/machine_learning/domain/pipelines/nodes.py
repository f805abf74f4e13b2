"""Nodes: one step of one pipeline run, as the pipelines plane shows it."""

from __future__ import annotations

from local_azure.machine_learning.clock import timestamp
from local_azure.machine_learning.domain.access.addresses import Addresses
from local_azure.machine_learning.domain.pipelines.plan import Step
from local_azure.machine_learning.domain.runs import run_records
from local_azure.machine_learning.domain.runs.run_documents import Failure, cancel_address
from local_azure.machine_learning.domain.runs.statuses import NODE_CODES, NodeCode, RunStatus
from local_azure.machine_learning.domain.workspace.workspaces import Workspace
from local_azure.machine_learning.storage.store import Document, Store

KIND = "node"
_STATUS_KEYS = (
    "StatusCode", "StatusDetail", "CreationTime", "ScheduleTime", "StartTime", "EndTime", "RunId", "ReuseInfo",
)  # fmt: skip


# What a step that runs is to the run history; one that is reused has less (`reuse`).
_RUN_TYPE = {
    "orchestrator": "Execution",
    "traits": ["azureml.StepRun", "scriptRun", "remote", "AlmostCommonRuntime", "OsType:Linux", "CommonRuntime"],
    "attribution": "Aether",
    "computeType": "AmlcTrain",
}


def _run_of_step(pipeline_run_id: str, step: Step) -> Document:
    """Return what the run history holds of a step that runs. Source: recorded run documents of the service."""
    target = step.parameters.get("Target")
    return {
        "parentRunId": pipeline_run_id,
        "runType": "azureml.StepRun",
        "name": step.name,
        "tags": {"azureml.nodeid": step.node_id, "azureml.pipeline": pipeline_run_id},
        "properties": {
            "azureml.runsource": "azureml.StepRun",
            "azureml.nodeid": step.node_id,
            "azureml.pipelinerunid": pipeline_run_id,
            "StepType": step.module.get("StepType") or "PythonScriptStep",
            "ContentSnapshotId": step.module["StorageId"],
            "azureml.moduleid": step.module["Id"],
            "azureml.moduleName": step.name,
            "azureml.moduleVersion": "1",
            "azureml.pipeline": pipeline_run_id,
            "azureml.rootpipelinerunid": pipeline_run_id,
            "azureml.pipelineComponent": "masterescloud",
            "ComputeTargetType": "AmlCompute",
            "_azureml.ComputeTargetType": "amlctrain",
            **({"_azureml.ClusterName": target} if target else {}),
        },
        "target": target,
        "runTypeV2": _RUN_TYPE,
        "compute": {
            **dict.fromkeys(("vmSize", "instanceType", "priority", "region", "armId", "properties")),
            "target": target,
            "targetType": "amlcompute",
            "instanceCount": 1,
            "gpuCount": 0,
        },
        "computeRequest": {"nodeCount": 1, "gpuCount": 0},
        "diagnosticsUri": "",
    }


def start(
    store: Store, workspace: Workspace, addresses: Addresses, pipeline_run: Document, step: Step, *, run_id: str
) -> Document:
    """Insert the run of a step into the run history, and its node, which is returned."""
    experiment, pipeline_run_id = pipeline_run["RunHistoryExperimentName"], pipeline_run["Id"]
    given = _run_of_step(pipeline_run_id, step) | {
        "cancelUri": cancel_address(addresses, workspace, experiment, run_id)
    }
    now = timestamp()
    node: Document = {
        "NodeId": step.node_id,
        "Name": step.name,
        "RunId": run_id,
        "StatusCode": NodeCode.RUNNING,
        "CreationTime": now,
        "ScheduleTime": now,
        "StartTime": now,
        "EndTime": None,
        "ReuseInfo": None,
        "Outputs": {},
    }
    with store.transaction():
        run_records.create_named(store, workspace.id, run_id, experiment, given)
        save(store, workspace.id, pipeline_run_id, node)
    return node


def finish(
    store: Store,
    workspace_id: str,
    pipeline_run_id: str,
    node: Document,
    status: RunStatus,
    *,
    failure: Failure | None,
) -> None:
    """Move a node and its run to a final status. failure: why the step did not succeed, also when it was canceled."""
    node |= {
        "StatusCode": NODE_CODES[status],
        "EndTime": timestamp(),
        "StatusDetail": failure.message if failure else None,
    }
    with store.transaction():
        reason = failure if status == RunStatus.FAILED else None
        run_records.set_status(store, workspace_id, node["RunId"], status, reason)
        save(store, workspace_id, pipeline_run_id, node)


def save(store: Store, workspace_id: str, pipeline_run_id: str, node: Document) -> None:
    """Write a node of a pipeline run."""
    store.put(workspace_id, KIND, f"{pipeline_run_id}/{node['NodeId']}", node, parent=pipeline_run_id)


def get(store: Store, workspace_id: str, pipeline_run_id: str, node_id: str) -> Document | None:
    """Return a node, None before it was started."""
    return store.get(workspace_id, KIND, f"{pipeline_run_id}/{node_id}")


def outputs(store: Store, workspace_id: str, pipeline_run_id: str, node_id: str) -> dict[str, Document]:
    """Return the locations of a node's outputs by port, {"datastore", "path"}; raises a 404."""
    node = store.require(workspace_id, KIND, f"{pipeline_run_id}/{node_id}", "Step")
    locations: dict[str, Document] = node["Outputs"]
    return locations


def of_run(store: Store, workspace_id: str, pipeline_run_id: str) -> list[Document]:
    """Return the started nodes of a pipeline run."""
    return store.find(workspace_id, KIND, parent=pipeline_run_id)


def status_code(node: Document | None) -> str:
    """Return the status code of a node that may not have been started."""
    return str(node["StatusCode"]) if node else NodeCode.NOT_STARTED


def status_of(node: Document | None) -> Document:
    """Return the TaskStatus of a node that may not have been started."""
    shown = node or {"StatusCode": NodeCode.NOT_STARTED}
    return {key: shown.get(key) for key in _STATUS_KEYS}


def fail_running(store: Store, workspace_id: str, pipeline_run_id: str, message: str) -> None:
    """Fail the nodes of a pipeline run that have not ended."""
    for node in of_run(store, workspace_id, pipeline_run_id):
        if node["StatusCode"] == NodeCode.RUNNING:
            node |= {"StatusCode": NodeCode.FAILED, "EndTime": timestamp(), "StatusDetail": message}
            save(store, workspace_id, pipeline_run_id, node)
