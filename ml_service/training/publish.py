"""`publish`: publish the pipeline under the build id and make it the default of the pipeline endpoint."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from typing import Any

from azureml.core.compute import AmlCompute, ComputeTarget
from azureml.exceptions import ComputeTargetException
from azureml.pipeline.core import PipelineEndpoint, PublishedPipeline

from ml_service.errors import ConflictError
from ml_service.output.console import Terminal, quiet_sdk
from ml_service.settings.build import Build
from ml_service.settings.variables import Settings
from ml_service.settings.workspace import OpenWorkspace
from ml_service.training import ownership, versions
from ml_service.training.pipeline import BuiltPipeline, built
from ml_service.training.snapshots import STEP_ORDER, file_sha256

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
    data_version: int
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
class Wanted:
    """What the user asked `publish` for."""

    steps: tuple[str, ...] = STEP_ORDER
    data_version: int | None = None
    """Default of the pipeline's data; None: the newest."""
    ours: ownership.Ours | None = None
    """That the names are ours, where that has been asked already."""


def publish(
    workspace: OpenWorkspace, settings: Settings, build: Build, terminal: Terminal, wanted: Wanted
) -> Published:
    """Publish the steps with version = build id and make them the endpoint's default.

    Repeating a build that broke off completes it. Raises: UsageError when no data version exists; ConflictError when
    the build id was published before with another graph, the endpoint is disabled, or another problem has the names.
    """
    steps, ours = wanted.steps, wanted.ours or ownership.demand_ours(workspace, settings)
    dataset = versions.wanted(workspace, settings, wanted.data_version)
    other = "" if wanted.data_version else _other_table(workspace, settings, dataset)
    ensure_compute(workspace, settings, terminal)
    terminal.note(f"publishing {settings.pipeline_name} {build.build_id} ({', '.join(steps)})")
    with built(workspace, settings, build, steps, dataset) as pipeline:
        existing = _published_before(workspace, settings, build, pipeline, ours.problem)
        published = existing or _publish(settings, build, pipeline, ours.problem)
    endpoint = _on_endpoint(workspace, settings, published, ours)
    numbers = {item.pipeline_id: item.version for item in endpoint.pipeline_version_list}
    return Published(
        pipeline_id=published.id,
        name=published.name,
        version=published.version,
        url=published.endpoint,
        steps=steps,
        data=f"{dataset.name} version {dataset.version}",
        data_version=int(dataset.version),
        other_table=other,
        endpoint_id=endpoint.id,
        endpoint_name=endpoint.name,
        endpoint_version=str(numbers.get(published.id, "")),
        endpoint_default=str(endpoint.default_version),
        endpoint_url=endpoint.endpoint,
        endpoint_status=endpoint.status,
        already=existing is not None,
    )


def ensure_compute(workspace: OpenWorkspace, settings: Settings, terminal: Terminal) -> None:
    """Create the compute cluster when it does not exist. Raises what the SDK raises, for example on a quota."""
    try:
        ComputeTarget(workspace=workspace.sdk, name=settings.compute_name)
        return
    except ComputeTargetException as error:
        if "ComputeTargetNotFound" not in str(error):
            raise
    terminal.note(f"creating compute cluster {settings.compute_name} ({settings.compute_vm_size})")
    configuration = AmlCompute.provisioning_configuration(
        vm_size=settings.compute_vm_size,
        min_nodes=0,
        max_nodes=settings.compute_max_nodes,
        idle_seconds_before_scaledown=600,
        remote_login_port_public_access="Disabled",
    )
    with quiet_sdk():
        cluster = ComputeTarget.create(workspace.sdk, settings.compute_name, configuration)
        cluster.wait_for_completion(show_output=False, timeout_in_minutes=20)


def _other_table(workspace: OpenWorkspace, settings: Settings, newest: Any) -> str:
    """A sentence when the table of this working tree is an older data version than the newest, else empty."""
    if not settings.data_file.is_file():
        return ""
    sha256 = file_sha256(settings.data_file)
    found = versions.holding(workspace, newest, sha256)
    if found is newest:
        return ""
    if found is None:
        return f"DATA_FILE {settings.data_file.name} is none of the newest versions; register it with data upload"
    return (
        f"DATA_FILE {settings.data_file.name} is version {found.version}, not this one; to train on it: "
        f"publish --data-version {found.version}"
    )


def _publish(settings: Settings, build: Build, pipeline: BuiltPipeline, problem: str) -> Any:
    with quiet_sdk():
        return pipeline.sdk.publish(
            name=settings.pipeline_name,
            # The service keeps no properties of ours with a published pipeline, so the description carries the hash.
            description=f"commit {build.commit[:12]}, graph {pipeline.fingerprint}, {ownership.mark(problem)}",
            version=build.build_id,
            continue_on_step_failure=False,
        )


def _published_before(
    workspace: OpenWorkspace, settings: Settings, build: Build, pipeline: BuiltPipeline, problem: str
) -> Any | None:
    listed = PublishedPipeline.list(workspace.sdk, active_only=False)
    namesakes = [published for published in listed if published.name == settings.pipeline_name]
    owners = {ownership.owner_of(published.description) for published in namesakes}
    if problem not in owners:
        what = f"published pipeline {settings.pipeline_name}"
        ownership.demand(
            [ownership.Claim(what, "PIPELINE_NAME", owner) for owner in sorted(owners)], problem, settings
        )
    for published in namesakes:
        if published.version != build.build_id:
            continue
        recorded = _FINGERPRINT.search(published.description or "")
        if recorded and recorded.group(1) == pipeline.fingerprint:
            return published
        raise ConflictError(
            f"{settings.pipeline_name} version {build.build_id} is published already with another graph",
            found=f"graph {recorded.group(1)[:12] if recorded else 'unknown'} as {published.id}",
            expected=f"graph {pipeline.fingerprint[:12]}",
            todo="publish under another build id: a published version never changes",
        )
    return None


def _on_endpoint(workspace: OpenWorkspace, settings: Settings, published: Any, ours: ownership.Ours) -> Any:
    """The endpoint with the pipeline on it; a pipeline that it holds already does not become the default again."""
    name = settings.pipeline_endpoint_name
    endpoint = ours.endpoint
    if endpoint is None:
        with quiet_sdk():
            return PipelineEndpoint.publish(
                workspace=workspace.sdk,
                name=name,
                description=f"{ownership.mark(ours.problem)}; default: the newest published {settings.pipeline_name}"[
                    :140
                ],
                pipeline=published,
            )
    if endpoint.status != "Active":
        raise ConflictError(
            f"pipeline endpoint {name} is {endpoint.status}",
            expected="Active",
            todo="somebody disabled it on purpose: ask, enable it, then repeat `publish`",
        )
    if all(item.pipeline_id != published.id for item in endpoint.pipeline_version_list):
        endpoint.add_default(published)
    return endpoint


def show(terminal: Terminal, result: Published) -> None:
    """Print identity and address of pipeline and endpoint."""
    did = "already published" if result.already else "published"
    terminal.say(f"pipeline   {did} {result.name} version {result.version}")
    terminal.say(f"           id {result.pipeline_id}, steps {', '.join(result.steps)}")
    terminal.say(f"           default data {result.data}")
    if result.other_table:
        terminal.say(f"           note: {result.other_table}")
    terminal.say(f"           {result.url}")
    terminal.say(
        f"endpoint   {result.endpoint_name} [{result.endpoint_status}] version {result.endpoint_version}"
        + ("" if result.endpoint_version == result.endpoint_default else f", default is {result.endpoint_default}")
    )
    terminal.say(f"           {result.endpoint_url}")
    terminal.document({**asdict(result), "steps": list(result.steps)})
