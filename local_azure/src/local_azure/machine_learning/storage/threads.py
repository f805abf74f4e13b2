"""Keeps the disk away from the event loop.

A write ends with an fsync, which takes milliseconds and on a busy disk seconds; on the thread of the event loop every
other request would wait for it. The check is always on, not only in tests: it costs less than a microsecond a write,
and a path that no test walks must not become a server that stands still now and then without anybody knowing why.
"""

from __future__ import annotations

import asyncio


class EventLoopWriteError(RuntimeError):
    """Something durable is written on the thread of the event loop: a fault of this program."""


def refuse_event_loop() -> None:
    """Raise when the thread that calls runs an event loop."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return
    raise EventLoopWriteError("A durable write on the thread of the event loop; use asyncio.to_thread.")
