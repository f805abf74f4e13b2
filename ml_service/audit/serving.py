"""What serves now by the deployment ledger, and whether the live service is as the ledger records it.

For those who read: the production workspace may be closed to them, and then the ledger alone tells.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from azure_ml.pipelines.runs import find_run
from azure_ml.services import HEALTHY, Service, find_service
from azure_ml.workspace import Workspace
from forecasting.decision.record import DecisionRecord
from ml_service.azure_devops.approvals import Ask
from ml_service.output.console import Terminal
from ml_service.production import integrity, ledger
from ml_service.production.candidates.candidate import Candidate, Setback
from ml_service.production.candidates.reading import read_registry
from ml_service.production.ledger import Content, Record
from ml_service.production.live import changes
from ml_service.production.site import label, last_good
from ml_service.settings.build import Build
from ml_service.settings.variables import Settings

Check = Literal["as-recorded", "changed", "unknown"]


@dataclass(frozen=True)
class View:
    """Both workspaces and the identity that reads them; nothing is changed through it."""

    training: Workspace
    production: Workspace | None
    """None if the caller has no access to it."""
    settings: Settings
    build: Build
    terminal: Terminal
    problem: str
    ask: Ask
    """How the approval of a build is read."""


@dataclass(frozen=True)
class Now:
    """The deployment that serves now."""

    record: Record
    decision: DecisionRecord | None
    """The decision about its model; None where it cannot be read."""
    check: Check
    finding: str = ""
    """What differs from the record, or why that is unknown; empty if the caller has no access to the workspace."""

    @property
    def content(self) -> Content:
        """What it serves."""
        return self.record.content


@dataclass(frozen=True)
class Recorded:
    """The state of a problem according to the ledger and the registry."""

    known: tuple[Record, ...]
    """The deployments of its service, the newest first."""
    candidates: tuple[Candidate, ...]
    """The newest version first."""

    def candidate(self, version: str) -> Candidate | None:
        """The history of a version in the ledger."""
        return next((one for one in self.candidates if str(one.version) == version), None)

    def setbacks(self, version: str) -> tuple[Setback, ...]:
        """What happened before to the bytes of a version."""
        found = self.candidate(version)
        return found.setbacks if found else ()


def read_recorded(view: View) -> Recorded:
    """Read ledger and registry. Raises: CheckFailedError when the ledger was changed."""
    settings = view.settings
    found = ledger.read(view.training, settings)
    found.chain.demand_whole()
    workspace, service = settings.azureml_production_workspace_name, settings.production_service_name
    registry = read_registry(view.training, settings)
    candidates = registry.candidates(found.chain.entries, view.ask)
    return Recorded(ledger.of_service(found.records, workspace, service), candidates)


def serving_now(view: View, known: Sequence[Record]) -> Now | None:
    """What serves; None where nothing has been deployed successfully, or a service is not ours."""
    last = last_good(known)
    if view.production is None:
        return Now(last, decision_of(view.training, last), "unknown") if last else None
    service = find_service(view.production, view.settings.production_service_name)
    record, check, finding = compared(known, service)
    return Now(record, decision_of(view.training, record), check, finding) if record else None


def compared(known: Sequence[Record], service: Service | None) -> tuple[Record | None, Check, str]:
    """The deployment that a live service comes from, whether it is as recorded, and what is not.

    known: deployments of the service, the newest first.
    """
    last = last_good(known)
    if service is None:
        gone = f"The service does not exist, but according to the ledger {last.content.model} serves" if last else ""
        return last, "changed" if last else "as-recorded", gone
    record = ledger.find(known, label(service))
    if record is None:
        return last, "changed", f"Service {service.name} was not deployed by a release, so its creator is unknown"
    return record, *_finding(known, record, service)


def _finding(known: Sequence[Record], record: Record, service: Service) -> tuple[Check, str]:
    """Whether a service is as its deployment left it, and what is not."""
    last = last_good(known)
    if last is None or record.id != last.id:
        return "changed", f"Service {service.name} is of deployment {record.id}, which is not the last that succeeded"
    if service.state.state != HEALTHY:
        return (
            "changed",
            f"Service {service.name} is {service.state.state}: {service.state.error or 'no reason given'}",
        )
    found = changes(known, service)
    if found is None:
        return "unknown", "The live code cannot be compared with the record, which lacks the data for it"
    return (
        ("changed", f"The service was changed by hand: {'; '.join(map(str, found))}")
        if found
        else ("as-recorded", "")
    )


def is_only_unhealthy(known: Sequence[Record], service: Service | None) -> bool:
    """Whether a service is known to be unchanged since the last successful deployment and still does not respond."""
    last = last_good(known)
    if service is None or last is None or service.state.state == HEALTHY:
        return False
    return label(service) == last.id and changes(known, service) == []


def decision_of(training: Workspace, record: Record) -> DecisionRecord | None:
    """The decision by which a model was deployed; None where it is gone or is not the recorded one."""
    run_id, sha256 = record.judged
    run = find_run(training, run_id) if run_id else None
    return integrity.decision_of_hash(run, sha256) if run else None
