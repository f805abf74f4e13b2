"""Each decision that accepted a version: its run, its override, and what became of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from ml_service.audit.completeness.of_ledger import runs_of
from ml_service.audit.completeness.population import ModelFacts
from ml_service.audit.events import kinds
from ml_service.production.candidates.candidate import State
from ml_service.production.candidates.events import move_of
from ml_service.production.chain import deployments
from ml_service.production.chain.entry import Entry
from ml_service.production.ledger import APPROVED_RUN, SUCCEEDED

_ACCEPTED = "accepted"


@dataclass(frozen=True)
class Accepted:
    """A decision that accepted a model, and what followed it.

    models: versions, as `name:version`, that have these bytes; answers: to the approval of its build, and refusals.
    """

    decided: Entry
    override: Entry | None
    models: tuple[str, ...]
    answers: tuple[Entry, ...]

    @property
    def refused(self) -> Entry | None:
        """The last refusal of a request of its build."""
        return next((entry for entry in reversed(self.answers) if entry.event.startswith(kinds.REQUEST)), None)


def acceptances(entries: Sequence[Entry], registered: Iterable[ModelFacts]) -> list[Accepted]:
    """Every decision that accepted a model, the oldest first.

    A run that makes the bytes of an existing version leaves no entry that names the version: its hash tells it.
    """
    versions = _versions(entries, registered)
    overrides = {entry.subject: entry for entry in entries if entry.event == kinds.OVERRIDE_GRANTED}
    of_builds = _answers_of_builds(entries)
    return [
        Accepted(
            entry,
            overrides.get(entry.subject),
            tuple(versions.get(entry.evidence.get("model_sha256", ""), ())),
            tuple(of_builds.get(entry.build_id, ())),
        )
        for entry in entries
        if entry.event == kinds.GATE_DECIDED and entry.details.get("outcome", "") == _ACCEPTED
    ]


def of_models(found: Iterable[Accepted]) -> dict[str, list[Accepted]]:
    """The acceptances of each version."""
    told: dict[str, list[Accepted]] = {}
    for one in found:
        for model in one.models:
            told.setdefault(model, []).append(one)
    return told


def without_candidate(found: Iterable[Accepted], entries: Iterable[Entry]) -> list[Accepted]:
    """Acceptances by which nothing was deployed, and which no entry of a candidate tells either."""
    told: set[str] = set()
    opened: dict[str, str] = {}
    for entry in entries:
        move = move_of(entry)
        if move is not None and move.state is State.ACCEPTED:
            told |= runs_of(entry)
        elif entry.event == deployments.STARTED:
            opened[entry.subject] = run_of(entry.details["record"])
        elif deployments.state_of(entry) == SUCCEEDED:
            told.add(opened.get(entry.subject, ""))
    return [one for one in found if one.decided.subject not in told]


def run_of(record: Mapping[str, str]) -> str:
    """The training run by whose decision a deployment was made."""
    return record.get(APPROVED_RUN) or record.get("run_id", "")


def _versions(entries: Iterable[Entry], registered: Iterable[ModelFacts]) -> dict[str, dict[str, bool]]:
    """The versions that have each hash of a model."""
    found: dict[str, dict[str, bool]] = {}
    for one in registered:
        found.setdefault(one.properties.get("model_sha256", ""), {})[f"{one.name}:{one.version}"] = True
    for entry in entries:
        if entry.event == deployments.STARTED or move_of(entry) is not None:
            found.setdefault(entry.evidence.get("model_sha256", ""), {})[entry.after] = True
    found.pop("", None)
    return found


def _answers_of_builds(entries: Iterable[Entry]) -> dict[str, list[Entry]]:
    """The answers to approvals, and the refusals, of each build."""
    found: dict[str, list[Entry]] = {}
    for entry in entries:
        if entry.event.startswith((kinds.APPROVAL, kinds.REQUEST)):
            found.setdefault(entry.about_build, []).append(entry)
    return found
