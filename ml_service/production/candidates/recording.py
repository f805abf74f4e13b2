"""Write to the ledger what becomes of candidates: acceptances, approvals that are awaited, and moves that are due.

None of it changes production, so no lease is needed: an entry that another process has taken is followed by ours.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from azure_ml.storage.blobs import open_blobs
from azure_ml.workspace import Workspace
from forecasting.decision.record import DecisionRecord
from forecasting.problem.problem_file import Problem
from ml_service.azure_devops.approvals import Ask
from ml_service.errors import CheckFailedError, ConflictError, InvalidRequestError
from ml_service.output.failures import explain
from ml_service.production import ledger
from ml_service.production.candidates import events
from ml_service.production.candidates.candidate import OPEN, Candidate, Move, State
from ml_service.production.candidates.events import Acceptance, Subject
from ml_service.production.candidates.reading import read_registry
from ml_service.production.chain import store
from ml_service.production.chain.deployments import Actor, actor_of
from ml_service.production.chain.entry import NONE, Entry, Event, utc_now
from ml_service.settings.build import Build
from ml_service.settings.override import demand_recordable
from ml_service.settings.variables import Settings

_ATTEMPTS = 10
Wanted = Callable[[tuple[Candidate, ...], tuple[Entry, ...]], Iterable[Event]]
"""What to write, given the candidates and the entries as they are."""


@dataclass(frozen=True)
class Desk:
    """Who writes, for which problem."""

    training: Workspace
    settings: Settings
    build: Build
    ask: Ask
    say: Callable[[str], None]

    @property
    def actor(self) -> Actor:
        """The writer of an entry. The identity that signed in is the same as that of the build's runs."""
        return actor_of(self.build)


def settle(desk: Desk) -> None:
    """Record the moves that are due: rejections, approvals that have ended, superseded and expired candidates."""
    _write(desk, lambda candidates, _: _due(desk, candidates))


def try_to(write: Callable[[Desk], None], desk: Desk) -> None:
    """Write where a failure must not fail the verb: the next one that writes finds the same moves due."""
    try:
        write(desk)
    except Exception as error:
        known = explain(error)
        if known is None:
            raise
        desk.say(f"warning: candidates are not up to date in the ledger; the next writing verb records them: {known}")


def accept(desk: Desk, decision: DecisionRecord, version: int, stage: str) -> None:
    """Record that the gate has accepted a version, and which stage of this build now asks for its approval.

    stage: empty where none does. Nothing is recorded of the champion's own bytes. A training run is accepted once,
    and each build that asks for an approval of it is named once. A candidate that is decided already awaits nothing.
    """
    evidence, context = decision.evidence, decision.context
    subject = Subject(context.model_name, version, evidence.challenger.model_sha256, context.run_id)
    compared = (context.champion.version if context.champion else "") or NONE
    if compared == str(version):
        settle(desk)
        return
    override = evidence.override.model_dump() if evidence.override else None
    acceptance = Acceptance(subject, decision.sha256, compared, evidence.sentence, override)

    def wanted(candidates: tuple[Candidate, ...], entries: tuple[Entry, ...]) -> Iterable[Event]:
        yield from _due(desk, candidates)
        known = [entry for entry in entries if entry.details.get("run_id") == subject.run_id]
        accepted = events.accepted(acceptance, desk.actor)
        is_new = all(entry.event != accepted.event for entry in known)
        if is_new:
            yield accepted
        move = Move(State.AWAITING, utc_now(), desk.build.who, "", desk.build.build_id)
        awaiting = events.moved(subject, move, desk.actor, stage=stage)
        is_open = is_new or any(one.version == version and one.state in OPEN for one in candidates)
        if stage and is_open and all(_asks(entry) != _asks(awaiting) for entry in known):
            yield awaiting

    _write(desk, wanted)


def _asks(found: Entry | Event) -> tuple[str, object, object]:
    """What happened, and in which stage of which build."""
    return found.event, found.details.get("build_id"), found.details.get("stage")


def withdraw(desk: Desk, version: int, reason: str) -> Candidate:
    """Take a candidate back, so that nobody releases it by mistake; returns it as it was.

    Raises: InvalidRequestError (no such candidate, no reason), CheckFailedError (it is no longer open).
    """
    if not reason.strip():
        raise InvalidRequestError("withdrawing a candidate requires a reason", todo="add --reason TEXT")
    demand_recordable("--reason", reason)
    found: list[Candidate] = []

    def wanted(candidates: tuple[Candidate, ...], _: tuple[Entry, ...]) -> Iterable[Event]:
        candidate = demand_candidate(candidates, version, desk.settings.model_name)
        if candidate.state not in OPEN:
            raise CheckFailedError(
                f"candidate {candidate.model} cannot be withdrawn",
                found=candidate.line,
                expected=" or ".join(sorted(OPEN)),
            )
        found.append(candidate)
        move = Move(State.WITHDRAWN, utc_now(), desk.build.who, reason.strip(), desk.build.build_id)
        yield events.moved(_subject(candidate), move, desk.actor)

    _write(desk, wanted)
    return found[-1]


def demand_candidate(candidates: Iterable[Candidate], version: int, model_name: str) -> Candidate:
    """The candidate of that version. Raises: InvalidRequestError when there is none."""
    found = next((one for one in candidates if one.version == version), None)
    if found is None:
        raise InvalidRequestError(
            f"there is no candidate {model_name}:{version}",
            todo="list the candidates: python -m ml_service candidates list",
        )
    return found


def _due(desk: Desk, candidates: Iterable[Candidate]) -> Iterable[Event]:
    for candidate in candidates:
        if candidate.due:
            desk.say(f"candidate {candidate.model}: {candidate.line}")
            yield events.moved(_subject(candidate), candidate.move, desk.actor)


def _subject(candidate: Candidate) -> Subject:
    return Subject(candidate.model_name, candidate.version, candidate.model_sha256, candidate.run_id)


def _write(desk: Desk, wanted: Wanted) -> None:
    """Append what is wanted; where another process writes at the same time, re-check what is wanted then.

    Raises: CheckFailedError when the ledger was changed, ConflictError after many attempts.
    """
    blobs, registry = open_blobs(desk.training), read_registry(desk.training, desk.settings)
    problem = Problem(desk.settings.problem_file).series.name
    for attempt in range(_ATTEMPTS):
        chain, runs = ledger.read_stored(blobs, desk.training, desk.settings, problem)
        chain.demand_whole()
        entries = ledger.with_earlier_records(chain, runs).entries
        try:
            for event in wanted(registry.candidates(entries, desk.ask), entries):
                chain = store.append(blobs, chain, chain.next_entry(event))
        except ConflictError:
            if attempt == _ATTEMPTS - 1:
                raise
        else:
            return
