"""The pipeline that schedules run, published beside the ordinary one and behind an endpoint of its own.

It is the same graph behind a first step that finds the newest data version. Which data a pipeline trains on, and
whether its steps are reused, is fixed when it is published, so the ordinary one cannot do both.
"""

from __future__ import annotations

from azure_ml.pipelines.published import Endpoint, find_endpoint, find_published
from azure_ml.workspace import Workspace
from ml_service.errors import FaultError
from ml_service.output.console import Terminal
from ml_service.settings.build import Build
from ml_service.settings.variables import Settings
from ml_service.training import publish
from ml_service.training.pipeline import built
from ml_service.training.snapshots import scheduled_steps


def scheduled(settings: Settings) -> Settings:
    """The settings with the names of the scheduled pipeline and its endpoint."""
    names = {
        "pipeline_name": f"{settings.pipeline_name}-scheduled",
        "pipeline_endpoint_name": f"{settings.pipeline_endpoint_name}-scheduled",
    }
    return settings.model_copy(update=names)


def find_variant(workspace: Workspace, settings: Settings) -> Endpoint | None:
    """The endpoint of the scheduled pipeline; None before it was published."""
    return find_endpoint(workspace, scheduled(settings).pipeline_endpoint_name)


def ensure_variant(workspace: Workspace, settings: Settings, build: Build, terminal: Terminal) -> Endpoint:
    """The endpoint of the scheduled pipeline, whose default is this code: it is published where it is not.

    Raises: what `publish` raises.
    """
    named = scheduled(settings)
    endpoint = find_endpoint(workspace, named.pipeline_endpoint_name)
    if endpoint is not None and _is_current(workspace, named, build, endpoint):
        return endpoint
    request = publish.PublishRequest(steps=scheduled_steps(settings))
    done = publish.publish(workspace, named, build, terminal, request)
    terminal.out(f"pipeline   published {done.name} version {done.version}")
    found = find_endpoint(workspace, named.pipeline_endpoint_name)
    if found is None:
        raise FaultError(f"the pipeline endpoint {done.endpoint_name} is gone", todo="repeat the command")
    return found


def _is_current(workspace: Workspace, named: Settings, build: Build, endpoint: Endpoint) -> bool:
    """Whether the endpoint's default would do what this code does."""
    default = find_published(workspace, endpoint.default_pipeline)
    if default is None:
        return False
    with built(workspace, named, build, scheduled_steps(named), None) as pipeline:
        return publish.fingerprint_of(default) == pipeline.fingerprint
