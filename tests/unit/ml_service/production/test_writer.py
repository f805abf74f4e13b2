"""A writer that was stopped and goes on learns from its lease what its error means."""

from __future__ import annotations

import io
import json
import time
from types import SimpleNamespace
from typing import Any

import pytest
from azure.core.exceptions import HttpResponseError

from azure_ml.storage.blobs import Blobs
from azure_ml.storage.leases import Lease, LeaseHeldError, acquire
from ml_service.errors import ConflictError
from ml_service.production.writer import explaining_loss

NEXT = {"verb": "release of version 7", "who": "Ada", "build_id": "8", "since": "2026-11-30T09:00:00+00:00"}


class LeasedBlob:
    """A blob in memory whose lease another process has taken over, or has not. Also the lease that was ours."""

    blob_name = "leases/p.json"
    id = "1"

    def __init__(self, *, is_lost: bool, unreachable: bool = False) -> None:
        self._is_lost = is_lost
        self._unreachable = unreachable

    def renew(self, **_: Any) -> None:
        if self._unreachable:
            raise OSError("no route to the storage account")
        if self._is_lost:
            raise refusal(409)

    def acquire_lease(self, **_: Any) -> LeasedBlob:
        return self

    def release(self, **_: Any) -> None:
        self.renew()

    def upload_blob(self, *_: Any, lease: str = "", **__: Any) -> None:
        if self._is_lost and lease:
            raise refusal(412)

    def download_blob(self, **_: Any) -> io.BytesIO:
        stream = io.BytesIO(json.dumps(NEXT).encode())
        stream.readall = stream.read  # type: ignore[attr-defined]
        return stream


def refusal(status: int) -> HttpResponseError:
    error = HttpResponseError()
    error.status_code = status
    return error


def stopped(blob: LeasedBlob) -> Lease:
    """The lease of a process that was stopped until it was no longer sure of it, and has not renewed it since."""
    return Lease(blob, blob, sure_until=0)


def meets(lease: Lease, error: Exception) -> Exception:
    """What ends a writer that meets an error."""
    with pytest.raises(type(error)) as raised, explaining_loss(lease, "p"):
        raise error
    return raised.value


def test_what_fails_after_the_lease_was_lost_is_a_conflict_that_names_the_other() -> None:
    with pytest.raises(ConflictError) as raised, explaining_loss(stopped(LeasedBlob(is_lost=True)), "p"):
        raise ConnectionError("the answer of a call came too late")
    assert raised.value.exit_code == 4
    assert "has lost the lease on production of the problem p" in str(raised.value)
    assert "taken over by release of version 7 by Ada, build 8" in str(raised.value)


@pytest.mark.parametrize("blob", [LeasedBlob(is_lost=False), LeasedBlob(is_lost=True, unreachable=True)])
def test_what_fails_otherwise_is_said_as_it_is(blob: LeasedBlob) -> None:
    error = ConnectionError("the answer of a call came too late")
    assert meets(stopped(blob), error) is error


def test_a_fresh_lease_is_not_asked_for() -> None:
    blob = LeasedBlob(is_lost=True)
    error = ValueError("a fault of ours")
    assert meets(Lease(blob, blob, sure_until=time.clock_gettime(time.CLOCK_BOOTTIME) + 60), error) is error


def test_a_process_that_is_stopped_before_it_says_who_it_is_has_lost_too() -> None:
    client = SimpleNamespace(get_blob_client=lambda _: LeasedBlob(is_lost=True))
    blobs = Blobs(client, "w", before_change=lambda: None)
    with pytest.raises(LeaseHeldError) as raised:
        acquire(blobs, "leases/p.json", {}, lambda _: None)
    assert raised.value.holder == NEXT
