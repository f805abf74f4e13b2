"""Production: both workspaces, what serves now, and what it was made from."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from azure_ml.models.champion import find_champion
from azure_ml.services import HEALTHY, TRANSITIONING, Service, find_service
from azure_ml.workspace import Workspace
from ml_service.errors import ConflictError, TimedOutError
from ml_service.output.console import Terminal
from ml_service.production import ledger
from ml_service.production.chain.entry import NONE
from ml_service.production.ledger import Record
from ml_service.settings.build import Build
from ml_service.settings.variables import Settings

_DEPLOYMENT_SECONDS = 1800
_LOOK_SECONDS = 0.5


@dataclass(frozen=True)
class Site:
    """Both workspaces, and who acts."""

    training: Workspace
    production: Workspace
    settings: Settings
    build: Build
    terminal: Terminal
    problem: str
    """Name of the problem, which the champion's tag carries."""
    take_over: str = ""
    """Why a service that was changed or made by hand may be replaced; empty: it may not."""
    reason: str = ""
    """Why a person asks for it; empty where nobody has to say."""


@dataclass(frozen=True)
class Serving:
    """A service of production and the record of the deployment that made it."""

    service: Service
    record: Record


def known_deployments(site: Site) -> tuple[Record, ...]:
    """The deployments of the service that the settings name, the newest first, for verbs that change nothing.

    Says which of them have not ended. Raises: CheckFailedError when the ledger was changed.
    """
    records = ledger.read_all(site.training, site.settings)
    known = ledger.of_service(records, site.production.name, site.settings.production_service_name)
    for record in ledger.unfinished(known):
        site.terminal.err(
            f"note: {record.line} has not ended: it is in progress, or its process has died and the next release or "
            f"rollback closes it as {ledger.ABANDONED}"
        )
    return known


def serving(site: Site, known: tuple[Record, ...]) -> Serving | None:
    """What serves now; None when there is no service, or one without a record that is to be taken over.

    Raises: ConflictError when no record tells who made it, or it is another problem's.
    """
    name = site.settings.production_service_name
    service = find_service(site.production, name)
    if service is None:
        return None
    owner = service.labels.get("problem", site.problem)
    if owner != site.problem:
        raise ConflictError(
            f"service {name} in workspace {site.production.name} serves the problem {owner}",
            expected=f"a service of the problem {site.problem}",
            todo="choose another PRODUCTION_SERVICE_NAME for this problem (environments/production.yml)",
        )
    record = ledger.find(known, label(service))
    if record is None and site.take_over:
        site.terminal.err(f"taking over service {name} in {site.production.name}, which was created by hand")
        return None
    if record is None:
        raise ConflictError(
            f"service {name} in workspace {site.production.name} was not deployed by a release",
            found="no record of its deployment",
            todo="choose another PRODUCTION_SERVICE_NAME; or replace it: the same command with\n"
            "--take-over --reason TEXT (manual changes cannot be restored)",
        )
    return Serving(service, record)


def label(service: Service) -> str:
    """Return the id of the deployment that created a service, or an empty text if it was created by hand."""
    return service.labels.get("deployment", "")


def settled_service(site: Site) -> Service | None:
    """The service of production, once no deployment of it is in progress. Raises: TimedOutError."""
    name = site.settings.production_service_name
    patience = time.monotonic() + _DEPLOYMENT_SECONDS
    said = False
    while (service := find_service(site.production, name)) is not None and service.state.state == TRANSITIONING:
        if not said:
            site.terminal.err(f"waiting for service {name}, which is {TRANSITIONING}")
            said = True
        if time.monotonic() > patience:
            raise TimedOutError(
                f"service {name} in workspace {site.production.name} is still {TRANSITIONING}",
                expected=f"the end of its deployment within {_DEPLOYMENT_SECONDS // 60} minutes",
                todo="look at the service in the studio, then repeat the command",
            )
        time.sleep(_LOOK_SECONDS)
    return service


def last_good(known: Sequence[Record]) -> Record | None:
    """What to restore when a deployment fails: the last that succeeded."""
    return next(iter(ledger.succeeded(known)), None)


def healthy(now: Serving) -> bool:
    """Whether the service runs, with the model version that its record names."""
    versions = [str(model.version) for model in now.service.models]
    return now.service.state.state == HEALTHY and versions == [now.record.content.production_version]


def is_settled(site: Site, now: Serving, known: Sequence[Record]) -> bool:
    """Whether service, champion and ledger agree: the last deployment that succeeded serves, and is champion."""
    last, content = last_good(known), now.record.content
    if last is None or last.id != now.record.id or not healthy(now):
        return False
    champion = find_champion(site.training, content.model_name, site.problem)
    return champion is not None and str(champion.version) == content.model_version


def before_id(now: Serving | None) -> str:
    """Id of the deployment that serves, or `none`."""
    return now.record.id if now else NONE
