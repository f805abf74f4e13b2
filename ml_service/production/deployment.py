"""Make one deployment to production: deploy, check, move the champion, close the record, or undo all of it."""

from __future__ import annotations

import tempfile
from dataclasses import asdict
from pathlib import Path

from azure_ml.errors import ExplainedError
from azure_ml.models.champion_move import make_champion
from azure_ml.sdk_errors import message_of
from azure_ml.services import Service, delete, deploy_service, find_service
from ml_service.errors import FaultError
from ml_service.output.failures import explain
from ml_service.production import ledger
from ml_service.production.evidence import production_model
from ml_service.production.ledger import Content, Record
from ml_service.production.site import Site
from ml_service.training.smoke import demand_same_forecast
from ml_service.training.snapshots import Scoring


def deploy_to_production(site: Site, record: Record, scoring: Scoring, before: Record | None) -> Service:
    """Make one deployment: deploy, check the live answer, move the champion, close the record. Returns the service.

    before: the deployment that serves now; what fails is undone by putting it back.
    Raises: CheckFailedError (the check said no) or FaultError, after the undoing, and says how that went.
    """
    content = record.content
    try:
        service = _deploy(site, record.id, content, scoring)
        version, because = int(content.model_version), f"deployment {record.id}"
        moved = make_champion(site.training, content.model_name, version, site.problem, because)
    except (Exception, KeyboardInterrupt) as error:
        raise _undone(site, record, before, error) from error
    told = {"serves": content.model, "url": service.url, "champion_before": moved, "check": "equal"}
    ledger.finish(record, ledger.SUCCEEDED, {**told, "evidence": site.production.tags})
    return service


def _undone(site: Site, record: Record, before: Record | None, error: BaseException) -> ExplainedError:
    """Undo a deployment that went wrong and close its record; returns what to raise."""
    known = explain(error) or FaultError(f"deployment of {record.content.model} broke off", found=repr(error))
    back = before.content.model if before else "no service, as before"
    site.terminal.note(f"{known.happened}\nrolling back to {back}")
    try:
        restore(site, before)
        state, did = ledger.ROLLED_BACK, f"rolled back by itself: {back}"
    except Exception as second:
        state, did = ledger.FAILED, f"the rollback to {back} failed too: {message_of(second)}"
    told = {"serves": back if state == ledger.ROLLED_BACK else "unknown", "reason": str(known)}
    ledger.finish(record, state, {**told, "evidence": site.production.tags})
    ended = type(known) if state == ledger.ROLLED_BACK else FaultError
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
        _deploy(site, before.id, before.content, ledger.fetch_scoring(before, Path(scratch)))


def withdraw(site: Site) -> None:
    """Delete the service; does nothing when there is none."""
    service = find_service(site.production, site.settings.production_service_name)
    if service is not None:
        delete(service)


def _deploy(site: Site, deployment: str, content: Content, scoring: Scoring) -> Service:
    """Deploy and check. Raises: CheckFailedError, FaultError with the service's log."""
    name = site.settings.production_service_name
    registered, stored = production_model(site, content)
    site.terminal.note(f"deploying {content.model} to service {name} in workspace {site.production.name}")
    service = deploy_service(
        site.production,
        name,
        registered,
        scoring=scoring.folder,
        environment=scoring.environment,
        labels={**asdict(content), "deployment": deployment, "problem": site.problem},
        announce=site.terminal.note,
    )
    demand_same_forecast(service, stored, stored.horizon, registered.label)
    site.terminal.note(f"service {name} answers as the model itself forecasts ({stored.horizon} days)")
    return service
