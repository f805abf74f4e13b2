"""Look up the pipeline endpoint by its name."""

from __future__ import annotations

from typing import Any

from azureml.pipeline.core import PipelineEndpoint
from msrest.exceptions import HttpOperationError

from ml_service.output.failures import http_status
from ml_service.settings.workspace import OpenWorkspace


def find_endpoint(workspace: OpenWorkspace, name: str) -> Any | None:
    """The pipeline endpoint of that name, None when there is none.

    The SDK answers an absent name with an HTTP error. Only when the list of endpoints agrees do we believe that it is
    absent: taking every error for "absent" would create a second endpoint during an outage.
    """
    try:
        return PipelineEndpoint.get(workspace.sdk, name=name)
    except HttpOperationError as error:
        if http_status(error) not in (400, 404):
            raise
        listed = PipelineEndpoint.list(workspace.sdk, active_only=False)
        if any(endpoint.name == name for endpoint in listed):
            raise
        return None
