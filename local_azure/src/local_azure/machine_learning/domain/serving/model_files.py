"""The files of models, laid out as in Azure's containers."""

from __future__ import annotations

import shutil
from pathlib import Path, PurePosixPath

from local_azure.machine_learning.domain.serving import models
from local_azure.machine_learning.domain.workspace.workspaces import Workspace
from local_azure.machine_learning.errors import not_found
from local_azure.machine_learning.storage.files import BlobFiles
from local_azure.machine_learning.storage.store import Document, Store


def copy_models(store: Store, files: BlobFiles, workspace: Workspace, model_ids: list[str], target: Path) -> Path:
    """Copy the files of models to `target/<name>/<version>/` and return the folder for AZUREML_MODEL_DIR.

    That is the folder of the one model, and `target` itself for several (or none), as in Azure's containers.
    Raises a 404 for an unknown model or one without files.
    """
    folders = []
    for model_id in model_ids:
        model = models.require(store, workspace, model_id)
        folder = target / model["name"] / str(model["version"])
        folder.mkdir(parents=True, exist_ok=True)
        _copy_model(store, files, workspace, model, folder)
        folders.append(folder)
    target.mkdir(parents=True, exist_ok=True)
    return folders[0] if len(folders) == 1 else target


def _copy_model(store: Store, files: BlobFiles, workspace: Workspace, model: Document, folder: Path) -> None:
    found = files_of(store, files, workspace, model)
    for relative, path in found.items():
        target = folder / relative
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)
    if not found:
        raise not_found("The files of model", model["id"], "Were they uploaded before it was registered?")


def files_of(store: Store, files: BlobFiles, workspace: Workspace, model: Document) -> dict[str, Path]:
    """Return the files of a model by their path relative to its root; raises a 404 for an asset that is gone."""
    artifacts = models.asset_of(store, workspace, model["url"])["artifacts"]
    return {
        relative: files.path(workspace.artifact_container, blob)
        for artifact in artifacts
        for blob, relative in _artifact_files(files, workspace, artifact)
    }


def _artifact_files(files: BlobFiles, workspace: Workspace, artifact: Document) -> list[tuple[str, str]]:
    """(blob, path relative to the model's root) of one artifact of an asset; the root keeps the last name."""
    origin_path = str(artifact.get("prefix") or artifact.get("id") or "").strip("/")
    names = files.names(workspace.artifact_container, origin_path)
    wanted = [name for name in names if name == origin_path or name.startswith(origin_path + "/")]
    root = PurePosixPath(origin_path).parent
    return [(name, PurePosixPath(name).relative_to(root).as_posix()) for name in wanted]
