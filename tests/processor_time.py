"""How long something takes: the least processor time of a few tries.

Other work of the machine does not count, and neither does the garbage collector, which visits all objects that
earlier tests have left in the process.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable

TRIES = 3


def least_seconds(work: Callable[[], object], enough: float) -> float:
    """The least of three tries, in seconds; the first that takes no more than `enough` is the last."""
    least = float("inf")
    for _ in range(TRIES):
        least = min(least, _seconds(work))
        if least <= enough:
            break
    return least


def _seconds(work: Callable[[], object]) -> float:
    gc.disable()
    begun = time.process_time()
    try:
        work()
        return time.process_time() - begun
    finally:
        gc.enable()
