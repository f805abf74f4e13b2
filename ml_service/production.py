"""Production: what serves there, and how one deployment is made, checked and, when the check fails, undone."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from azureml.core import Environment, Model
from azureml.core.model import InferenceConfig
from azureml.core.webservice import AciWebservice
from azureml.exceptions import AzureMLException, WebserviceException

from forecasting.decision.record import DECISION_FILE, REPORT_FILE
from forecasting.models.model_file import StoredModel
from ml_service import champion, records
from ml_service.build import Build
from ml_service.console import Terminal, quiet_sdk
from ml_service.errors import ConflictError, FaultError, MlServiceError, RefusedError
from ml_service.records import NONE, Content, Record
from ml_service.service import HEALTHY, describe, find_service, last_log_lines
from ml_service.settings import Settings
from ml_service.smoke import demand_same_forecast, fetch_files, fetch_model
from ml_service.snapshots import SCORING_BASE_IMAGE, SCORING_ENVIRONMENT_NAME, Scoring, file_sha256
from ml_service.translate import explain, message_of
from ml_service.workspace import OpenWorkspace

_CORES, _GIGABYTES = 0.5, 1.0
_DEPLOYMENT_SECONDS = 1800


@dataclass(frozen=True)
class Site:
    """Both workspaces, and who acts."""

    training: OpenWorkspace
    production: OpenWorkspace
    settings: Settings
    build: Build
    terminal: Terminal
    problem: str
    """Name of the problem, which the champion's tag carries."""


@dataclass(frozen=True)
class Serving:
    """A service of production and the record of the deployment that made it."""

    service: Any
    record: Record


def serving(site: Site, known: tuple[Record, ...]) -> Serving | None:
    """What serves now, None when there is no service. Raises: ConflictError when no record tells who made it."""
    name = site.settings.production_service_name
    service = find_service(site.production, name)
    if service is None:
        return None
    labels = service.tags or {}
    if (owner := labels.get("problem", site.problem)) != site.problem:
        raise ConflictError(
            f"service {name} in workspace {site.production.name} serves the problem {owner}",
            expected=f"a service of the problem {site.problem}",
            todo="choose another PRODUCTION_SERVICE_NAME for this problem (environments/production.yml)",
        )
    record = records.find(known, labels.get("deployment", ""))
    if record is None:
        raise ConflictError(
            f"service {name} in workspace {site.production.name} was not deployed by a release",
            found="no record of its deployment",
            todo="delete it, or choose another PRODUCTION_SERVICE_NAME: a release must know what it replaces",
        )
    return Serving(service, record)


def last_good(now: Serving | None, known: tuple[Record, ...]) -> Record | None:
    """What to put back when a deployment fails: what serves now, or where that never ended, the last that did."""
    if now is not None and now.record.state == records.SUCCEEDED:
        return now.record
    return next(iter(records.succeeded(known)), None)


def healthy(now: Serving) -> bool:
    """Whether the service runs, with the model version that its record names."""
    versions = [str(model.version) for model in now.service.models or []]
    return describe(now.service).state == HEALTHY and versions == [now.record.content.production_version]


def production_model(site: Site, content: Content) -> tuple[Any, StoredModel]:
    """The registered model of production and its verified file.

    Raises: RefusedError when the file is not the one that was recorded; what the SDK raises when it is gone.
    """
    registered = Model(site.production.sdk, name=content.model_name, version=int(content.production_version))
    stored = fetch_model(registered)
    _demand_same(f"model {content.model}", "model file", stored.sha256, content.model_sha256)
    return registered, stored


def demand_evidence(site: Site, record: Record) -> None:
    """Whether decision and report of a deployed version are still the recorded ones, in both workspaces.

    Raises: RefusedError that names file, version and workspace, also when the version is gone.
    """
    content = record.content
    places = ((site.training, content.model_version), (site.production, content.production_version))
    recorded = {DECISION_FILE: content.decision_sha256, REPORT_FILE: record.properties.get("report_sha256", "")}
    for workspace, version in places:
        name = f"{content.model_name}:{version} in workspace {workspace.name}"
        with tempfile.TemporaryDirectory(prefix="ml_service_") as scratch:
            folder = fetch_files(_registered(workspace, content.model_name, version), Path(scratch))
            for file, sha256 in recorded.items():
                if sha256:
                    _demand_same(f"model {name}", file, _sha256(folder.path / file), sha256)
            _demand_same(f"model {name}", "model file", folder.stored.sha256, content.model_sha256)


def _registered(workspace: OpenWorkspace, name: str, version: str) -> Any:
    try:
        return Model(workspace.sdk, name=name, version=int(version))
    except AzureMLException as error:
        if "ModelNotFound" not in str(error):
            raise
        raise RefusedError(
            f"model {name}:{version} is gone from workspace {workspace.name}",
            expected="every released version, with the decision that accepted it",
            todo="see who deleted it; it cannot be proven any more: release another version",
        ) from error


def _demand_same(whose: str, what: str, found: str, recorded: str) -> None:
    if found != recorded:
        raise RefusedError(
            f"the {what} of {whose} is not the one that was recorded at its release",
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


def put(site: Site, record: Record, scoring: Scoring, before: Record | None) -> Any:
    """Make one deployment: deploy, check the live answer, move the champion, close the record. Returns the service.

    before: the deployment that serves now; what fails is undone by putting it back.
    Raises: RefusedError (the check said no) or FaultError, after the undoing, and says how that went.
    """
    content = record.content
    try:
        service = _deploy(site, record.id, content, scoring)
        moved = champion.move(
            site.training, content.model_name, int(content.model_version), site.problem, f"deployment {record.id}"
        )
    except (Exception, KeyboardInterrupt) as error:
        raise _undone(site, record, before, error) from error
    told = {"serves": content.model, "url": service.scoring_uri, "champion_before": moved, "check": "equal"}
    records.finish(record, records.SUCCEEDED, {**told, "evidence": site.production.tags})
    return service


def _undone(site: Site, record: Record, before: Record | None, error: BaseException) -> MlServiceError:
    """Undo a deployment that went wrong and close its record; returns what to raise."""
    known = explain(error) or FaultError(f"deployment of {record.content.model} broke off", found=repr(error))
    back = before.content.model if before else "no service, as before"
    site.terminal.note(f"{known.happened}\nrolling back to {back}")
    try:
        restore(site, before)
        state, did = records.ROLLED_BACK, f"rolled back by itself: {back}"
    except Exception as second:
        state, did = records.FAILED, f"the rollback to {back} failed too: {message_of(second)}"
    told = {"serves": back if state == records.ROLLED_BACK else "unknown", "reason": str(known)}
    records.finish(record, state, {**told, "evidence": site.production.tags})
    ended = type(known) if state == records.ROLLED_BACK else FaultError
    return ended(
        f"{known.happened}\n  {did}",
        found=known.found,
        expected=known.expected,
        todo=f"{known.todo}; the record is run {record.id}".removeprefix("; "),
    )


def restore(site: Site, before: Record | None) -> None:
    """Put back exactly what a deployment served with; None: take the service away, because nothing served."""
    if before is None:
        withdraw(site)
        return
    with tempfile.TemporaryDirectory(prefix="ml_service_") as scratch:
        _deploy(site, before.id, before.content, records.fetch_scoring(before, Path(scratch)))


def withdraw(site: Site) -> None:
    """Delete the service; does nothing when there is none."""
    service = find_service(site.production, site.settings.production_service_name)
    if service is not None:
        with quiet_sdk():
            service.delete()


def _deploy(site: Site, deployment: str, content: Content, scoring: Scoring) -> Any:
    """Deploy and check. Raises: RefusedError, FaultError with the service's log."""
    name = site.settings.production_service_name
    registered, stored = production_model(site, content)
    site.terminal.note(f"deploying {content.model} to service {name} in workspace {site.production.name}")
    labels = {**asdict(content), "deployment": deployment, "problem": site.problem}
    with quiet_sdk():
        service = _submitted(site.production, name, registered, scoring, labels)
        try:
            service.wait_for_deployment(show_output=False, timeout_sec=_DEPLOYMENT_SECONDS)
        except WebserviceException as error:
            raise _not_healthy(service, error) from error
    demand_same_forecast(service, stored, stored.horizon, f"{registered.name}:{registered.version}")
    site.terminal.note(f"service {name} answers as the model itself forecasts ({stored.horizon} days)")
    return service


def _submitted(
    workspace: OpenWorkspace, name: str, registered: Any, scoring: Scoring, labels: Mapping[str, str]
) -> Any:
    environment = Environment.from_conda_specification(SCORING_ENVIRONMENT_NAME, str(scoring.environment))
    environment.docker.base_image = SCORING_BASE_IMAGE
    settings = AciWebservice.deploy_configuration(
        cpu_cores=_CORES,
        memory_gb=_GIGABYTES,
        auth_enabled=True,
        tags=dict(labels),
        properties=dict(labels),
        description=f"{labels['model_name']} version {labels['model_version']}",
    )
    inference = InferenceConfig(
        entry_script="score.py", source_directory=str(scoring.folder), environment=environment
    )
    return Model.deploy(workspace.sdk, name, [registered], inference, settings, overwrite=True)


def _not_healthy(service: Any, error: WebserviceException) -> FaultError:
    log = "\n".join(last_log_lines(service)) or "(it wrote no log)"
    return FaultError(
        f"service {service.name} did not become healthy",
        found=f"{message_of(error).partition(chr(10))[0]}\nits last log lines:\n{log}",
        expected=HEALTHY,
        todo="correct what the log shows, then release again",
    )


def before_id(now: Serving | None) -> str:
    """Id of the deployment that serves, or `none`."""
    return now.record.id if now else NONE
