"""Time and identifiers in the forms that the planes use."""

from __future__ import annotations

import datetime as dt
import time
import uuid
from dataclasses import dataclass
from functools import cache
from pathlib import Path

_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_MICROSECOND = dt.timedelta(microseconds=1)


def utc_now() -> dt.datetime:
    """The present moment, in UTC."""
    return dt.datetime.now(dt.UTC)


@dataclass(frozen=True)
class Uptime:
    """A moment on the boot clock, which no one can set: the id of the boot and the seconds since it."""

    boot: str
    seconds: float


def uptime() -> Uptime:
    """Read the boot clock: it survives restarts of this server and also counts time in suspend.

    Systems other than Linux have only the monotonic clock, and no id of the boot: it is empty there.
    """
    return Uptime(_boot(BOOT_ID), time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)))


@cache
def _boot(path: Path) -> str:
    return path.read_text(encoding="ascii").strip() if path.exists() else ""


def timestamp(moment: dt.datetime | None = None) -> str:
    """Format as ISO 8601 as the data planes do: up to seven decimals without trailing zeros, then the offset.

    Such strings sort chronologically: "+" comes before "." and before digits.
    """
    return _cut(moment) + "+00:00"


def zulu_time(moment: dt.datetime | None = None) -> str:
    """Format like `timestamp` but with "Z", as in workspaces and in errors of the blob service."""
    return _cut(moment) + "Z"


def _cut(moment: dt.datetime | None) -> str:
    ticks = time.time_ns() // 100 if moment is None else (moment - _EPOCH) // _MICROSECOND * 10
    seconds, fraction = divmod(ticks, 10_000_000)
    text = (_EPOCH + dt.timedelta(seconds=seconds)).isoformat().removesuffix("+00:00")
    return text if not fraction else f"{text}.{fraction:07d}".rstrip("0")


def time_span(start: str, end: str) -> str:
    """Return the time between two timestamps as .NET writes it: [d.]hh:mm:ss[.fffffff]."""
    passed = dt.datetime.fromisoformat(end) - dt.datetime.fromisoformat(start)
    seconds, ticks = divmod(max(passed // _MICROSECOND, 0) * 10, 10_000_000)
    minutes, hours = seconds // 60, seconds // 3600
    days = f"{hours // 24}." if hours >= 24 else ""
    fraction = f".{ticks:07d}" if ticks else ""
    return f"{days}{hours % 24:02}:{minutes % 60:02}:{seconds % 60:02}{fraction}"


def new_id() -> str:
    """A random GUID in text form."""
    return str(uuid.uuid4())
