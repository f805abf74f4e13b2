"""Which candidate a release may take, and which one needs the reason of a person."""

from __future__ import annotations

from ml_service.errors import CheckFailedError
from ml_service.production.candidates.candidate import Candidate, State

_FREE = frozenset({State.ACCEPTED, State.AWAITING, State.RELEASED})
_APPROVED = frozenset({State.REJECTED, State.UNKNOWN, State.SUPERSEDED})
"""A release that runs in a pipeline was approved after these; an expiry or a withdrawal may be later than that."""


def demand_releasable(candidate: Candidate, reason: str, *, in_pipeline: bool) -> None:
    """Refuse a candidate that was rejected, has expired, ..., unless a person at a terminal gives a reason.

    in_pipeline: whether the environment's approval was asked before this release: then a reason says why it was asked
    for, and excuses no state. Raises: CheckFailedError.
    """
    free = candidate.state in _APPROVED if in_pipeline else bool(reason)
    if free or candidate.state in _FREE:
        return
    raise CheckFailedError(
        f"candidate {candidate.model} is not released: it is {candidate.state}",
        found=candidate.line,
        expected=f"one that is {State.ACCEPTED} or {State.AWAITING}",
        todo="release the newest valid one: python -m ml_service release --pending;\n"
        "to release this one nevertheless, at a terminal: add --reason TEXT, which is recorded",
    )
