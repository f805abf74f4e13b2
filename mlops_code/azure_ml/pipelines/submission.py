"""Submit pipelines."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from azure_ml.datasets import DatasetVersion
from azure_ml.pipelines.published import Endpoint, PublishedPipeline
from azure_ml.pipelines.runs import Run
from azure_ml.workspace import Workspace, quiet_sdk

Parameters = Mapping[str, str | DatasetVersion]


def submit_endpoint(endpoint: Endpoint, experiment: str, parameters: Parameters) -> Run:
    """Run the default of an endpoint."""
    with quiet_sdk():
        return Run(endpoint.sdk.submit(experiment, pipeline_parameters=_values(parameters)))


def submit_published(
    workspace: Workspace, pipeline: PublishedPipeline, experiment: str, parameters: Parameters
) -> Run:
    """Run a published pipeline."""
    with quiet_sdk():
        return Run(pipeline.sdk.submit(workspace.sdk, experiment, pipeline_parameters=_values(parameters)))


def submit_built(workspace: Workspace, pipeline: Any, experiment: str, parameters: Parameters) -> Run:
    """Run a built pipeline without publishing it."""
    from azureml.core import Experiment

    with quiet_sdk():
        opened = Experiment(workspace.sdk, experiment)
        return Run(opened.submit(pipeline, pipeline_parameters=_values(parameters), continue_on_step_failure=False))


def _values(parameters: Parameters) -> dict[str, Any]:
    """Parameters as the SDK takes them."""
    values: dict[str, Any] = dict(parameters)
    for name, value in parameters.items():
        if isinstance(value, DatasetVersion):
            values[name] = value.sdk
    return values
