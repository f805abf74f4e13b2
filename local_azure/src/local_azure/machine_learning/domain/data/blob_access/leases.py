"""Leases of blobs: their states, and what each action and each use of a leased blob leads to.

Source: Azure Storage REST, "Lease Blob", outcomes of lease operations and of use attempts by lease state.
Nothing here depends on the wall clock: a lease is measured by the time since the machine was started.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, fields, replace
from enum import StrEnum
from typing import Any

from local_azure.machine_learning.clock import Uptime, new_id
from local_azure.machine_learning.errors import ApiError

INFINITE = -1
SHORTEST_SECONDS, LONGEST_SECONDS = 15, 60
MOST_BREAK_SECONDS = 60


class LeaseState(StrEnum):
    """State of a lease, as headers and listings show it."""

    AVAILABLE = "available"
    LEASED = "leased"
    EXPIRED = "expired"
    BREAKING = "breaking"
    BROKEN = "broken"

    @property
    def is_locked(self) -> bool:
        """Whether the blob can be written with the id of the lease only."""
        return self in (LeaseState.LEASED, LeaseState.BREAKING)


@dataclass(frozen=True)
class Lease:
    """A lease as it is stored.

    duration: seconds as acquired, or INFINITE. period: seconds from `since` until it ends, None for never.
    since, boot: seconds since that start of the machine.
    """

    id: str
    duration: int
    period: float | None
    since: float
    boot: str
    is_breaking: bool = False

    @classmethod
    def of_document(cls, document: dict[str, Any]) -> Lease:
        """Return the stored lease, whatever keys its document has besides."""
        return cls(**{one.name: document[one.name] for one in fields(cls) if one.name in document})

    def document(self) -> dict[str, Any]:
        """Return the lease as it is stored."""
        return asdict(self)

    def remaining(self, now: Uptime) -> float:
        """Seconds until the lease ends.

        After a restart of the machine at least its uptime has passed since, so that a lease never ends too early.
        """
        if self.period is None:
            return math.inf
        same_boot = now.boot == self.boot and now.seconds >= self.since  # ids of boots may be missing
        passed = now.seconds - self.since if same_boot else now.seconds
        return max(self.period - passed, 0)


def _started(lease_id: str, duration: int, now: Uptime) -> Lease:
    period = None if duration == INFINITE else float(duration)
    return Lease(lease_id, duration, period, now.seconds, now.boot)


def state_of(lease: Lease | None, now: Uptime) -> LeaseState:
    """Return the state of a blob's lease; None is a blob that has none."""
    if lease is None:
        return LeaseState.AVAILABLE
    is_over = lease.remaining(now) <= 0
    if lease.is_breaking:
        return LeaseState.BROKEN if is_over else LeaseState.BREAKING
    return LeaseState.EXPIRED if is_over else LeaseState.LEASED


def acquire(held: Lease | None, proposed: str | None, duration: int, now: Uptime) -> Lease:
    """Acquire a lease; who has the lease already gets a new duration. Raises a 409 when another one is active."""
    state = state_of(held, now)
    if held is None or not state.is_locked:
        return _started(proposed or new_id(), duration, now)
    if proposed != held.id:
        raise ApiError(409, "LeaseAlreadyPresent", "There is already a lease present.")
    if state is LeaseState.BREAKING:
        message = "The lease is being broken and cannot be acquired until it is broken."
        raise ApiError(409, "LeaseIsBreakingAndCannotBeAcquired", message)
    return _started(held.id, duration, now)


def renew(held: Lease | None, lease_id: str, now: Uptime) -> Lease:
    """Start the duration again, also of an expired lease that no one has taken; raises a 409."""
    lease = _require_same(held, lease_id)
    if lease.is_breaking:
        raise ApiError(409, "LeaseIsBrokenAndCannotBeRenewed", "The lease has been broken and cannot be renewed.")
    return _started(lease.id, lease.duration, now)


def change(held: Lease | None, lease_id: str, proposed: str, now: Uptime) -> Lease:
    """Give the lease another id; doing it twice is not an error. Raises a 409."""
    state = state_of(held, now)
    if held is None or not state.is_locked:
        raise _not_present()
    if held.id not in (lease_id, proposed):
        raise _mismatch()
    if state is LeaseState.BREAKING:
        message = "The lease is being broken and cannot be changed."
        raise ApiError(409, "LeaseIsBreakingAndCannotBeChanged", message)
    return replace(held, id=proposed)


def release(held: Lease | None, lease_id: str) -> None:
    """Check that the lease may be released by this id; raises a 409."""
    _require_same(held, lease_id)


def broken(held: Lease | None, asked: int | None, now: Uptime) -> Lease:
    """Break the lease after the seconds asked for, or what is left of it where that is less; raises a 409.

    Without a period an infinite lease ends at once and another one when it would have ended.
    """
    if held is None:
        raise _not_present()
    left = held.remaining(now)
    if asked is None:
        asked = MOST_BREAK_SECONDS if math.isfinite(left) else 0
    return replace(held, period=float(min(asked, left)), since=now.seconds, boot=now.boot, is_breaking=True)


def require_write(held: Lease | None, given: str | None, now: Uptime) -> None:
    """Raise a 412 unless a write that names this lease, or none, is allowed."""
    state = state_of(held, now)
    if state.is_locked and given is None:
        message = "There is currently a lease on the blob and no lease ID was specified in the request."
        raise ApiError(412, "LeaseIdMissing", message)
    require_named(held, given, now)


def require_named(held: Lease | None, given: str | None, now: Uptime) -> None:
    """Raise a 412 unless the lease that a request names is there; reading needs none."""
    if given is None:
        return
    if held is None:
        raise ApiError(412, "LeaseNotPresentWithBlobOperation", "There is currently no lease on the blob.")
    if held.id != given:
        message = "The lease ID specified did not match the lease ID for the blob."
        raise ApiError(412, "LeaseIdMismatchWithBlobOperation", message)
    if not state_of(held, now).is_locked:
        message = "A lease ID was specified, but the lease for the blob has expired or was broken."
        raise ApiError(412, "LeaseLost", message)


def _require_same(held: Lease | None, lease_id: str) -> Lease:
    if held is None or held.id != lease_id:
        raise _mismatch()
    return held


def _mismatch() -> ApiError:
    message = "The lease ID specified did not match the lease ID for the blob."
    return ApiError(409, "LeaseIdMismatchWithLeaseOperation", message)


def _not_present() -> ApiError:
    return ApiError(409, "LeaseNotPresentWithLeaseOperation", "There is currently no lease on the blob.")
