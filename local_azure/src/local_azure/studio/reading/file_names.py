"""Names of files for a page: those that a browser can send back, and not more than anybody reads."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

ON_A_PAGE = 500


@dataclass(frozen=True)
class Listed:
    """One page of names, in their order.

    after: the name behind which the next page begins, empty on the last one; unreadable: names left out of this page
    because they are not UTF-8.
    """

    names: list[str]
    after: str = ""
    unreadable: int = 0


def listed(names: Iterable[str]) -> Listed:
    """Return the first names, and take no more of them than that."""
    found: list[str] = []
    unreadable = 0
    for name in names:
        if not is_readable(name):
            unreadable += 1
        elif len(found) == ON_A_PAGE:
            return Listed(found, found[-1], unreadable)
        else:
            found.append(name)
    return Listed(found, "", unreadable)


def is_readable(name: str) -> bool:
    """Tell whether a name is UTF-8: Python reads another one from a disk as a text that cannot be written."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True
