"""The moves of each candidate as the ledger tells them: its own events, and those of its deployments."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from ml_service.production.candidates.candidate import OPEN, Move, Setback, State
from ml_service.production.candidates.events import Subject, move_of, subject_of
from ml_service.production.chain import deployments
from ml_service.production.chain.entry import Entry
from ml_service.production.ledger import ASKED_BECAUSE

SUCCEEDED, UNDONE, RELEASE, ROLLBACK = "succeeded", "undone", "release", "rollback"
_LONGEST_REASON = 300


@dataclass
class History:
    """The history of one model version in the ledger."""

    subject: Subject
    move: Move | None = None
    """The last one; None while only a first deployment of it is known to have begun."""
    accepted: Entry | None = None
    """The entry of its last acceptance."""
    asked: Entry | None = None
    """The entry of the last approval that it awaited."""


@dataclass
class Histories:
    """The histories of all candidates in the ledger."""

    of: dict[int, History] = field(default_factory=dict)
    """By version."""
    setbacks: list[tuple[str, Setback]] = field(default_factory=list)
    """The SHA-256 of model files, and what happened to them; the oldest first."""


def read_histories(entries: Iterable[Entry]) -> Histories:
    """Follow the entries in their order."""
    found, opened = Histories(), dict[str, tuple[Entry, Move | None]]()
    for entry in entries:
        move = move_of(entry)
        if move is not None:
            _follow_candidate(found, entry, move)
        elif entry.event == deployments.STARTED:
            opened[entry.subject] = entry, _follow_start(found, entry)
        elif deployments.state_of(entry) and entry.subject in opened:
            _follow_end(found, entry, *opened[entry.subject])
            _add_setback(found, entry, {id: started for id, (started, _) in opened.items()})
    return found


def _history(found: Histories, subject: Subject) -> History:
    return found.of.setdefault(subject.version, History(subject))


def _follow_candidate(found: Histories, entry: Entry, move: Move) -> None:
    subject = subject_of(entry)
    history = _history(found, subject)
    history.move, history.subject = move, subject
    if move.state is State.ACCEPTED and "compared_with" in entry.details:
        history.accepted = entry
    elif move.state is State.AWAITING:
        history.asked = entry
    elif move.state is State.REJECTED:
        setback = Setback("rejected", subject.model, move.since, move.person, move.reason, move.build_id)
        found.setbacks.append((subject.model_sha256, setback))


def _follow_start(found: Histories, opened: Entry) -> Move | None:
    """A deployment begins; returns the move before it, to which the version returns where it does not succeed."""
    history = _history(found, _deployed(opened))
    before = history.move
    if before is None or before.state in OPEN:
        in_progress = f"its {opened.details['record']['event']} is in progress"
        history.move = Move(State.ACCEPTED, opened.when, opened.who, in_progress, opened.build_id)
    return before


def _follow_end(found: Histories, closed: Entry, opened: Entry, before: Move | None) -> None:
    history, state = _history(found, _deployed(opened)), deployments.state_of(closed)
    what = f"{opened.details['record']['event']} {opened.subject}"
    if state == SUCCEEDED:
        history.move = Move(State.RELEASED, closed.when, opened.who, what, opened.build_id)
    elif before is None or before.state in OPEN:
        history.move = Move(State.ACCEPTED, closed.when, opened.who, f"{what} ended as {state}", opened.build_id)
    else:
        history.move = before


def _add_setback(found: Histories, closed: Entry, opened: dict[str, Entry]) -> None:
    """A rollback is a setback of the bytes that served until then; a release that was undone, of its own."""
    started, state = opened[closed.subject], deployments.state_of(closed)
    record = started.details["record"]
    if record["event"] == ROLLBACK and state == SUCCEEDED:
        before = opened.get(record.get("from", ""))
        why = record.get(ASKED_BECAUSE, "")
    elif record["event"] == RELEASE and state == UNDONE:
        before, why = started, str(deployments.told_by(closed).get("reason", ""))
    else:
        return
    if before is None or (before is not started and _same_bytes(before, started)):
        return
    kind = "undone" if before is started else "rolled back"
    subject, reason = _deployed(before), why.partition("\n")[0][:_LONGEST_REASON]
    setback = Setback(kind, subject.model, closed.when, started.who, reason, started.build_id)
    found.setbacks.append((subject.model_sha256, setback))


def _same_bytes(one: Entry, other: Entry) -> bool:
    return _deployed(one).model_sha256 == _deployed(other).model_sha256


def _deployed(opened: Entry) -> Subject:
    """The model version of a deployment. Records of an earlier version may lack hash and run."""
    record = opened.details["record"]
    sha256, run_id = record.get("model_sha256", ""), record.get("run_id", "")
    return Subject(record["model_name"], int(record["model_version"]), sha256, run_id)
