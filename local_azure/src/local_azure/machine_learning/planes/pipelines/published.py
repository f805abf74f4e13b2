"""Published pipelines, pipeline endpoints, and their submission by the SDK or by a plain POST.

SDK callers: `Pipeline.publish`, `PublishedPipeline`, `PipelineEndpoint`.
"""

from __future__ import annotations

from local_azure.machine_learning.domain.access.addresses import Addresses
from local_azure.machine_learning.domain.pipelines import endpoints, published
from local_azure.machine_learning.domain.pipelines.entities import EntityStatus, active
from local_azure.machine_learning.engines.steps.executor import Executor
from local_azure.machine_learning.http.call import Call
from local_azure.machine_learning.http.routing import Plane
from local_azure.machine_learning.http.shapes import WORD
from local_azure.machine_learning.planes.pipelines.forms import ENDPOINT, NEW_ENDPOINT, PIPELINE, SUBMISSION
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
    return [
        with_url(call, addresses, document) for document in _asked_for(call, published.newest_first(store, call.ws))
    ]


def _asked_for(call: Call, documents: list[Document]) -> list[Document]:
    """The active ones, unless the client asks for all."""
    return active(documents) if call.flag("activeOnly", default=True) else documents


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


def _view(call: Call, addresses: Addresses, document: Document) -> Document:
    return with_url(call, addresses, document, "PipelineEndpointSubmit/Id")


@PLANE.route("POST", _BASE + "/PipelineEndpoints/Create", body=NEW_ENDPOINT)
def create_endpoint(call: Call, store: Store, addresses: Addresses) -> Document:
    """Put a published pipeline behind a name."""
    return _view(call, addresses, endpoints.create(store, call.ws, call.document()))


@PLANE.route("GET", _BASE + "/PipelineEndpoints/Name")
def endpoint_by_name(call: Call, store: Store, addresses: Addresses) -> Document:
    """One endpoint, by its name."""
    return _view(call, addresses, _named_endpoint(call, store))


def _named_endpoint(call: Call, store: Store) -> Document:
    return endpoints.named(store, call.ws, call.query.get("Name") or call.query.get("name") or "")


@PLANE.route("GET", _BASE + "/PipelineEndpoints")
def list_endpoints(call: Call, store: Store, addresses: Addresses) -> list[Document]:
    """Endpoints, newest first; active ones unless asked otherwise."""
    return [_view(call, addresses, document) for document in _asked_for(call, endpoints.newest_first(store, call.ws))]


@PLANE.route("GET", _BASE + "/PipelineEndpoints/Id/{endpoint_id}")
def get_endpoint(call: Call, store: Store, addresses: Addresses, *, endpoint_id: str) -> Document:
    """One endpoint, by its id."""
    return _view(call, addresses, endpoints.require(store, call.ws, endpoint_id))


@PLANE.route("GET", _BASE + "/PipelineEndpoints/{endpoint_id}/pipelines")
def pipelines_of_endpoint(call: Call, store: Store, addresses: Addresses, *, endpoint_id: str) -> list[Document]:
    """The published pipelines behind an endpoint, in the order of its versions."""
    versions = endpoints.require(store, call.ws, endpoint_id)["PipelineVersionList"]
    found = [published.require(store, call.ws, version["PipelineId"]) for version in versions]
    return [with_url(call, addresses, document) for document in found]


@PLANE.route("PUT", _BASE + "/PipelineEndpoints/{endpoint_id}", body=ENDPOINT)
def update_endpoint(call: Call, store: Store, addresses: Addresses, *, endpoint_id: str) -> Document:
    """`add`, `add_default`, `set_default_version`, `enable`, `disable`: the client sends the whole endpoint."""
    return _view(call, addresses, endpoints.replace(store, call.ws, endpoint_id, call.document()))


@PLANE.route("POST", _BASE + "/PipelineRuns/PipelineEndpointSubmit/Id/{endpoint_id}/{version}", body=SUBMISSION)
@PLANE.route("POST", _BASE + "/PipelineRuns/PipelineEndpointSubmit/Id/{endpoint_id}", body=SUBMISSION)
def submit_endpoint(call: Call, store: Store, executor: Executor, *, endpoint_id: str, version: str = "") -> Document:
    """Start a run of an endpoint's default version, or of the one asked for (in the path or the query)."""
    version = version or call.query.get("pipelineVersion", "")
    pipeline_id = endpoints.pipeline_of(store, call.ws, endpoint_id, version)
    return submit_pipeline(call, store, executor, pipeline_id)


@PLANE.route("POST", _BASE + "/PipelineRuns/PipelineEndpointSubmit/Name", evidence="assumed", body=SUBMISSION)
def submit_named_endpoint(call: Call, store: Store, executor: Executor) -> Document:
    """The same by the endpoint's name; not the SDK's: Microsoft's notebook about versioned endpoints posts here."""
    return submit_endpoint(call, store, executor, endpoint_id=_named_endpoint(call, store)["Id"])
