"""Registered model versions: find the one that was asked for, and download it with its hash checked."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

from azure_ml.models.champion import find_champion
from azure_ml.models.versions import ModelVersion, download, get_version
from azure_ml.workspace import Workspace
from forecasting.errors import ForecastingError
from forecasting.models.model_file import MODEL_FILE, StoredModel, read_model
from ml_service.errors import CheckFailedError, InvalidRequestError
from ml_service.settings.variables import Settings

CHAMPION = "champion"


@dataclass(frozen=True)
class FetchedModel:
    """A registered model version on disk, verified."""

    path: Path
    """The folder that holds model.json and what was registered beside it."""
    stored: StoredModel


def requested_model(workspace: Workspace, settings: Settings, problem: str, version: str) -> ModelVersion:
    """The registered version of that number, or the champion. Raises: InvalidRequestError where there is none."""
    name = settings.model_name
    if version == CHAMPION:
        champion = find_champion(workspace, name, problem)
        if champion is None:
            raise InvalidRequestError(
                f"the problem {problem} has no champion in workspace {workspace.name}",
                todo="release a version first: python -m ml_service release --model-version NUMBER",
            )
        return champion
    model = get_version(workspace, name, int(version))
    if model is None:
        raise InvalidRequestError(
            f"there is no model {name} version {version} in workspace {workspace.name}",
            todo="list the versions: python -m ml_service status",
        )
    return model


def fetch_model(registered: ModelVersion) -> StoredModel:
    """As `fetch_files`, for those who need the model only."""
    with tempfile.TemporaryDirectory(prefix="ml_service_") as scratch:
        return fetch_files(registered, Path(scratch)).stored


def fetch_files(registered: ModelVersion, target: Path) -> FetchedModel:
    """Download a model version and open it only when its hash is the one recorded at registration.

    Raises: CheckFailedError (no model file, damaged, or another hash).
    """
    recorded, name = registered.sha256, registered.label
    download(registered, target)
    folder = next((path.parent for path in target.rglob(MODEL_FILE)), None)
    if folder is None:
        raise CheckFailedError(
            f"model {name} contains no {MODEL_FILE}",
            todo="it was not registered by this pipeline: register it again",
        )
    try:
        stored = read_model(folder)
    except ForecastingError as error:
        raise CheckFailedError(
            f"model {name} cannot be trusted", found=str(error), todo="register it again"
        ) from error
    if stored.sha256 != recorded:
        raise CheckFailedError(
            f"the file of model {name} differs from the registered one",
            found=f"sha256 {stored.sha256}",
            expected=f"sha256 {recorded or '(none recorded)'}",
            todo="do not release this version: somebody changed the file in the storage account; run again",
        )
    return FetchedModel(folder, stored)
