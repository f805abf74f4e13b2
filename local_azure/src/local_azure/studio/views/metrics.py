"""Metrics whose names end alike, such as `a_mae`, `b_mae` and `c_mae`, as one table instead of many tiles."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

LEAST_COLUMNS = 3  # fewer are as readable side by side as tiles


@dataclass(frozen=True)
class SharedEnds:
    """A table of metrics. columns: the beginnings of their names; rows: an end, and a value for each beginning.

    names: of the metrics that the table holds.
    """

    columns: list[str] = field(default_factory=list)
    rows: list[tuple[str, list[Any]]] = field(default_factory=list)
    names: frozenset[str] = frozenset()


def shared_ends(pairs: Iterable[tuple[str, Any]]) -> SharedEnds:
    """Return the metrics whose end three or more names share. A name that occurs twice is left out: whose is it?"""
    given = list(pairs)
    counts: dict[str, int] = {}
    for name, _ in given:
        counts[name] = counts.get(name, 0) + 1
    values = {name: value for name, value in given if counts[name] == 1}
    beginnings: dict[str, int] = {}
    for name in values:
        for _, end in _splits(name):
            beginnings[end] = beginnings.get(end, 0) + 1
    chosen = {name: split for name in values if (split := _longest(name, beginnings)) is not None}
    columns = list(dict.fromkeys(beginning for beginning, _ in chosen.values()))
    rows: dict[str, dict[str, Any]] = {}
    for name, (beginning, end) in chosen.items():
        rows.setdefault(end, {})[beginning] = values[name]
    table = [(end, list(map(row.get, columns))) for end, row in rows.items()]
    return SharedEnds(columns, table, frozenset(chosen))


def _splits(name: str) -> Iterator[tuple[str, str]]:
    """Yield a name in two parts at each underscore, the longest end first."""
    words = name.split("_")
    for place in range(1, len(words)):
        beginning, end = "_".join(words[:place]), "_".join(words[place:])
        if beginning and end:
            yield beginning, end


def _longest(name: str, beginnings: dict[str, int]) -> tuple[str, str] | None:
    return next((split for split in _splits(name) if beginnings[split[1]] >= LEAST_COLUMNS), None)
