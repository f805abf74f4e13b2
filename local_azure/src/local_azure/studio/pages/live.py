"""Live updates as server-sent events: a page is told that something has changed, and loads its parts again."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Hashable

from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from local_azure.machine_learning.errors import ApiError

POLL_SECONDS = 0.5
MOST_LISTENERS = 64  # open pages that are updated live at a time
_QUIET_POLLS = 30  # after which a line is sent that says nothing, so that a dead connection is noticed

_free = threading.Semaphore(MOST_LISTENERS)


def live_updates(state: Callable[[], Hashable | None], stopping: threading.Event) -> StreamingResponse:
    """Send `changed` whenever a state is another than before, and `over` when it is None or the server stops.

    state: called in a thread, twice a second.
    """
    if not _free.acquire(blocking=False):
        raise ApiError(429, "TooManyPages", f"{MOST_LISTENERS} pages are updated live already; close some of them.")
    return _Listened(_events(state, stopping), media_type="text/event-stream")


class _Listened(StreamingResponse):
    """Frees its place when it has been sent, also where the browser went away before the first event."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            _free.release()


async def _events(state: Callable[[], Hashable | None], stopping: threading.Event) -> AsyncIterator[str]:
    yield "retry: 3000\n\n"
    before, quiet = await asyncio.to_thread(state), 0
    while before is not None and not stopping.is_set():
        await asyncio.sleep(POLL_SECONDS)
        now = await asyncio.to_thread(state)
        quiet += 1
        if now != before:
            quiet = 0
            yield "event: changed\ndata:\n\n"
        elif quiet % _QUIET_POLLS == 0:
            yield ":\n\n"
        before = now
    yield "event: over\ndata:\n\n"
