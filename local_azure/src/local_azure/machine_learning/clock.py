"""Time and identifiers in the forms that the planes use."""

from __future__ import annotations

import datetime as dt
import time
import uuid
from dataclasses import dataclass
from functools import cache
from pathlib import Path


def utc_now() -> dt.datetime:
    """The present moment, in UTC."""
    return dt.datetime.now(dt.UTC)


@dataclass(frozen=True)
class Uptime:
    """A moment by a clock that nobody sets: seconds since a start of the machine, and which start that was."""

    boot: str
    seconds: float


def uptime() -> Uptime:
    """Read the clock that goes on over restarts of this server and stands still for nothing, not even a suspend."""
    return Uptime(_boot(), time.clock_gettime(time.CLOCK_BOOTTIME))


@cache
def _boot() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()


def timestamp(moment: dt.datetime | None = None) -> str:
    """ISO 8601 with microseconds and offset, the form that every plane writes."""
    return (moment or utc_now()).isoformat(timespec="microseconds")


def new_id() -> str:
    """A random GUID in text form."""
    return str(uuid.uuid4())
