"""Published pipelines, and their submission by the SDK or by a plain POST.

SDK callers: `Pipeline.publish`, `PublishedPipeline`.
"""

from __future__ import annotations

from local_azure.machine_learning.domain.access.addresses import Addresses
from local_azure.machine_learning.domain.pipelines import published
from local_azure.machine_learning.domain.pipelines.entities import EntityStatus, active
from local_azure.machine_learning.engines.steps.executor import Executor
from local_azure.machine_learning.http.call import Call
from local_azure.machine_learning.http.routing import Plane
from local_azure.machine_learning.http.shapes import WORD
from local_azure.machine_learning.planes.pipelines.forms import PIPELINE, SUBMISSION
from local_azure.machine_learning.planes.pipelines.runs import submit
from local_azure.machine_learning.storage.store import Document, Store

PLANE = Plane("Pipelines: published pipelines and endpoints")
_BASE = "/pipelines/v1.0{W}"


def with_url(call: Call, addresses: Addresses, document: Document, route: str = "PipelineSubmit") -> Document:
    """A published pipeline or an endpoint with the address to which a run of it is posted."""
    base = f"{addresses.http}/pipelines/v1.0{call.workspace.arm_id}/PipelineRuns"
    return {**document, "Url": f"{base}/{route}/{document['Id']}"}


@PLANE.route("POST", _BASE + "/Pipelines/Create", body=PIPELINE)
def create_pipeline(call: Call, store: Store, addresses: Addresses) -> Document:
    """Publish a graph."""
    return with_url(call, addresses, published.publish(store, call.ws, call.document()))


@PLANE.route("GET", _BASE + "/Pipelines")
def list_pipelines(call: Call, store: Store, addresses: Addresses) -> list[Document]:
    """Published pipelines, newest first; active ones unless asked otherwise."""
    found = published.newest_first(store, call.ws)
    if call.flag("activeOnly", default=True):
        found = active(found)
    return [with_url(call, addresses, document) for document in found]


@PLANE.route("GET", _BASE + "/Pipelines/{pipeline_id}")
def get_pipeline(call: Call, store: Store, addresses: Addresses, *, pipeline_id: str) -> Document:
    """One published pipeline."""
    return with_url(call, addresses, published.require(store, call.ws, pipeline_id))


@PLANE.route("PUT", _BASE + "/Pipelines/{pipeline_id}/status", body=WORD)
def set_pipeline_status(call: Call, store: Store, *, pipeline_id: str) -> None:
    """`enable` and `disable`; the body is a JSON string."""
    published.set_status(store, call.ws, pipeline_id, EntityStatus.parse(call.body))


def submit_pipeline(call: Call, store: Store, executor: Executor, pipeline_id: str) -> Document:
    """Start a run of a published pipeline with the values in the body, if there is one."""
    run = published.new_run(store, call.ws, pipeline_id, call.body or {})
    submit(call, store, executor, run)
    return run


@PLANE.route("POST", _BASE + "/PipelineRuns/PipelineSubmit/{pipeline_id}", body=SUBMISSION)
def submit_published(call: Call, store: Store, executor: Executor, *, pipeline_id: str) -> Document:
    """A submission by the SDK, or anybody's own POST; every key of the body may be missing."""
    return submit_pipeline(call, store, executor, pipeline_id)
