"""Works through stages or jobs in the order of their dependencies, independent ones in parallel."""

from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import TypeVar

from local_azure.pipelines.expand.model import Part

_POLL_SECONDS = 0.5
_PartT = TypeVar("_PartT", bound=Part)


def run_in_order(parts: Sequence[_PartT], work: Callable[[_PartT], None]) -> None:
    """Do the work of every part after that of all it depends on."""
    waiting, done = list(parts), set[str]()
    running: dict[Future[None], _PartT] = {}
    with ThreadPoolExecutor(max_workers=max(len(parts), 1)) as pool:
        while waiting or running:
            for part in [part for part in waiting if _is_ready(part, done)]:
                waiting.remove(part)
                running[pool.submit(work, part)] = part
            # With a timeout, because a signal that comes just before a wait is handled only after it.
            for future in wait(running, timeout=_POLL_SECONDS, return_when=FIRST_COMPLETED).done:
                future.result()
                done.add(running.pop(future).name.lower())


def _is_ready(part: Part, done: set[str]) -> bool:
    return all(name.lower() in done for name in part.depends_on)
