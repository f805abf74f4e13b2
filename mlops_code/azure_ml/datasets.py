"""Versions of a data set."""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping
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
    workspace: Workspace,
    newest: DatasetVersion | None,
    sha256: str,
    seen: MutableMapping[int, DatasetVersion] | None = None,
) -> DatasetVersion | None:
    """The version that holds these bytes, the newest first; None when none of them does.

    newest: the newest version. seen: the versions that were looked at before, to which others are added; a version
    that is not among them costs two calls. For bytes that may be new use `storage.versions.find_stored`.
    """
    if newest is None or newest.sha256 == sha256:
        return newest
    known = {} if seen is None else seen
    for version in range(newest.version - 1, 0, -1):
        candidate = known.get(version) or find_dataset(workspace, newest.name, version)
        if candidate is None:
            continue
        known[version] = candidate
        if candidate.sha256 == sha256:
            return candidate
    return None
