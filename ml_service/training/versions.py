"""Look up versions of the training data; apart from `data` because only the upload needs the data contract."""

from __future__ import annotations

from typing import Any

from azureml.core import Dataset
from azureml.exceptions import UserErrorException

from ml_service.errors import UsageError
from ml_service.output.console import quiet_sdk
from ml_service.output.failures import http_status
from ml_service.settings.variables import Settings
from ml_service.settings.workspace import OpenWorkspace

VERSIONS_SEARCHED = 25
"""How many of the newest versions are looked at for the bytes of a table; one costs the service two calls."""


def find(workspace: OpenWorkspace, name: str, version: int | None = None) -> Any | None:
    """The SDK's data set of that name and version (None: the newest); None when there is none."""
    try:
        with quiet_sdk():
            return Dataset.get_by_name(workspace.sdk, name, version="latest" if version is None else version)
    except UserErrorException as error:
        # azureml/data/abstract_dataset.py words a 404 this way; anything else is a real failure.
        if "Cannot find dataset registered with name" in str(error) or http_status(error) == 404:
            return None
        raise


def holding(workspace: OpenWorkspace, newest: Any | None, sha256: str) -> Any | None:
    """The version that holds these bytes, looking at the newest first; None when none of them does."""
    if newest is None or newest.tags.get("sha256") == sha256:
        return newest
    for version in range(newest.version - 1, max(newest.version - VERSIONS_SEARCHED, 0), -1):
        candidate = find(workspace, newest.name, version)
        if candidate is not None and candidate.tags.get("sha256") == sha256:
            return candidate
    return None


def wanted(workspace: OpenWorkspace, settings: Settings, version: int | None = None) -> Any:
    """The data version that was asked for, else the newest.

    Raises: UsageError when it does not exist.
    """
    found = find(workspace, settings.dataset_name, version)
    if found is None:
        which = "no version yet" if version is None else f"no version {version}"
        raise UsageError(
            f"the data set {settings.dataset_name} has {which} in workspace {workspace.name}",
            todo="register one: python -m ml_service data upload",
        )
    return found
