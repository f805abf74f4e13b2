"""The boot clock, also where the system has none."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from local_azure.machine_learning import clock
from local_azure.machine_learning.domain.data.blob_access import leases
from local_azure.machine_learning.domain.data.blob_access.leases import LeaseState

LEASE_ID = "aaaaaaaa-0000-0000-0000-000000000000"


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A system with neither a boot clock nor ids of boots."""
    monkeypatch.delattr(time, "CLOCK_BOOTTIME")
    monkeypatch.setattr(clock, "BOOT_ID", tmp_path / "missing")


@pytest.mark.usefixtures("elsewhere")
def test_without_a_boot_clock_leases_are_kept_and_end() -> None:
    started = clock.uptime()
    assert clock.uptime().seconds >= started.seconds
    lease = leases.acquire(None, LEASE_ID, 15, started)
    ended = clock.Uptime(started.boot, started.seconds + 15)
    restarted = clock.Uptime(started.boot, 5.0)  # the machine was started again: its clock begins anew
    assert [leases.state_of(lease, now) for now in (clock.uptime(), ended)] == [LeaseState.LEASED, LeaseState.EXPIRED]
    assert lease.remaining(restarted) == 10
