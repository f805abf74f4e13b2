"""The end of a run or of a service is recorded even when the disk is full at that moment."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from local_azure.machine_learning.errors import ApiError

LOG = logging.getLogger("local_azure")
AGAIN_SECONDS = 1.0


async def until_kept(write: Callable[[], None]) -> None:
    """Write to the store in a thread; try again while there is no room. A run would stay open for ever otherwise."""
    while True:
        try:
            return await asyncio.to_thread(write)
        except ApiError as error:
            if error.status != 507:
                raise
            LOG.warning("the end of a run or service waits for room on the disk: %s", error.message)
        await asyncio.sleep(AGAIN_SECONDS)
