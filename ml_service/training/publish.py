"""`publish`: publish the pipeline under the build id and make it the default of the pipeline endpoint."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass

from azure_ml.datasets import DatasetVersion
from azure_ml.digests import file_sha256
from azure_ml.pipelines import published as pipelines
from azure_ml.pipelines.graph import create_compute, has_compute
from azure_ml.storage.blobs import open_blobs
from azure_ml.storage.versions import find_stored
from azure_ml.workspace import Workspace
from ml_service.errors import ConflictError
from ml_service.output.console import Terminal
from ml_service.settings.build import Build
from ml_service.settings.variables import Settings
from ml_service.training import ownership
from ml_service.training.data import requested_version
from ml_service.training.pipeline import BuiltPipeline, built
from ml_service.training.snapshots import FORECAST, RESOLVE, default_steps

_FINGERPRINT = re.compile(r"graph ([0-9a-f]{64})")


@dataclass(frozen=True)
class Published:
    """A published pipeline and the endpoint that serves it."""

    pipeline_id: str
    name: str
    version: str
    url: str
    steps: tuple[str, ...]
    data: str
    data_version: int | None
    """None: each run takes the newest."""
    other_table: str
    """Says so when DATA_FILE's bytes are another data version than the default; empty otherwise."""
    endpoint_id: str
    endpoint_name: str
    endpoint_version: str
    """The version number that the endpoint gave this pipeline."""
    endpoint_default: str
    """The version that the endpoint runs; differs when a later build has taken over."""
    endpoint_url: str
    endpoint_status: str
    already: bool
    """True when this build had published the same graph before."""


@dataclass(frozen=True)
class PublishRequest:
    """What the user asked `publish` for."""

    steps: tuple[str, ...] | None = None
    """None: those of the settings."""
    data_version: int | None = None
    """Default of the pipeline's data; None: the newest."""
    ours: ownership.Ours | None = None
    """That the names are ours, where that has been asked already."""


def publish(
    workspace: Workspace, settings: Settings, build: Build, terminal: Terminal, request: PublishRequest
) -> Published:
    """Publish the steps with version = build id and make them the endpoint's default.

    Repeating a build that broke off completes it. Raises: InvalidRequestError when no data version exists;
    ConflictError when the build id was published before with another graph, the endpoint is disabled, or another
    problem has the names.
    """
    steps = request.steps or default_steps(settings)
    ours = request.ours or ownership.demand_ours(workspace, settings)
    dataset, other = None, ""
    if not {RESOLVE, FORECAST} & set(steps):
        dataset = requested_version(workspace, settings, request.data_version)
        other = "" if request.data_version else _other_table(workspace, settings, dataset)
    ensure_compute(workspace, settings, terminal)
    terminal.err(f"publishing {settings.pipeline_name} {build.build_id} ({', '.join(steps)})")
    with built(workspace, settings, build, steps, dataset) as pipeline:
        existing = _published_before(workspace, settings, build, pipeline, ours.problem)
        published = existing or _publish(settings, build, pipeline, ours.problem)
    endpoint = _on_endpoint(workspace, settings, published, ours)
    return Published(
        pipeline_id=published.id,
        name=published.name,
        version=published.version,
        url=published.url,
        steps=steps,
        data=f"{dataset.name} version {dataset.version}" if dataset else f"the newest of {settings.dataset_name}",
        data_version=dataset.version if dataset else None,
        other_table=other,
        endpoint_id=endpoint.id,
        endpoint_name=endpoint.name,
        endpoint_version=endpoint.versions.get(published.id, ""),
        endpoint_default=endpoint.default_version,
        endpoint_url=endpoint.url,
        endpoint_status=endpoint.status,
        already=existing is not None,
    )


def ensure_compute(workspace: Workspace, settings: Settings, terminal: Terminal) -> None:
    """Create the compute cluster when it does not exist. Raises what the SDK raises, for example on a quota."""
    if not has_compute(workspace, settings.compute_name):
        terminal.err(f"creating compute cluster {settings.compute_name} ({settings.compute_vm_size})")
        create_compute(workspace, settings.compute_name, settings.compute_vm_size, settings.compute_max_nodes)


def _other_table(workspace: Workspace, settings: Settings, newest: DatasetVersion) -> str:
    """A sentence when the table of this working tree is an older data version than the newest, else empty."""
    if not settings.data_file.is_file():
        return ""
    found = find_stored(workspace, open_blobs(workspace), newest, file_sha256(settings.data_file))
    if found is None:
        return f"DATA_FILE {settings.data_file.name} is not a registered data version; register it with data upload"
    if found.version == newest.version:
        return ""
    return (
        f"DATA_FILE {settings.data_file.name} is version {found.version}, not this one; to train on it: "
        f"publish --data-version {found.version}"
    )


def _publish(settings: Settings, build: Build, pipeline: BuiltPipeline, problem: str) -> pipelines.PublishedPipeline:
    # The service keeps no properties of ours with a published pipeline, so the description carries the hash.
    description = f"commit {build.commit[:12]}, graph {pipeline.fingerprint}, {ownership.mark(problem)}"
    return pipelines.publish(pipeline.sdk, settings.pipeline_name, build.build_id, description)


def _published_before(
    workspace: Workspace, settings: Settings, build: Build, pipeline: BuiltPipeline, problem: str
) -> pipelines.PublishedPipeline | None:
    """The pipeline that this build has published already; None when it has not.

    Raises: ConflictError when it has published another graph, or another problem has the name.
    """
    namesakes = pipelines.list_published(workspace, settings.pipeline_name)
    owners = {ownership.owner_of(published.description) for published in namesakes}
    if problem not in owners:
        what = f"published pipeline {settings.pipeline_name}"
        claims = [ownership.Claim(what, "PIPELINE_NAME", owner) for owner in sorted(owners)]
        ownership.demand(claims, problem, settings)
    earlier = next((published for published in namesakes if published.version == build.build_id), None)
    if earlier is None:
        return None
    recorded = fingerprint_of(earlier)
    if recorded == pipeline.fingerprint:
        return earlier
    raise ConflictError(
        f"{settings.pipeline_name} version {build.build_id} is already published with another graph",
        found=f"graph {recorded[:12] or 'unknown'} as {earlier.id}",
        expected=f"graph {pipeline.fingerprint[:12]}",
        todo="publish under another build id: a published version never changes",
    )


def fingerprint_of(published: pipelines.PublishedPipeline) -> str:
    """The fingerprint of the graph that was published; empty where its publisher has recorded none."""
    recorded = _FINGERPRINT.search(published.description)
    return recorded.group(1) if recorded else ""


def _on_endpoint(
    workspace: Workspace, settings: Settings, published: pipelines.PublishedPipeline, ours: ownership.Ours
) -> pipelines.Endpoint:
    """The endpoint with the pipeline on it; a pipeline that it holds already does not become the default again."""
    name = settings.pipeline_endpoint_name
    endpoint = ours.endpoint
    if endpoint is None:
        description = f"{ownership.mark(ours.problem)}; default: the newest published {settings.pipeline_name}"
        return pipelines.create_endpoint(workspace, name, published, description)
    demand_active(endpoint, "it was disabled on purpose: find out why, enable it, then repeat `publish`")
    if published.id in endpoint.versions:
        return endpoint
    return pipelines.make_default(endpoint, published)


def demand_active(endpoint: pipelines.Endpoint, todo: str) -> None:
    """Raises: ConflictError when the pipeline endpoint is disabled."""
    if endpoint.status != pipelines.ACTIVE:
        raise ConflictError(
            f"pipeline endpoint {endpoint.name} is {endpoint.status}", expected=pipelines.ACTIVE, todo=todo
        )


def show(terminal: Terminal, result: Published) -> None:
    """Print identity and address of pipeline and endpoint."""
    did = "already published" if result.already else "published"
    terminal.out(f"pipeline   {did} {result.name} version {result.version}")
    terminal.out(f"           id {result.pipeline_id}, steps {', '.join(result.steps)}")
    terminal.out(f"           default data {result.data}")
    if result.other_table:
        terminal.out(f"           note: {result.other_table}")
    terminal.out(f"           {result.url}")
    terminal.out(
        f"endpoint   {result.endpoint_name} [{result.endpoint_status}] version {result.endpoint_version}"
        + ("" if result.endpoint_version == result.endpoint_default else f", default is {result.endpoint_default}")
    )
    terminal.out(f"           {result.endpoint_url}")
    terminal.document({**asdict(result), "steps": list(result.steps)})
