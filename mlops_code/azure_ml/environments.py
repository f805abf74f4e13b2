"""The environments of the steps and of the web services: a conda file on a pinned base image."""

from __future__ import annotations

from pathlib import Path
from typing import Any

MODEL_VERSION = "FORECAST_MODEL_VERSION"
"""Environment variable of a service: the number of its model in the training workspace."""
TRAINING, SCORING = "forecast-training", "forecast-scoring"
BASE_IMAGE = "mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu22.04:20251130.v1"
"""The default of azureml-core 1.61.0.post4, pinned with its date: the default moves with the version of the SDK."""


def environment_of(name: str, conda_file: Path) -> Any:
    """The SDK's environment of a conda file."""
    from azureml.core import Environment

    environment = Environment.from_conda_specification(name, str(conda_file))
    environment.docker.base_image = BASE_IMAGE
    return environment
