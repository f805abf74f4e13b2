"""Places for pages that are updated live are free again, however a page goes away."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

from starlette.types import Message

from local_azure.studio.pages.live import MOST_LISTENERS, live_updates


def test_a_page_that_goes_away_at_once_frees_its_place() -> None:
    """Its events were once never begun, and so never ended."""
    scope: dict[str, Any] = {"type": "http", "asgi": {"spec_version": "2.3"}}

    async def gone() -> Message:
        return {"type": "http.disconnect"}

    async def send(_: Message) -> None:
        await asyncio.sleep(0)

    for _ in range(MOST_LISTENERS + 1):
        asyncio.run(live_updates(lambda: 1, threading.Event())(scope, gone, send))
