"""Published pipelines and the pipeline endpoint: publish, find, submit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from azure_ml.datasets import DatasetVersion
from azure_ml.pipelines.runs import Run
from azure_ml.sdk_errors import http_status, none_if_absent
from azure_ml.workspace import Workspace

Parameters = Mapping[str, str | DatasetVersion]
ACTIVE = "Active"
"""State of an endpoint or a pipeline that may be submitted."""
_LONGEST_DESCRIPTION = 140


@dataclass(frozen=True)
class PublishedPipeline:
    """A published pipeline."""

    sdk: Any = field(repr=False, compare=False)
    id: str
    name: str
    version: str
    status: str
    url: str
    description: str


@dataclass(frozen=True)
class Endpoint:
    """A pipeline endpoint as it was when it was read."""

    sdk: Any = field(repr=False, compare=False)
    id: str
    name: str
    status: str
    url: str
    description: str
    default_version: str
    versions: Mapping[str, str]
    """Id of each pipeline to the version number that the endpoint gave it."""

    @property
    def default_pipeline(self) -> str:
        """Id of the pipeline that the endpoint runs; empty when it does not say."""
        return next((found for found, number in self.versions.items() if number == self.default_version), "")


def _published_of(sdk: Any) -> PublishedPipeline:
    return PublishedPipeline(
        sdk,
        id=sdk.id,
        name=sdk.name,
        version=sdk.version,
        status=sdk.status,
        url=sdk.endpoint,
        description=sdk.description or "",
    )


def _endpoint_of(sdk: Any) -> Endpoint:
    return Endpoint(
        sdk,
        id=sdk.id,
        name=sdk.name,
        status=sdk.status,
        url=sdk.endpoint,
        description=sdk.description or "",
        default_version=str(sdk.default_version),
        versions={item.pipeline_id: str(item.version) for item in sdk.pipeline_version_list},
    )


def list_published(workspace: Workspace, name: str) -> list[PublishedPipeline]:
    """Every published pipeline of that name, disabled ones too."""
    from azureml.pipeline.core import PublishedPipeline as SdkPublished

    listed = SdkPublished.list(workspace.sdk, active_only=False)
    return [_published_of(sdk) for sdk in listed if sdk.name == name]


def find_published(workspace: Workspace, pipeline_id: str) -> PublishedPipeline | None:
    """The published pipeline of that id; None when there is none."""
    from azureml.pipeline.core import PublishedPipeline as SdkPublished

    return none_if_absent(lambda: _published_of(SdkPublished.get(workspace.sdk, pipeline_id)))


def publish(pipeline: Any, name: str, version: str, description: str) -> PublishedPipeline:
    """Publish a built pipeline. The service keeps no properties of ours with it, only the description."""
    return _published_of(
        pipeline.publish(name=name, description=description, version=version, continue_on_step_failure=False)
    )


def find_endpoint(workspace: Workspace, name: str) -> Endpoint | None:
    """The pipeline endpoint of that name; None when there is none.

    The SDK answers an absent name with an HTTP error. Only when the list of endpoints agrees do we believe that it is
    absent: taking every error for "absent" would create a second endpoint during an outage.
    """
    from azureml.pipeline.core import PipelineEndpoint
    from msrest.exceptions import HttpOperationError

    try:
        return _endpoint_of(PipelineEndpoint.get(workspace.sdk, name=name))
    except HttpOperationError as error:
        if http_status(error) not in (400, 404):
            raise
        listed = PipelineEndpoint.list(workspace.sdk, active_only=False)
        if any(endpoint.name == name for endpoint in listed):
            raise
        return None


def create_endpoint(workspace: Workspace, name: str, pipeline: PublishedPipeline, description: str) -> Endpoint:
    """Create an endpoint whose default is a published pipeline."""
    from azureml.pipeline.core import PipelineEndpoint

    return _endpoint_of(
        PipelineEndpoint.publish(
            workspace=workspace.sdk,
            name=name,
            description=description[:_LONGEST_DESCRIPTION],
            pipeline=pipeline.sdk,
        )
    )


def make_default(endpoint: Endpoint, pipeline: PublishedPipeline) -> Endpoint:
    """Add a pipeline to an endpoint and make it the default; returns the endpoint as it is then."""
    endpoint.sdk.add_default(pipeline.sdk)
    return _endpoint_of(endpoint.sdk)


def set_default(endpoint: Endpoint, pipeline_id: str) -> None:
    """Make a pipeline that the endpoint holds its default again."""
    endpoint.sdk.set_default_version(endpoint.versions[pipeline_id])


def submit_endpoint(endpoint: Endpoint, experiment: str, parameters: Parameters) -> Run:
    """Run the default of an endpoint."""
    return Run(endpoint.sdk.submit(experiment, pipeline_parameters=_values(parameters)))


def submit_published(
    workspace: Workspace, pipeline: PublishedPipeline, experiment: str, parameters: Parameters
) -> Run:
    """Run a published pipeline."""
    return Run(pipeline.sdk.submit(workspace.sdk, experiment, pipeline_parameters=_values(parameters)))


def submit_built(workspace: Workspace, pipeline: Any, experiment: str, parameters: Parameters) -> Run:
    """Run a built pipeline without publishing it."""
    from azureml.core import Experiment

    opened = Experiment(workspace.sdk, experiment)
    return Run(opened.submit(pipeline, pipeline_parameters=_values(parameters), continue_on_step_failure=False))


def _values(parameters: Parameters) -> dict[str, Any]:
    """Parameters as the SDK takes them."""
    values: dict[str, Any] = dict(parameters)
    for name, value in parameters.items():
        if isinstance(value, DatasetVersion):
            values[name] = value.sdk
    return values
