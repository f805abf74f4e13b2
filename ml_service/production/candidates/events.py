"""The events of candidates in the ledger, beside those of deployments; they change nothing in production."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ml_service.production.candidates.candidate import Move, State
from ml_service.production.chain.deployments import Actor
from ml_service.production.chain.entry import CANDIDATE, NONE, Event

_EVENTS: dict[State, str] = {state: f"{CANDIDATE}{state.replace(' ', '_')}" for state in State}
_STATES = {event: state for state, event in _EVENTS.items()}


@dataclass(frozen=True)
class Subject:
    """The model version that an event is about."""

    model_name: str
    version: int
    model_sha256: str
    run_id: str
    """The training run that the gate accepted last."""

    @property
    def model(self) -> str:
        """`name:version`."""
        return f"{self.model_name}:{self.version}"


@dataclass(frozen=True)
class Acceptance:
    """What the gate has accepted, and why."""

    subject: Subject
    decision_sha256: str
    compared_with: str
    """Version that was champion, or `none`."""
    sentence: str
    override: Mapping[str, str] | None = None
    """Person and reason, where the gate was overridden."""


def accepted(found: Acceptance, actor: Actor) -> Event:
    """The gate has accepted a version: it is a candidate, or one again."""
    move = Move(State.ACCEPTED, actor["when"], actor["who"], found.sentence, actor["build_id"])
    override = {"override": dict(found.override)} if found.override else {}
    event = moved(found.subject, move, actor, compared_with=found.compared_with, **override)
    evidence = {**event.evidence, "decision_sha256": found.decision_sha256}
    return event.model_copy(update={"before": NONE, "evidence": evidence})


def moved(subject: Subject, move: Move, actor: Actor, **details: Any) -> Event:
    """A candidate comes into another state, which is a known one.

    actor: who writes that down; the move has a person of its own.
    """
    return Event(
        event=_EVENTS[move.state],
        subject=subject.model,
        what=f"candidate {subject.model}: {move.state}",
        before=subject.model,
        after=subject.model,
        evidence={"model_sha256": subject.model_sha256} if subject.model_sha256 else {},
        details={
            "model_name": subject.model_name,
            "model_version": str(subject.version),
            "run_id": subject.run_id,
            "since": move.since,
            "person": move.person,
            "reason": move.reason,
            "build_id": move.build_id,
            **details,
        },
        **{**actor, "who": move.person or actor["who"]},
    )


def subject_of(event: Event) -> Subject:
    """The model version that an event of a candidate is about."""
    told = event.details
    sha256 = event.evidence.get("model_sha256", "")
    return Subject(str(told["model_name"]), int(told["model_version"]), sha256, str(told["run_id"]))


def move_of(event: Event) -> Move | None:
    """The move that an event of the ledger tells; None for an event of something else."""
    state = _STATES.get(event.event)
    if state is None:
        return None
    told = event.details
    return Move(state, str(told["since"]), str(told["person"]), str(told["reason"]), str(told["build_id"]))
