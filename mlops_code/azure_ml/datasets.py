"""Versions of a data set."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from azure_ml.sdk_errors import http_status
from azure_ml.workspace import Workspace

SHA256_TAG = "sha256"
"""Tag of a version: the hash of its bytes."""


@dataclass(frozen=True)
class DatasetVersion:
    """One version of a registered data set."""

    sdk: Any = field(repr=False, compare=False)
    name: str
    version: int
    tags: Mapping[str, str]

    @property
    def sha256(self) -> str:
        """Hash of its bytes; empty where its owner has recorded none."""
        return self.tags.get(SHA256_TAG, "")


def version_of(sdk: Any) -> DatasetVersion:
    """Describe a version by the SDK's object."""
    return DatasetVersion(sdk, name=str(sdk.name), version=int(sdk.version), tags=dict(sdk.tags or {}))


def find_dataset(workspace: Workspace, name: str, version: int | None = None) -> DatasetVersion | None:
    """A version of a data set (None: the newest); None when there is none."""
    from azureml.core import Dataset
    from azureml.exceptions import UserErrorException

    try:
        found = Dataset.get_by_name(workspace.sdk, name, version="latest" if version is None else version)
    except UserErrorException as error:
        # azureml/data/abstract_dataset.py words a 404 this way; anything else is a real failure.
        if "Cannot find dataset registered with name" in str(error) or http_status(error) == 404:
            return None
        raise
    return version_of(found)


def find_by_hash(
    workspace: Workspace, newest: DatasetVersion | None, sha256: str, most: int | None = None
) -> DatasetVersion | None:
    """The version that holds these bytes, the newest first; None when none of them does.

    newest: the newest version. most: how many older versions are looked at, None for all; one costs two calls.
    """
    if newest is None or newest.sha256 == sha256:
        return newest
    oldest = 1 if most is None else max(newest.version - most + 1, 1)
    for version in range(newest.version - 1, oldest - 1, -1):
        candidate = find_dataset(workspace, newest.name, version)
        if candidate is not None and candidate.sha256 == sha256:
            return candidate
    return None
