"""The pipeline that writes the forecasts of all series, published beside the training pipeline.

It asks the registry for the champion when it runs, so it is published once and stays right.
"""

from __future__ import annotations

from azure_ml.workspace import Workspace
from ml_service.output.console import Terminal
from ml_service.settings.build import Build
from ml_service.settings.variables import Settings
from ml_service.training.publish import Published, PublishRequest, publish
from ml_service.training.snapshots import FORECAST


def batch(settings: Settings) -> Settings:
    """The settings with the names of the forecasting pipeline and its endpoint."""
    names = {
        "pipeline_name": f"{settings.pipeline_name}-{FORECAST}",
        "pipeline_endpoint_name": f"{settings.pipeline_endpoint_name}-{FORECAST}",
    }
    return settings.model_copy(update=names)


def publish_batch(workspace: Workspace, settings: Settings, build: Build, terminal: Terminal) -> Published:
    """Publish the pipeline and make it the default of its endpoint. Raises: what `publish` raises."""
    return publish(workspace, batch(settings), build, terminal, PublishRequest(steps=(FORECAST,)))


def show(terminal: Terminal, result: Published) -> None:
    """Print identity and address of pipeline and endpoint."""
    terminal.out(f"pipeline   {result.name} version {result.version}, id {result.pipeline_id}")
    terminal.out(f"endpoint   {result.endpoint_name} [{result.endpoint_status}]")
    terminal.out(f"           {result.endpoint_url}")
    terminal.document(
        {"pipeline_id": result.pipeline_id, "endpoint": result.endpoint_name, "url": result.endpoint_url}
    )
