"""Read the board of a problem: each part by itself, so that one that cannot be read hides no other."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal, TypeVar

from azure_ml.datasets import DatasetVersion, find_dataset
from azure_ml.errors import AzureMlError
from azure_ml.models.champion import find_champion
from azure_ml.models.versions import get_version
from azure_ml.pipelines.runs import list_runs
from azure_ml.services import find_service
from azure_ml.storage.blobs import open_blobs
from azure_ml.workspace import Workspace
from forecasting.decision.record import DECISION_FILE, parse_decision
from forecasting.evaluation.live import live_accuracy
from forecasting.problem.problem_file import Problem
from ml_service.audit.approval.facts import serving_of
from ml_service.audit.board.document import Accuracy, Agreement, Board, DataState, DriftState, Place, ScheduleState
from ml_service.audit.board.facts import (
    UNKNOWN_DATA,
    candidate_states,
    data_state,
    drift_state,
    restorable_of,
    schedule_state,
)
from ml_service.audit.serving import Now, Recorded, View, read_recorded, serving_now
from ml_service.errors import CheckFailedError, ConflictError, FaultError
from ml_service.output.failures import explain
from ml_service.production import integrity, ledger
from ml_service.production.site import Site
from ml_service.production.verify import UnverifiedError, verify
from ml_service.retraining.schedules import read_schedules
from ml_service.settings.problems import read_data
from ml_service.training.registered import fetch_model

MAX_TABLE_BYTES = 256 * 1024 * 1024
"""Of a table that is downloaded to compare forecasts with its actuals."""
_ABSENT = "absent"
_RUNS = 10
_HORIZON = 28
Found = TypeVar("Found")


@dataclass
class _Parts:
    """Reads parts, and keeps why one could not be read."""

    unread: list[str] = field(default_factory=list)

    def read(self, name: str, part: Callable[[], Found], default: Found) -> Found:
        """What the part returns, or the default where a call fails in a way that can be explained."""
        try:
            return part()
        except Exception as error:
            known = explain(error)
            if known is None:
                raise
            self.unread.append(f"{name}: {known.happened}")
            return default


def read_board(view: View) -> Board:
    """The board now; changes nothing."""
    parts = _Parts()
    recorded = parts.read("ledger and candidates", lambda: read_recorded(view), Recorded((), ()))
    now = parts.read("what serves", lambda: serving_now(view, recorded.known), None)
    data = parts.read("data", lambda: _data(view, now), UNKNOWN_DATA)
    production = parts.read("production service", lambda: _production(view), None)
    unfinished = tuple(record.line for record in ledger.unfinished(recorded.known))
    return Board(
        schema_version=1,
        problem=view.problem,
        moment=datetime.now(UTC).isoformat(timespec="seconds"),
        tags=dict(view.training.tags),
        agreement=_agreement(view, now, production, unfinished),
        serves=serving_of(now) if now else None,
        before=restorable_of(recorded.known, now) if now else None,
        production=production,
        test=parts.read(
            "test service",
            lambda: _place(view.training, view.settings.test_service_name),
            Place(service=view.settings.test_service_name, workspace=view.training.name, state="", models=(), url=""),
        ),
        champion=parts.read("champion", lambda: _champion(view), ""),
        candidates=candidate_states(recorded.candidates),
        unfinished=unfinished,
        schedules=parts.read("schedules", lambda: _schedules(view), None),
        data=data,
        drift=parts.read("drift", lambda: _drift(view), None),
        accuracy=parts.read("accuracy", lambda: _accuracy(view, now, data), None),
        unread=tuple(parts.unread),
    )


def _agreement(view: View, now: Now | None, production: Place | None, unfinished: tuple[str, ...]) -> Agreement:
    """What `verify` says of production; while a deployment has not ended, a difference is no verdict."""
    if not view.settings.has_production:
        return Agreement(status="nothing serves", finding="no production workspace is configured")
    if view.production is None:
        return Agreement(status="unknown", finding="you have no access to the production workspace")
    if now is None and production is not None and production.state == _ABSENT:
        return Agreement(status="nothing serves", finding="nothing has been released")
    site = Site(view.training, view.production, view.settings, view.build, view.terminal, view.problem)
    try:
        verify(site, _HORIZON)
    except (CheckFailedError, ConflictError, FaultError) as error:
        found = "; ".join(error.found.splitlines())
        is_open = bool(unfinished) or isinstance(error, UnverifiedError)
        status: Literal["unknown", "differs"] = "unknown" if is_open else "differs"
        return Agreement(status=status, finding=f"{error.happened}: {found}" if found else error.happened)
    except AzureMlError as error:
        return Agreement(status="unknown", finding=error.happened)
    return Agreement(status="agrees", finding="")


def _production(view: View) -> Place | None:
    settings = view.settings
    if not settings.has_production:
        return None
    if view.production is None:
        workspace, service = settings.azureml_production_workspace_name, settings.production_service_name
        return Place(service=service, workspace=workspace, state="", models=(), url="")
    return _place(view.production, settings.production_service_name)


def _place(workspace: Workspace, name: str) -> Place:
    service = find_service(workspace, name)
    if service is None:
        return Place(service=name, workspace=workspace.name, state=_ABSENT, models=(), url="")
    state = service.state
    return Place(service=name, workspace=workspace.name, state=state.state, models=state.models, url=state.url)


def _champion(view: View) -> str:
    found = find_champion(view.training, view.settings.model_name, view.problem)
    return found.label if found else ""


def _data(view: View, now: Now | None) -> DataState:
    newest = find_dataset(view.training, view.settings.dataset_name)
    served = now.decision.evidence.data if now and now.decision else None
    return data_state(view.settings.dataset_name, newest, served, datetime.now(UTC).date())


def _schedules(view: View) -> tuple[ScheduleState, ...] | None:
    rule, now = Problem(view.settings.problem_file).schedule, datetime.now(UTC).replace(tzinfo=None)
    return tuple(schedule_state(found, rule, now) for found in read_schedules(view.training, view.settings))


def _drift(view: View) -> DriftState | None:
    """Of the newest run that has decided."""
    for run in list_runs(view.training, view.settings.experiment_name, _RUNS):
        if "decision_sha256" in run.properties:
            return drift_state(run.id, parse_decision(integrity.fetch(run, DECISION_FILE).content))
    return None


def _accuracy(view: View, now: Now | None, data: DataState) -> Accuracy | None:
    """The serving model, from the registry and verified, against the newest table, where that is newer."""
    if now is None or not data.newer_than_served:
        return None
    content = now.content
    registered = get_version(view.training, content.model_name, int(content.model_version))
    newest = find_dataset(view.training, view.settings.dataset_name)
    if registered is None or newest is None:
        return None
    stored = fetch_model(registered)
    with tempfile.TemporaryDirectory(prefix="ml_service_") as scratch:
        table = _download(view.training, newest, Path(scratch))
        panel, sha256, _ = read_data(Problem(view.settings.problem_file), table)
    if sha256 != newest.sha256 or stored.sha256 != content.model_sha256:
        raise CheckFailedError(f"the table of {newest.name} version {newest.version} differs from the registered one")
    found = live_accuracy(stored.model, panel, stored.horizon)
    return Accuracy(model=content.model, gain=found.gain, **vars(found)) if found else None


def _download(training: Workspace, newest: DatasetVersion, folder: Path) -> Path:
    """The one table of a data version. Raises: CheckFailedError where it is gone, replaced meanwhile or too large."""
    blobs, prefix = open_blobs(training), f"datasets/{newest.name}/{newest.sha256}/"
    found = blobs.listed(prefix, 1)
    target = folder / Path(found[0].name).name if found else folder
    if not found or found[0].size > MAX_TABLE_BYTES or not blobs.download(found[0].name, found[0].etag, target):
        raise CheckFailedError(
            f"the table of {newest.name} version {newest.version} cannot be compared with the forecasts",
            expected=f"one file below {prefix} with at most {MAX_TABLE_BYTES} bytes",
        )
    return target
