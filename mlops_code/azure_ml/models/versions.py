"""Read registered model versions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from azure_ml.workspace import Workspace, creator_of

ORIGIN_VERSION = "origin_version"
"""Property of a copy in the production workspace: the version's number in the training workspace."""


@dataclass(frozen=True)
class ModelVersion:
    """One version of a registered model."""

    sdk: Any = field(repr=False, compare=False)
    name: str
    version: int
    tags: Mapping[str, str]
    properties: Mapping[str, str]
    """Written once; only tags can change."""
    description: str = ""
    created: str = ""
    created_by: str = ""

    @property
    def number(self) -> str:
        """The number that people know it by: that of the training workspace, also for a copy in production."""
        return self.properties.get(ORIGIN_VERSION, str(self.version))

    @property
    def label(self) -> str:
        """`name:number`; the number of a copy among other copies is a detail."""
        return f"{self.name}:{self.number}"

    @property
    def sha256(self) -> str:
        """Hash of its model file as recorded at registration; empty where somebody's own code registered it."""
        return self.properties.get("model_sha256", "")


def version_of(sdk: Any) -> ModelVersion:
    """A model of the SDK as plain data."""
    return ModelVersion(
        sdk,
        name=str(sdk.name),
        version=int(sdk.version),
        tags=dict(sdk.tags or {}),
        properties=dict(sdk.properties or {}),
        description=sdk.description or "",
        created=str(sdk.created_time),
        created_by=creator_of(sdk.created_by),
    )


def find_versions(
    workspace: Workspace,
    name: str | None,
    *,
    tags: Mapping[str, str] | None = None,
    properties: Mapping[str, str] | None = None,
) -> list[ModelVersion]:
    """Every version with these tags and properties, in the order of the service. name: None for any model."""
    from azureml.core import Model

    found = Model.list(
        workspace.sdk,
        name=name,
        tags=[list(pair) for pair in (tags or {}).items()],
        properties=[list(pair) for pair in (properties or {}).items()],
        expand=False,  # else the SDK fetches run and data sets of each version, which nobody reads here
    )
    return [version_of(model) for model in found]


def get_version(workspace: Workspace, name: str, version: int) -> ModelVersion | None:
    """One version; None when there is none of that number."""
    from azureml.core import Model
    from azureml.exceptions import AzureMLException

    try:
        return version_of(Model(workspace.sdk, name=name, version=version))
    except AzureMLException as error:
        if "ModelNotFound" not in str(error):
            raise
        return None


def download(model: ModelVersion, folder: Path) -> None:
    """Download the files of a version below a folder."""
    model.sdk.download(target_dir=str(folder), exist_ok=True)
