"""What the tables of the dossier show beside the entries: roles, overrides, failures and builds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from azure_ml.workspace import UNKNOWN
from ml_service.audit.completeness.of_ledger import runs_of
from ml_service.audit.completeness.population import BuildFacts
from ml_service.audit.events import kinds
from ml_service.audit.timeline.intervals import Served
from ml_service.production.candidates.candidate import State
from ml_service.production.candidates.events import move_of
from ml_service.production.chain import deployments
from ml_service.production.chain.entry import Entry
from ml_service.production.ledger import SUCCEEDED

_FAILURES = ("run.failed", "run.canceled", kinds.REQUEST_FAILED)
_UNNAMED = "local rehearsal"
"""In the place of a person's name where a run on local_azure was given none."""
_MOST_EVENTS = 12
"""Of a build that are listed in its row."""


@dataclass(frozen=True)
class Duties:
    """Whether somebody else approved a deployment than asked for it, trained its model or overrode the gate."""

    separate: str
    """yes, no or unknown."""
    why: str


def duties(served: Served, run: Entry | None, overrides: Sequence[Entry]) -> Duties:
    """The roles of persons in a deployment. run: the end of the training run; overrides: of the version's runs."""
    approver = served.document["approver"]
    trainer = str(run.details.get("requested_for", "")) if run else ""
    roles = [("asked for it", served.opened.who)]
    roles += [("trained it", trainer)] if trainer else []  # a schedule has no person
    roles += [("overrode the gate", str(entry.details.get("person", ""))) for entry in overrides]
    if not _is_known(approver):
        return Duties("unknown", "who approved it is unknown")
    same = dict.fromkeys(role for role, person in roles if person.casefold() == approver.casefold())
    if same:
        return Duties("no", f"{approver} approved it and also {', '.join(same)}")
    unknown = dict.fromkeys(role for role, person in roles if not _is_known(person))
    if unknown:
        return Duties("unknown", f"who {', '.join(unknown)} is unknown")
    return Duties("yes", "as far as different names are different persons")


def _is_known(person: str) -> bool:
    return person not in ("", UNKNOWN, _UNNAMED)


def models_of_runs(entries: Iterable[Entry]) -> dict[str, list[str]]:
    """The versions, as `name:version`, that were accepted or deployed from each training run."""
    found: dict[str, dict[str, bool]] = {}
    for entry in entries:
        if entry.event == deployments.STARTED or move_of(entry) is not None:
            for run_id in runs_of(entry):
                found.setdefault(run_id, {})[entry.after] = True
    return {run_id: list(models) for run_id, models in found.items()}


def overrides_of(entries: Sequence[Entry]) -> dict[str, list[Entry]]:
    """The overrides of each version, by `name:version`."""
    models = models_of_runs(entries)
    found: dict[str, list[Entry]] = {}
    for entry in entries:
        if entry.event == kinds.OVERRIDE_GRANTED:
            for model in models.get(entry.subject, ()):
                found.setdefault(model, []).append(entry)
    return found


def answers(entries: Iterable[Entry]) -> list[Entry]:
    """Requests for approval and their answers; a rejected candidate is one where no entry has the answer itself."""
    told = list(entries)
    refused = {str(entry.details.get("build_id", "")) for entry in told if entry.event == kinds.APPROVAL_REFUSED}
    return [
        entry
        for entry in told
        if entry.event.startswith(kinds.APPROVAL)
        or (_is_rejection(entry) and str(entry.details.get("build_id", "")) not in refused)
    ]


def _is_rejection(entry: Entry) -> bool:
    move = move_of(entry)
    return move is not None and move.state is State.REJECTED


def stages_of(entries: Iterable[Entry]) -> dict[str, str]:
    """The stage that asked for an approval, by its build, as far as entries name it."""
    told = ((str(entry.details.get("build_id", "")), str(entry.details.get("stage", ""))) for entry in entries)
    return {build: stage for build, stage in told if build and stage}


def failures(entries: Iterable[Entry]) -> list[Entry]:
    """Runs, requests and deployments that did not succeed, the oldest first."""
    return [
        entry for entry in entries if entry.event in _FAILURES or deployments.state_of(entry) not in ("", SUCCEEDED)
    ]


@dataclass
class Build:
    """A build that entries name. result: as Azure DevOps tells it."""

    id: str
    result: str
    entries: list[Entry] = field(default_factory=list)

    @property
    def shown(self) -> list[Entry]:
        """The first of its entries."""
        return self.entries[:_MOST_EVENTS]

    @property
    def own(self) -> Entry | None:
        """The first entry that the build itself wrote, which names person and commit."""
        return next((entry for entry in self.entries if entry.build_id == self.id), None)


def builds(entries: Iterable[Entry], known: Mapping[str, BuildFacts | None] | None) -> list[Build]:
    """Every build that an entry names, the first one first. known: as Azure DevOps tells them; None: not asked."""
    found: dict[str, Build] = {}
    for entry in entries:
        for build in dict.fromkeys((str(entry.details.get("build_id", "")), entry.build_id)):
            if build and build not in found:
                found[build] = Build(build, _result(build, known))
            if build:
                found[build].entries.append(entry)
    return list(found.values())


def _result(build: str, known: Mapping[str, BuildFacts | None] | None) -> str:
    if known is None:
        return "not asked"
    told = known.get(build)
    return told.result if told else UNKNOWN
