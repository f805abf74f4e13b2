"""Production: both workspaces, what serves now, and what it was made from."""

from __future__ import annotations

from dataclasses import dataclass

from azure_ml.services import HEALTHY, Service, find_service
from azure_ml.workspace import Workspace
from ml_service.errors import ConflictError
from ml_service.output.console import Terminal
from ml_service.production import ledger
from ml_service.production.ledger import NONE, Record
from ml_service.settings.build import Build
from ml_service.settings.variables import Settings


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


@dataclass(frozen=True)
class Serving:
    """A service of production and the record of the deployment that made it."""

    service: Service
    record: Record


def serving(site: Site, known: tuple[Record, ...]) -> Serving | None:
    """What serves now, None when there is no service. Raises: ConflictError when no record tells who made it."""
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
    record = ledger.find(known, service.labels.get("deployment", ""))
    if record is None:
        raise ConflictError(
            f"service {name} in workspace {site.production.name} was not deployed by a release",
            found="no record of its deployment",
            todo="delete it, or choose another PRODUCTION_SERVICE_NAME: a release must know what it replaces",
        )
    return Serving(service, record)


def last_good(now: Serving | None, known: tuple[Record, ...]) -> Record | None:
    """What to put back when a deployment fails: what serves now, or where that never ended, the last that did."""
    if now is not None and now.record.state == ledger.SUCCEEDED:
        return now.record
    return next(iter(ledger.succeeded(known)), None)


def healthy(now: Serving) -> bool:
    """Whether the service runs, with the model version that its record names."""
    versions = [str(model.version) for model in now.service.models]
    return now.service.state.state == HEALTHY and versions == [now.record.content.production_version]


def before_id(now: Serving | None) -> str:
    """Id of the deployment that serves, or `none`."""
    return now.record.id if now else NONE
