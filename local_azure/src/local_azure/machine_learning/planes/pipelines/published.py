"""Published pipelines and pipeline endpoints, and their submission by the SDK or by a plain POST.

SDK callers: `Pipeline.publish`, `PublishedPipeline`, `PipelineEndpoint`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from local_azure.machine_learning.domain.access.addresses import Addresses
from local_azure.machine_learning.errors import bad_request, conflict, not_found
from local_azure.machine_learning.http.call import Call
from local_azure.machine_learning.http.routing import Plane
from local_azure.machine_learning.planes.pipelines.modules import ACTIVE, P, entity, save_graph
from local_azure.machine_learning.planes.pipelines.runs import new_pipeline_run, submit
from local_azure.machine_learning.storage.store import Document, Store

if TYPE_CHECKING:
    from local_azure.machine_learning.engines.steps import Executor

PLANE = Plane("Pipelines: published pipelines and endpoints")
PIPELINE, ENDPOINT = "pipeline", "endpoint"
# The client sends words and reads digits.
STATUS_CODES = {"active": "0", "deprecated": "1", "disabled": "2"}


def status_code(word: object) -> str:
    """Digit of a status; raises a 400."""
    text = str(word).lower()
    if text in STATUS_CODES.values():
        return text
    if text not in STATUS_CODES:
        raise bad_request(f"'{word}' is not a status; use Active, Deprecated or Disabled.")
    return STATUS_CODES[text]


def _with_url(call: Call, addresses: Addresses, document: Document, route: str) -> Document:
    base = f"{addresses.http}/pipelines/v1.0{call.workspace.arm_id}/PipelineRuns"
    return {**document, "Url": f"{base}/{route}/{document['Id']}"}


def _pipeline_view(call: Call, addresses: Addresses, document: Document) -> Document:
    return _with_url(call, addresses, document, "PipelineSubmit")


def _endpoint_view(call: Call, addresses: Addresses, document: Document) -> Document:
    return _with_url(call, addresses, document, "PipelineEndpointSubmit/Id")


def shown(call: Call, documents: list[Document]) -> list[Document]:
    """Those that a list asks for: `activeOnly` unless it says otherwise."""
    active_only = call.flag("activeOnly", default=True)
    return [d for d in documents if not active_only or d["EntityStatus"] == ACTIVE]


@PLANE.route("POST", P + "/Pipelines/Create")
def create_pipeline(call: Call, store: Store, addresses: Addresses) -> Document:
    """Publish a graph."""
    posted = call.document()
    graph_id = save_graph(store, call.ws, posted["Graph"], posted.get("GraphInterface"))
    parameters = (posted.get("GraphInterface") or {}).get("Parameters") or []
    defaults = {p["Name"]: None if p.get("DefaultValue") is None else str(p["DefaultValue"]) for p in parameters}
    document = {
        **entity(),
        "Name": posted["Name"],
        "Description": posted.get("Description"),
        "Version": posted.get("Version"),
        "GraphId": graph_id,
        "TotalRunSteps": len(posted["Graph"].get("ModuleNodes") or []),
        "ParameterAssignments": {**defaults, **(posted.get("ParameterAssignments") or {})},
        "DataPathAssignments": posted.get("DataPathAssignments") or {},
        "DataSetDefinitionValueAssignments": posted.get("DataSetDefinitionValueAssignments") or {},
        "ContinueRunOnStepFailure": posted.get("ContinueRunOnStepFailure"),
        "Properties": posted.get("Properties") or {},
        "EnableNotification": posted.get("EnableNotification"),
    }
    store.insert(call.ws, PIPELINE, document["Id"], document, name=document["Name"])
    return _pipeline_view(call, addresses, document)


@PLANE.route("GET", P + "/Pipelines")
def list_pipelines(call: Call, store: Store, addresses: Addresses) -> list[Document]:
    """Published pipelines, newest first."""
    found = store.find(call.ws, PIPELINE, newest_first=True)
    return [_pipeline_view(call, addresses, document) for document in shown(call, found)]


@PLANE.route("GET", P + "/Pipelines/{pipeline_id}")
def get_pipeline(call: Call, store: Store, addresses: Addresses, *, pipeline_id: str) -> Document:
    """One published pipeline."""
    return _pipeline_view(call, addresses, store.require(call.ws, PIPELINE, pipeline_id, "Published pipeline"))


@PLANE.route("PUT", P + "/Pipelines/{pipeline_id}/status")
def set_pipeline_status(call: Call, store: Store, *, pipeline_id: str) -> None:
    """`enable` and `disable`; the body is a JSON string."""
    code = status_code(call.body)
    store.update(call.ws, PIPELINE, pipeline_id, lambda document: document.update(EntityStatus=code))


def run_of_pipeline(store: Store, workspace_id: str, pipeline_id: str, asked: Document) -> Document:
    """A run of a published pipeline, not yet submitted; raises a 400 when the pipeline is disabled."""
    pipeline = store.require(workspace_id, PIPELINE, pipeline_id, "Published pipeline")
    if pipeline["EntityStatus"] != ACTIVE:
        raise bad_request(f"Published pipeline '{pipeline['Name']}' ({pipeline_id}) is disabled; enable it first.")
    asked = {
        "ContinueRunOnStepFailure": pipeline["ContinueRunOnStepFailure"],
        **{key: value for key, value in asked.items() if value is not None},
    }
    for key in ("ParameterAssignments", "DataPathAssignments", "DataSetDefinitionValueAssignments"):
        asked[key] = {**pipeline[key], **(asked.get(key) or {})}
    experiment = asked.get("ExperimentName") or pipeline["Name"]
    return new_pipeline_run(store, workspace_id, pipeline["GraphId"], experiment, asked, PipelineId=pipeline_id)


def _submit(call: Call, store: Store, executor: Executor, pipeline_id: str) -> Document:
    run = run_of_pipeline(store, call.ws, pipeline_id, call.body or {})
    submit(call, store, executor, run, call.query.get("parentRunId"))
    return run


@PLANE.route("POST", P + "/PipelineRuns/PipelineSubmit/{pipeline_id}")
def submit_published(call: Call, store: Store, executor: Executor, *, pipeline_id: str) -> Document:
    """A submission by the SDK, or anybody's own POST; every key of the body may be missing."""
    return _submit(call, store, executor, pipeline_id)


@PLANE.route("POST", P + "/PipelineEndpoints/Create")
def create_endpoint(call: Call, store: Store, addresses: Addresses) -> Document:
    """Put a published pipeline behind a name."""
    posted = call.document()
    store.require(call.ws, PIPELINE, posted["PipelineId"], "Published pipeline")
    document = {
        **entity(),
        "Name": posted["Name"],
        "Description": posted.get("Description"),
        "DefaultVersion": "0",
        "PipelineVersionList": [{"Version": "0", "PipelineId": posted["PipelineId"]}],
        "Properties": posted.get("Properties") or {},
        "SwaggerUrl": None,
        "tags": {},
    }
    with store.transaction():
        if store.find(call.ws, ENDPOINT, name=document["Name"], limit=1):
            raise conflict(f"A pipeline endpoint named '{document['Name']}' exists already.")
        store.insert(call.ws, ENDPOINT, document["Id"], document, name=document["Name"])
    return _endpoint_view(call, addresses, document)


@PLANE.route("GET", P + "/PipelineEndpoints/Name")
def endpoint_by_name(call: Call, store: Store, addresses: Addresses) -> Document:
    """One endpoint, by its name."""
    return _endpoint_view(call, addresses, _named_endpoint(call, store))


def _named_endpoint(call: Call, store: Store) -> Document:
    name = call.query.get("Name") or call.query.get("name") or ""
    found = store.find(call.ws, ENDPOINT, name=name, limit=1)
    if not found:
        raise not_found("Pipeline endpoint", name)
    return found[0]


@PLANE.route("GET", P + "/PipelineEndpoints")
def list_endpoints(call: Call, store: Store, addresses: Addresses) -> list[Document]:
    """Endpoints, newest first."""
    found = store.find(call.ws, ENDPOINT, newest_first=True)
    return [_endpoint_view(call, addresses, document) for document in shown(call, found)]


@PLANE.route("GET", P + "/PipelineEndpoints/Id/{endpoint_id}")
def get_endpoint(call: Call, store: Store, addresses: Addresses, *, endpoint_id: str) -> Document:
    """One endpoint, by its id."""
    return _endpoint_view(call, addresses, store.require(call.ws, ENDPOINT, endpoint_id, "Pipeline endpoint"))


@PLANE.route("GET", P + "/PipelineEndpoints/{endpoint_id}/pipelines")
def pipelines_of_endpoint(call: Call, store: Store, addresses: Addresses, *, endpoint_id: str) -> list[Document]:
    """The published pipelines behind an endpoint, in the order of its versions."""
    document = store.require(call.ws, ENDPOINT, endpoint_id, "Pipeline endpoint")
    return [
        get_pipeline(call, store, addresses, pipeline_id=version["PipelineId"])
        for version in document["PipelineVersionList"]
    ]


@PLANE.route("PUT", P + "/PipelineEndpoints/{endpoint_id}")
def update_endpoint(call: Call, store: Store, addresses: Addresses, *, endpoint_id: str) -> Document:
    """`add`, `add_default`, `set_default_version`, `enable`, `disable`: the client sends the whole endpoint.

    New list entries come without a version and get the next number.
    """
    posted = call.document()
    kept = {key: value for key, value in posted.items() if value is not None and key not in ("Id", "Url")}
    with store.transaction():
        document = store.require(call.ws, ENDPOINT, endpoint_id, "Pipeline endpoint")
        same_name = store.find(call.ws, ENDPOINT, name=kept.get("Name", document["Name"]))
        if any(other["Id"] != endpoint_id for other in same_name):
            raise conflict(f"A pipeline endpoint named '{kept['Name']}' exists already.")
        document.update(kept)
        document["EntityStatus"] = status_code(document["EntityStatus"])
        versions: list[Document] = []
        for number, entry in enumerate(document["PipelineVersionList"]):
            store.require(call.ws, PIPELINE, entry["PipelineId"], "Published pipeline")
            version = entry.get("Version")
            versions.append(
                {"Version": str(number if version is None else version), "PipelineId": entry["PipelineId"]}
            )
        document["PipelineVersionList"] = versions
        if document["DefaultVersion"] not in {entry["Version"] for entry in versions}:
            raise bad_request(f"The endpoint has no version {document['DefaultVersion']}.")

        store.put(call.ws, ENDPOINT, endpoint_id, document, name=document["Name"])
    return _endpoint_view(call, addresses, document)


def pipeline_of_endpoint(store: Store, workspace_id: str, endpoint_id: str, version: str | None = None) -> str:
    """Id of the pipeline behind a version of an endpoint, its default now; raises a 400 when it is disabled."""
    document = store.require(workspace_id, ENDPOINT, endpoint_id, "Pipeline endpoint")
    if document["EntityStatus"] != ACTIVE:
        raise bad_request(f"Pipeline endpoint '{document['Name']}' is disabled; enable it first.")
    version = version or document["DefaultVersion"]
    versions = {entry["Version"]: entry["PipelineId"] for entry in document["PipelineVersionList"]}
    if version not in versions:
        known = ", ".join(versions)
        raise bad_request(f"Pipeline endpoint '{document['Name']}' has no version {version}; it has {known}.")
    return str(versions[version])


@PLANE.route("POST", P + "/PipelineRuns/PipelineEndpointSubmit/Id/{endpoint_id}/{version}")
@PLANE.route("POST", P + "/PipelineRuns/PipelineEndpointSubmit/Id/{endpoint_id}")
def submit_endpoint(call: Call, store: Store, executor: Executor, *, endpoint_id: str, version: str = "") -> Document:
    """Start a run of an endpoint's default version, or of the one asked for (in the path or the query)."""
    version = version or call.query.get("pipelineVersion", "")
    return _submit(call, store, executor, pipeline_of_endpoint(store, call.ws, endpoint_id, version))


@PLANE.route("POST", P + "/PipelineRuns/PipelineEndpointSubmit/Name", evidence="assumed")
def submit_named_endpoint(call: Call, store: Store, executor: Executor) -> Document:
    """The same by the endpoint's name; not the SDK's: Microsoft's notebook about versioned endpoints posts here."""
    return submit_endpoint(call, store, executor, endpoint_id=_named_endpoint(call, store)["Id"])
