"""The evidence of a deployed version: are model file, decision and report still the recorded ones?"""

from __future__ import annotations

import tempfile
from pathlib import Path

from azure_ml.digests import file_sha256
from azure_ml.models.versions import ModelVersion, get_version
from azure_ml.workspace import Workspace
from forecasting.decision.record import DECISION_FILE, REPORT_FILE
from forecasting.models.model_file import StoredModel
from ml_service.errors import CheckFailedError
from ml_service.production.ledger import Content, Record
from ml_service.production.site import Site
from ml_service.training.registered import FetchedModel, fetch_files, fetch_model


def production_model(site: Site, content: Content) -> tuple[ModelVersion, StoredModel]:
    """The registered model of production and its verified file.

    Raises: CheckFailedError when the file is not the one that was recorded, or the version is gone.
    """
    registered = _registered(site.production, content, content.production_version)
    stored = fetch_model(registered)
    _demand_same(f"model {content.model}", "model file", stored.sha256, content.model_sha256)
    return registered, stored


def demand_evidence(site: Site, record: Record) -> None:
    """Whether decision and report of a deployed version are still the recorded ones, in both workspaces.

    Raises: CheckFailedError that names file, version and workspace, also when the version is gone.
    """
    content = record.content
    for workspace, version in (
        (site.training, content.model_version),
        (site.production, content.production_version),
    ):
        with tempfile.TemporaryDirectory(prefix="ml_service_") as scratch:
            fetch_evidence(workspace, record, version, Path(scratch))


def fetch_evidence(workspace: Workspace, record: Record, version: str, target: Path) -> FetchedModel:
    """Download a deployed version with its evidence. version: its number in this workspace.

    Raises: CheckFailedError, as `demand_evidence`.
    """
    content = record.content
    name = f"model {content.model} in workspace {workspace.name}"
    recorded = {DECISION_FILE: content.decision_sha256, REPORT_FILE: record.properties.get("report_sha256", "")}
    folder = fetch_files(_registered(workspace, content, version), target)
    for file, sha256 in recorded.items():
        if sha256:
            _demand_same(name, file, _sha256(folder.path / file), sha256)
    _demand_same(name, "model file", folder.stored.sha256, content.model_sha256)
    return folder


def _registered(workspace: Workspace, content: Content, version: str) -> ModelVersion:
    """The version of a deployment in one of both workspaces. version: its number there."""
    found = get_version(workspace, content.model_name, int(version))
    if found is None:
        raise CheckFailedError(
            f"model {content.model} no longer exists in workspace {workspace.name}",
            found=f"no version {version} of {content.model_name} there",
            expected="every released version, with the decision that accepted it",
            todo="find out who deleted it; it can no longer be verified, so release another version",
        )
    return found


def _demand_same(whose: str, what: str, found: str, recorded: str) -> None:
    if found != recorded:
        raise CheckFailedError(
            f"the {what} of {whose} differs from the one recorded at its release",
            found=f"sha256 {found}" if found else "no such file",
            expected=f"sha256 {recorded}",
            todo="do not deploy or trust it: somebody registered or changed it outside the pipeline",
        )


def report_facts(folder: Path) -> dict[str, str]:
    """The hash of the report in the folder of a registered version, for the record; empty where it has none."""
    found = _sha256(folder / REPORT_FILE)
    return {"report_sha256": found} if found else {}


def _sha256(path: Path) -> str:
    return file_sha256(path) if path.is_file() else ""
