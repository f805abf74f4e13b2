"""A lease on a blob: one holder at a time, renewed while it works, free again soon after its process has died.

Azure Storage REST, "Lease Blob": a lease lives 15 to 60 seconds unless it is renewed; an expired one can still be
renewed by its holder as long as nobody else has taken it.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from types import TracebackType
from typing import Any, ClassVar

from azure_ml.errors import AzureMlError
from azure_ml.storage.blobs import TIMES, Blobs

SECONDS = 15
"""How long a lease outlives its holder: the shortest time that the service offers."""
_RENEWED_EVERY_SECONDS = 4.0
_SURE_SECONDS = 8.0
"""After a renewal nobody else holds the lease for so long, and a call begun by then reaches the service in time."""
_PATIENCE_SECONDS = SECONDS + 5.0
_LOOK_SECONDS = 0.5
_QUICK: dict[str, int] = {"connection_timeout": 4, "read_timeout": 4, "retry_total": 0}
_CONFLICT = 409
_GONE = frozenset((404, _CONFLICT, 412))

Holder = Mapping[str, str]


class LeaseHeldError(AzureMlError):
    """Another process holds the lease."""

    exit_code: ClassVar[int] = 4

    def __init__(self, name: str, holder: Holder) -> None:
        super().__init__(f"the lease {name} is held by another process")
        self.holder = holder


class LeaseLostError(AzureMlError):
    """The lease was ours and is another process's now."""

    exit_code: ClassVar[int] = 4

    def __init__(self, name: str, holder: Holder) -> None:
        super().__init__(f"the lease {name} was lost to another process")
        self.holder = holder


class Lease:
    """A lease that this process holds, as a context manager: renewed in the background, given back at the end."""

    def __init__(self, blob: Any, sdk: Any, sure_until: float) -> None:
        self._blob = blob
        self._sdk = sdk
        self._sure_until = sure_until
        self._lost: LeaseLostError | None = None
        self._renewing = threading.Lock()
        self._over = threading.Event()
        self._keeper = threading.Thread(target=self._keep, daemon=True)

    def __enter__(self) -> Lease:
        self._keeper.start()
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._over.set()
        self._keeper.join()
        self.give_back()

    def give_back(self) -> None:
        """Let others have it now; where that fails it ends by itself."""
        if self._lost is None:
            with suppress(Exception):
                self._sdk.release(**_QUICK)

    @property
    def id(self) -> str:
        """What a write to the leased blob must name."""
        return str(self._sdk.id)

    @property
    def lost(self) -> LeaseLostError | None:
        """How it was lost; None while it is ours."""
        return self._lost

    def confirm(self) -> None:
        """Return only while nobody else can hold the lease. Raises: LeaseLostError; whatever a failed renewal raises.

        Costs nothing while the last renewal is fresh. The time is measured here from before that renewal, so a
        process that was stopped meanwhile finds out before it changes anything.
        """
        if self._lost is not None:
            raise self._lost
        if _elapsed() >= self._sure_until:
            self._renew()

    def _keep(self) -> None:
        while not self._over.wait(_RENEWED_EVERY_SECONDS) and self._lost is None:
            with suppress(Exception):  # the next renewal, or `confirm`, says what is wrong
                self._renew()

    def _renew(self) -> None:
        from azure.core.exceptions import HttpResponseError

        with self._renewing:
            begun = _elapsed()
            try:
                self._sdk.renew(**_QUICK)
            except HttpResponseError as error:
                if error.status_code not in _GONE:
                    raise
                self._lost = LeaseLostError(self._blob.blob_name, _read_holder(self._blob))
                raise self._lost from error
            self._sure_until = begun + _SURE_SECONDS


def acquire(blobs: Blobs, name: str, holder: Holder, waiting: Callable[[Holder], None]) -> Lease:
    """Take the lease on a blob, which is made when there is none, and write into it who holds it.

    The lease of a holder that has died is waited for; from a living one it is never taken, also not when that one
    releases it meanwhile, because the waiting process decided on an outdated state. waiting: called once with the
    holder. Raises: LeaseHeldError.
    """
    from azure.core.exceptions import HttpResponseError

    blobs.create(name, b"{}")
    blob = blobs.sdk.get_blob_client(name)
    lease = _try(blob) or _outlive(blob, name, waiting)
    try:
        blob.upload_blob(json.dumps(dict(holder)).encode(), overwrite=True, lease=lease.id, **TIMES)
    except BaseException as error:
        lease.give_back()
        if isinstance(error, HttpResponseError) and error.status_code in _GONE:  # it was stopped before it wrote
            raise LeaseHeldError(name, _read_holder(blob)) from error
        raise
    return lease


def _outlive(blob: Any, name: str, waiting: Callable[[Holder], None]) -> Lease:
    """Take the lease over once it has expired, which it does only after its holder has died or was stopped."""
    waiting(_read_holder(blob))
    patience = _elapsed() + _PATIENCE_SECONDS
    while _elapsed() < patience:
        state = blob.get_blob_properties(**_QUICK).lease.state
        if state == "available":
            break
        if state in ("expired", "broken") and (lease := _try(blob)) is not None:
            return lease
        time.sleep(_LOOK_SECONDS)
    raise LeaseHeldError(name, _read_holder(blob))


def _try(blob: Any) -> Lease | None:
    from azure.core.exceptions import HttpResponseError

    begun = _elapsed()
    try:
        sdk = blob.acquire_lease(lease_duration=SECONDS, **TIMES)
    except HttpResponseError as error:
        if error.status_code != _CONFLICT:
            raise
        return None
    return Lease(blob, sdk, begun + _SURE_SECONDS)


def _read_holder(blob: Any) -> Holder:
    """What the last holder wrote of itself; empty when that cannot be read."""
    with suppress(Exception):
        document = json.loads(blob.download_blob(offset=0, length=4096, **_QUICK).readall())
        if isinstance(document, dict):
            return {str(key): str(value) for key, value in document.items()}
    return {}


def _elapsed() -> float:
    """Seconds of a clock that runs while the process is stopped or the machine sleeps, and that cannot be set."""
    clock = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
    return time.clock_gettime(clock)
