"""Published pipelines in the store, and the runs that are made of them."""

from __future__ import annotations

from local_azure.machine_learning.domain.pipelines import graphs
from local_azure.machine_learning.domain.pipelines.entities import EntityStatus, is_active, new_entity
from local_azure.machine_learning.domain.pipelines.pipeline_runs import new_pipeline_run
from local_azure.machine_learning.errors import bad_request
from local_azure.machine_learning.storage.store import Document, Store

KIND = "pipeline"
_ASSIGNMENTS = ("ParameterAssignments", "DataPathAssignments", "DataSetDefinitionValueAssignments")


def publish(store: Store, workspace_id: str, posted: Document) -> Document:
    """Keep a graph as a published pipeline."""
    interface = posted.get("GraphInterface") or {}
    graph_id = graphs.save(store, workspace_id, posted["Graph"], interface)
    defaults = graphs.as_texts(graphs.defaults(interface))
    document = {
        **new_entity(),
        "Name": posted["Name"],
        "Description": posted.get("Description"),
        "Version": posted.get("Version"),
        "GraphId": graph_id,
        "TotalRunSteps": graphs.number_of_steps(posted["Graph"]),
        "ParameterAssignments": {**defaults, **(posted.get("ParameterAssignments") or {})},
        "DataPathAssignments": posted.get("DataPathAssignments") or {},
        "DataSetDefinitionValueAssignments": posted.get("DataSetDefinitionValueAssignments") or {},
        "ContinueRunOnStepFailure": posted.get("ContinueRunOnStepFailure"),
        "Properties": posted.get("Properties") or {},
        "EnableNotification": posted.get("EnableNotification"),
    }
    store.insert(workspace_id, KIND, document["Id"], document, name=document["Name"])
    return document


def require(store: Store, workspace_id: str, pipeline_id: str) -> Document:
    """Return a published pipeline; raises a 404."""
    return store.require(workspace_id, KIND, pipeline_id, "Published pipeline")


def newest_first(store: Store, workspace_id: str) -> list[Document]:
    """Return all published pipelines, newest first."""
    return store.find(workspace_id, KIND, newest_first=True)


def set_status(store: Store, workspace_id: str, pipeline_id: str, status: EntityStatus) -> None:
    """Enable or disable a published pipeline; raises a 404."""
    store.update(workspace_id, KIND, pipeline_id, lambda document: document.update(EntityStatus=status))


def new_run(store: Store, workspace_id: str, pipeline_id: str, asked: Document) -> Document:
    """Make an unsubmitted run of a published pipeline; raises a 400 when the pipeline is disabled.

    asked: the body of a submission; every key may be missing.
    """
    pipeline = require(store, workspace_id, pipeline_id)
    if not is_active(pipeline):
        raise bad_request(f"Published pipeline '{pipeline['Name']}' ({pipeline_id}) is disabled; enable it first.")
    asked = {
        "ContinueRunOnStepFailure": pipeline["ContinueRunOnStepFailure"],
        **{key: value for key, value in asked.items() if value is not None},
    }
    for key in _ASSIGNMENTS:
        asked[key] = {**pipeline[key], **(asked.get(key) or {})}
    experiment = asked.get("ExperimentName") or pipeline["Name"]
    return new_pipeline_run(store, workspace_id, pipeline["GraphId"], experiment, asked, pipeline_id=pipeline_id)
