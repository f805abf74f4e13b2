"""Names of files for a page: those that a browser can send back, and not more than anybody reads."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice

MOST_NAMES = 5_000


@dataclass(frozen=True)
class Listed:
    """Names in their order. is_cut: there are more files; unreadable: names left out because they are not UTF-8."""

    names: list[str]
    is_cut: bool = False
    unreadable: int = 0


def listed(names: Iterable[str]) -> Listed:
    """Return the first names that come, sorted."""
    found = list(islice(names, MOST_NAMES + 1))
    readable = [name for name in found[:MOST_NAMES] if is_readable(name)]
    return Listed(sorted(readable), len(found) > MOST_NAMES, min(len(found), MOST_NAMES) - len(readable))


def is_readable(name: str) -> bool:
    """Tell whether a name is UTF-8: Python reads another one from a disk as a text that cannot be written."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True
