"""A candidate: a model version that the gate has accepted, its state, and what is known of its bytes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum


class State(StrEnum):
    """Where a candidate stands."""

    ACCEPTED = "accepted"
    AWAITING = "awaiting approval"
    RELEASED = "released"
    REJECTED = "rejected"
    SUPERSEDED = "superseded"
    """Another version has become champion, so the gate's comparison no longer holds."""
    EXPIRED = "expired"
    WITHDRAWN = "withdrawn"
    UNKNOWN = "unknown"
    """An approval was asked for, and whether it was given cannot be read."""


OPEN = frozenset({State.ACCEPTED, State.AWAITING, State.UNKNOWN})
"""From these a candidate may move on by itself."""
_LONGEST_SHOWN = 300


@dataclass(frozen=True)
class Move:
    """A candidate came into a state: when, by whom and why."""

    state: State
    since: str
    """UTC, as the ledger writes it."""
    person: str
    reason: str
    build_id: str
    """The build in which it happened; of a rejection, the build that was rejected."""


@dataclass(frozen=True)
class Setback:
    """What happened before to the same bytes, under whichever version: a fact for the next approver."""

    kind: str
    """One of `rejected`, `rolled back`, `undone` (its release failed a check)."""
    model: str
    """`name:version` that had these bytes then."""
    when: str
    person: str
    reason: str
    build_id: str


@dataclass(frozen=True)
class Candidate:
    """A model version that the gate has accepted, as it stands at one moment."""

    model_name: str
    version: int
    """In the training workspace."""
    model_sha256: str
    run_id: str
    """The training run that the gate accepted last."""
    accepted: str
    """When the gate accepted it last."""
    compared_with: str
    """Version that was champion then, `none`, or empty where that is not recorded."""
    move: Move
    """The last one."""
    due: bool
    """Whether that move is not in the ledger yet; the next writing verb records it."""
    age_days: float
    expires: str
    """When it expires, or expired; empty where the problem sets no maximum age."""
    setbacks: tuple[Setback, ...]
    """Of the same bytes, the newest first."""

    @property
    def state(self) -> State:
        """Where it stands."""
        return self.move.state

    @property
    def since(self) -> str:
        """Since when it stands there."""
        return self.move.since

    @property
    def person(self) -> str:
        """Who moved it there."""
        return self.move.person

    @property
    def reason(self) -> str:
        """Why it stands there."""
        return self.move.reason

    @property
    def model(self) -> str:
        """`name:version`."""
        return f"{self.model_name}:{self.version}"

    @property
    def line(self) -> str:
        """State, time, person and reason in one sentence."""
        by = f" by {self.person}" if self.person else ""
        why = " ".join(self.reason.split())[:_LONGEST_SHOWN]
        return f"{self.state} since {self.since}{by}" + (f": {why}" if why else "")


def pending(candidates: Iterable[Candidate]) -> list[Candidate]:
    """The candidates that may be released as they stand, the newest first.

    One whose approval cannot be read is none: it may have been rejected.
    """
    valid = (found for found in candidates if found.state in (State.ACCEPTED, State.AWAITING))
    return sorted(valid, key=lambda found: (found.accepted, found.version), reverse=True)


def moment(text: str) -> datetime | None:
    """A moment of the ledger or of a registry; None where it is not one with a time zone."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found if found.tzinfo else None


def expiry(accepted: str, after_days: int | None) -> str:
    """When a candidate that was accepted then expires; empty: never, or the moment is not known."""
    begun = moment(accepted)
    if begun is None or after_days is None:
        return ""
    return (begun + timedelta(days=after_days)).isoformat(timespec="seconds")
