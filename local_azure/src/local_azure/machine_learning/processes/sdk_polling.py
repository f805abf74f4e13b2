"""Shorten the fixed pauses in which the SDK waits: they are made for a service that takes minutes.

The SDK polls for an upload every 0.25 s, for a run every second, for a web service, a cluster or an image every 5 s.
Here the first polls follow each other quickly, and each pause is a tenth of what has been waited so far, up to the
SDK's own.
"""

from __future__ import annotations

import sys
import threading
import time
from typing import Any

MODULES = (
    "azureml._common.async_utils.task_queue", "azureml.core.compute.compute", "azureml.core.environment",
    "azureml.core.model", "azureml.core.run", "azureml.core.webservice.webservice", "azureml.pipeline.core.run",
)  # fmt: skip
SHORTEST_SECONDS = 0.02
LONGEST_POLL_SECONDS = 5.0  # longer pauses are those before another attempt
SAME_WAIT_SECONDS = 1.0  # who asks for longer between two pauses waits for something else
_SHARE = 0.1


class PollingClock(threading.local):
    """Stands for the module `time` in a module that polls; each thread waits for one thing at a time."""

    def __init__(self) -> None:
        self._began = self._woke = float("-inf")

    def __getattr__(self, name: str) -> Any:
        return getattr(time, name)

    def sleep(self, seconds: float) -> None:
        """Sleep for the given time, or less where it is the pause of a poll."""
        now = time.monotonic()
        if now - self._woke > SAME_WAIT_SECONDS:
            self._began = now
        if seconds <= LONGEST_POLL_SECONDS:
            seconds = min(seconds, max(SHORTEST_SECONDS, (now - self._began) * _SHARE))
        time.sleep(seconds)
        self._woke = time.monotonic()


def shorten_polls() -> None:
    """Shorten the pauses of the modules of the SDK that are imported."""
    clock = PollingClock()
    for name in MODULES:
        module = sys.modules.get(name)
        if module is not None and vars(module).get("time") is time:
            vars(module)["time"] = clock
