"""Register model versions."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path

from azure_ml.models.versions import ModelVersion, find_versions, version_of
from azure_ml.workspace import Workspace

FOLDER = "model"
_LONGEST_DESCRIPTION = 139


def find_newest(workspace: Workspace, name: str, properties: Mapping[str, str]) -> ModelVersion | None:
    """The newest version with these properties, such as the one that an earlier attempt has registered."""
    found = find_versions(workspace, name, properties=properties)
    return max(found, key=lambda model: model.version, default=None)


def register(
    workspace: Workspace,
    name: str,
    folder: Path,
    *,
    tags: Mapping[str, str],
    properties: Mapping[str, str],
    description: str,
) -> ModelVersion:
    """Register the files of a folder as a new version."""
    from azureml.core import Model

    # The SDK registers only what lies below the working directory.
    with tempfile.TemporaryDirectory(dir=".", prefix="register-") as below:
        upload = Path(below) / FOLDER
        upload.mkdir()
        for file in folder.iterdir():
            (upload / file.name).write_bytes(file.read_bytes())
        registered = Model.register(
            workspace.sdk,
            model_path=str(upload),
            model_name=name,
            tags=dict(tags),
            properties=dict(properties),
            description=description[:_LONGEST_DESCRIPTION],
        )
    return version_of(registered)
