"""What is live at the end of a command, in one sentence; reading it never fails and never changes anything."""

from __future__ import annotations

from azure_ml.models.champion import find_champion
from azure_ml.services import find_service
from azure_ml.workspace import Workspace
from forecasting.problem.problem_file import Problem
from ml_service.output.closing import NOT_OPENED
from ml_service.output.failures import explain
from ml_service.settings.variables import Settings

UNKNOWN = "unknown, because it could not be read: {why}; check production: python -m ml_service verify"


def live_now(settings: Settings, training: Workspace | None, production: Workspace | None) -> str:
    """The sentence. None for a workspace that the command did not open."""
    try:
        if production is not None:
            return _in_production(settings, production)
        return _by_registry(settings, training) if training is not None else NOT_OPENED
    except Exception as error:
        known = explain(error)
        return UNKNOWN.format(why=known.happened if known else type(error).__name__)


def _in_production(settings: Settings, production: Workspace) -> str:
    name = settings.production_service_name
    service = find_service(production, name)
    if service is None:
        return f"nothing: there is no service {name} in workspace {production.name}"
    labels = service.labels
    model = f"{labels.get('model_name', 'unknown')}:{labels.get('model_version', 'unknown')}"
    state, since = service.state.state, service.updated[:16].replace("T", " ")
    return f"{model} in workspace {production.name}, service {name} {state}, deployed {since} UTC"


def _by_registry(settings: Settings, training: Workspace) -> str:
    champion = find_champion(training, settings.model_name, Problem(settings.problem_file).series.name)
    who = f"{champion.label} is champion" if champion else "there is no champion"
    if settings.has_production:
        return f"{who}, according to the registry; this command does not change production"
    return f"{who}; no production workspace is configured"
