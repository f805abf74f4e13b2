"""States of a lease by a clock of the test's own: what the service's table of outcomes says, restarts included."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from local_azure.machine_learning.clock import Uptime
from local_azure.machine_learning.domain.data.blob_access import leases
from local_azure.machine_learning.domain.data.blob_access.leases import Lease, LeaseState, state_of
from local_azure.machine_learning.errors import ApiError

A, B, C = (f"{letter * 8}-0000-0000-0000-000000000000" for letter in "abc")
START = Uptime("boot", 1000.0)


def later(seconds: float) -> Uptime:
    """That many seconds after START."""
    return Uptime("boot", START.seconds + seconds)


LEASED = leases.acquire(None, A, 15, START)
BREAKING = leases.broken(LEASED, 10, START)
BROKEN = leases.broken(LEASED, 0, START)


def code_of(action: Callable[[], object]) -> str:
    """Error code of what is refused."""
    with pytest.raises(ApiError) as refused:
        action()
    return f"{refused.value.status} {refused.value.code}"


def test_states_follow_from_the_time_that_has_passed() -> None:
    assert state_of(None, START) == LeaseState.AVAILABLE
    assert [state_of(LEASED, later(seconds)) for seconds in (0, 14.9, 15)] == ["leased", "leased", "expired"]
    assert [state_of(BREAKING, later(seconds)) for seconds in (9.9, 10)] == ["breaking", "broken"]
    assert state_of(BROKEN, START) == "broken"
    assert state_of(leases.acquire(None, A, leases.INFINITE, START), later(1e9)) == "leased"


def test_a_lease_survives_a_restart_of_the_machine_and_never_ends_too_early() -> None:
    assert state_of(LEASED, Uptime("another boot", 14.9)) == "leased"
    assert state_of(LEASED, Uptime("another boot", 15)) == "expired"


def test_a_lease_is_stored_and_read_whatever_keys_a_later_version_adds() -> None:
    assert Lease.of_document({**BREAKING.document(), "name": "x", "later": 1}) == BREAKING


@pytest.mark.parametrize(
    ("held", "when", "proposed", "outcome"),
    [
        (LEASED, 1, None, "409 LeaseAlreadyPresent"),
        (LEASED, 1, B, "409 LeaseAlreadyPresent"),
        (BREAKING, 1, B, "409 LeaseAlreadyPresent"),
        (BREAKING, 1, A, "409 LeaseIsBreakingAndCannotBeAcquired"),
    ],
)
def test_an_active_lease_is_not_acquired_by_another(
    held: Lease, when: float, proposed: str | None, outcome: str
) -> None:
    assert code_of(lambda: leases.acquire(held, proposed, 15, later(when))) == outcome


@pytest.mark.parametrize(("held", "when"), [(None, 0), (LEASED, 15), (BREAKING, 10), (BROKEN, 0), (LEASED, 5)])
def test_what_is_free_or_ones_own_is_acquired(held: Lease | None, when: float) -> None:
    taken = leases.acquire(held, A, 20, later(when))
    assert (taken.id, taken.remaining(later(when))) == (A, 20)


def test_renewing() -> None:
    assert leases.renew(LEASED, A, later(10)).remaining(later(20)) == 5
    assert state_of(leases.renew(LEASED, A, later(100)), later(100)) == "leased"  # expired, and nobody took it
    assert code_of(lambda: leases.renew(None, A, START)) == "409 LeaseIdMismatchWithLeaseOperation"
    assert code_of(lambda: leases.renew(LEASED, B, START)) == "409 LeaseIdMismatchWithLeaseOperation"
    for broken in (BREAKING, BROKEN):
        assert code_of(lambda held=broken: leases.renew(held, A, later(1))) == "409 LeaseIsBrokenAndCannotBeRenewed"  # type: ignore[misc]


def test_changing() -> None:
    assert leases.change(LEASED, A, B, later(1)).id == B
    assert leases.change(LEASED, B, A, later(1)).id == A
    assert leases.change(LEASED, A, B, later(1)).remaining(later(1)) == 14
    assert code_of(lambda: leases.change(LEASED, B, C, later(1))) == "409 LeaseIdMismatchWithLeaseOperation"
    assert code_of(lambda: leases.change(BREAKING, A, B, later(1))) == "409 LeaseIsBreakingAndCannotBeChanged"
    for held, when in ((None, 0), (LEASED, 15), (BROKEN, 0)):
        refused = code_of(lambda held=held, when=when: leases.change(held, A, B, later(when)))  # type: ignore[misc]
        assert refused == "409 LeaseNotPresentWithLeaseOperation"


def test_releasing() -> None:
    for held in (LEASED, BREAKING, BROKEN):
        leases.release(held, A)
        assert code_of(lambda held=held: leases.release(held, B)) == "409 LeaseIdMismatchWithLeaseOperation"  # type: ignore[misc]
    assert code_of(lambda: leases.release(None, A)) == "409 LeaseIdMismatchWithLeaseOperation"


def test_breaking_takes_the_period_asked_for_or_what_is_left_where_that_is_less() -> None:
    assert leases.broken(LEASED, 60, later(5)).remaining(later(5)) == 10
    assert leases.broken(LEASED, 3, later(5)).remaining(later(5)) == 3
    assert leases.broken(LEASED, None, later(5)).remaining(later(5)) == 10
    endless = leases.acquire(None, A, leases.INFINITE, START)
    assert leases.broken(endless, None, START).remaining(START) == 0
    assert leases.broken(endless, 30, START).remaining(START) == 30
    assert leases.broken(BREAKING, 60, later(4)).remaining(later(4)) == 6  # never longer than it was
    assert state_of(leases.broken(LEASED, 10, later(15)), later(15)) == "broken"
    assert code_of(lambda: leases.broken(None, 0, START)) == "409 LeaseNotPresentWithLeaseOperation"


@pytest.mark.parametrize(
    ("held", "given", "outcome"),
    [
        (LEASED, None, "412 LeaseIdMissing"),
        (BREAKING, None, "412 LeaseIdMissing"),
        (LEASED, B, "412 LeaseIdMismatchWithBlobOperation"),
        (None, A, "412 LeaseNotPresentWithBlobOperation"),
        (BROKEN, A, "412 LeaseLost"),
    ],
)
def test_writes_that_a_lease_refuses(held: Lease | None, given: str | None, outcome: str) -> None:
    assert code_of(lambda: leases.require_write(held, given, later(1))) == outcome


def test_writes_and_reads_that_a_lease_lets_through() -> None:
    for held, given in ((None, None), (LEASED, A), (BREAKING, A), (BROKEN, None)):
        leases.require_write(held, given, later(1))
    leases.require_named(LEASED, None, START)
