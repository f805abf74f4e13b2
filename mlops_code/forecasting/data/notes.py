"""What a person should know of the series although nothing is refused: each a sentence that names them."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
from numpy.typing import NDArray

from forecasting.calendars import Calendar

LISTED = 20
"""Series that one note names; of the others it says how many there are."""
LONGEST_NAME = 80  # characters
LATE, ENDED, YOUNG, SILENT = "late", "ended", "young", "silent"
LOST, RENAMED, NEW = "lost", "renamed", "new"
TIMES_USUAL = 2
ENOUGH_ROWS = 10  # below, a series has shown no gap that could be called usual
# Fewer series than this share of the smallest number before have rows: 1 % of the deliveries of six real families are
# so thin, and with 30 % of the series a week or two late, 68 to 100 % are (bench/forecasting/README.md).
THIN = 0.9
COMPARED, SKIPPED = 12, 3  # weeks that the newest one is compared with; weeks between, which may be late as well
FEW_SERIES = 10  # below, chance moves their number


@dataclass(frozen=True)
class Change:
    """Series of one kind that came, went or stopped, with a sentence that counts and names them."""

    kind: str
    names: tuple[str, ...]
    said: str

    def as_json(self) -> dict[str, Any]:
        """For the facts of a panel: how many, and the first names."""
        return {"count": len(self.names), "names": [_name(name) for name in self.names[:LISTED]]}


@dataclass(frozen=True)
class Edges:
    """Where the rows of each series begin and end. before, after: steps without a row at the start and at the end.

    late, ended: rows of the table of values that stop earlier than is usual for them; late ones may still come.
    """

    before: NDArray[np.int64]
    after: NDArray[np.int64]
    begun: list[int]
    late: list[int]
    ended: list[int]


def edges_of(values: NDArray[np.float64], calendar: Calendar) -> Edges:
    """Where series begin and end. values: shape (series, days), NaN where a series has no row; each series has one.

    A date without a row between two rows means zero; at the end it may mean 'not delivered yet' or 'no more'.
    A gap at the end is unusual beyond twice the longest one before: no stable window of 1,158 real ones had such.
    """
    present = ~np.isnan(values)
    before, after = present.argmax(axis=1), present[:, ::-1].argmax(axis=1)
    usual = _longest_gaps(present)
    stopped = after > TIMES_USUAL * usual
    ended = stopped & (after > calendar.defaults.ended)
    late = stopped & ~ended & (present.sum(axis=1) >= ENOUGH_ROWS)
    return Edges(before, after, *(np.flatnonzero(rows).tolist() for rows in (before > usual, late, ended)))


def edge_changes(edges: Edges, keys: Sequence[str], first: date, calendar: Calendar, steps: int) -> list[Change]:
    """Late, ended and young series, each with its date. first: the date of column 0 of so many steps."""

    def since(row: int) -> str:
        gap = int(edges.after[row])
        return f"{_name(keys[row])}: no row since {calendar.after(first, steps - 1 - gap)}, {calendar.count(gap)}"

    def until(row: int) -> str:
        gap = int(edges.before[row])
        return f"{_name(keys[row])}: no row before {calendar.after(first, gap)}, {calendar.count(gap)}"

    kinds = (
        (LATE, edges.late, since, "late, their last season is repeated and zeros are not assumed"),
        (ENDED, edges.ended, since, "ended, filled with zeros at the end and still forecast"),
        (YOUNG, edges.begun, until, "filled with zeros at the start, perhaps new"),
    )
    found = []
    for kind, rows, told, said in kinds:
        if rows:
            sentence = f"{_series(len(rows))} {said}: {_joined([told(row) for row in rows])}"
            found.append(Change(kind, tuple(keys[row] for row in rows), sentence))
    return found


def thin_end_notes(values: NDArray[np.float64], calendar: Calendar) -> list[str]:
    """Whether fewer series than ever have rows at the end, which no sparse series shows by itself.

    values: as for `edges_of`. Weeks of days are compared, or single steps of a coarser calendar.
    """
    window = calendar.season if calendar.part == "weekday" else 1
    weeks = values.shape[1] // window
    if weeks < COMPARED + SKIPPED + 1:
        return []
    whole = ~np.isnan(values[:, values.shape[1] - weeks * window :]).reshape(len(values), weeks, window)
    counts = whole.any(axis=2).sum(axis=0)
    newest, fewest = int(counts[-1]), int(counts[-1 - SKIPPED - COMPARED : -1 - SKIPPED].min())
    if fewest < FEW_SERIES or newest >= THIN * fewest:
        return []
    span = calendar.count(window)
    return [
        f"in the newest {span}, {newest} of {len(values)} series have rows, in no {span} before fewer than {fewest}: "
        "some may not be delivered yet"
    ]


def silent_changes(keys: Sequence[str], active: NDArray[np.bool_], least: str) -> list[Change]:
    """The series that are left out because hardly a value of them is not zero; count and names. least: in words."""
    left_out = tuple(key for key, keep in zip(keys, active, strict=True) if not keep)
    said = f"{_series(len(left_out))} left out, fewer than {least} that are not zero: {_listed(left_out)}"
    return [Change(SILENT, left_out, said)] if left_out else []


def look_alike_notes(keys: Sequence[str]) -> list[str]:
    """Names that differ only in case, in spaces or in the form of their characters, and are series of their own."""
    groups: dict[str, list[str]] = {}
    for key in keys:
        groups.setdefault(_plain(key), []).append(key)
    alike = [" and ".join(map(_quoted, group)) for group in groups.values() if len(group) > 1]
    if not alike:
        return []
    return [f"names that differ only in case, spaces or form are series of their own: {_joined(alike)}"]


def set_changes(keys: Iterable[str], before: Iterable[str]) -> list[Change]:
    """Series that the champion has and this data has not, the other way round, and those that changed their name."""
    now, then = set(keys), set(before)
    gone, new = sorted(then - now), sorted(now - then)
    successors = {_plain(name): name for name in new}
    renamed = {name: successors[_plain(name)] for name in gone if _plain(name) in successors}
    lost = tuple(name for name in gone if name not in renamed)
    fresh = tuple(name for name in new if name not in set(renamed.values()))
    pairs = [f"{_quoted(old)} is now {_quoted(name)}" for old, name in renamed.items()]
    found = [
        Change(LOST, lost, f"{_series(len(lost))} of the champion gone, no longer forecast: {_listed(lost)}"),
        Change(RENAMED, tuple(renamed), f"{_series(len(renamed))} renamed, clients must adapt: {_joined(pairs)}"),
        Change(NEW, fresh, f"{_series(len(fresh))} new, unknown to the champion: {_listed(fresh)}"),
    ]
    return [change for change in found if change.names]


def _longest_gaps(present: NDArray[np.bool_]) -> NDArray[np.int64]:
    """The most dates without a row between two rows, of each series."""
    longest = np.zeros(len(present), dtype=np.int64)
    rows, days = np.nonzero(present)
    same = rows[1:] == rows[:-1]
    np.maximum.at(longest, rows[1:][same], np.diff(days)[same] - 1)
    return longest


def _plain(name: str) -> str:
    """A name without case, spaces and forms of characters."""
    return "".join(unicodedata.normalize("NFKC", name).casefold().split())


def _series(count: int) -> str:
    return f"{count} series"


def _listed(names: Sequence[str]) -> str:
    return ", ".join(map(_name, names[:LISTED])) + _more(names)


def _joined(sentences: Sequence[str]) -> str:
    return "; ".join(sentences[:LISTED]) + _more(sentences)


def _more(items: Sequence[str]) -> str:
    return f" and {len(items) - LISTED} more" if len(items) > LISTED else ""


def _name(key: str) -> str:
    return key if len(key) <= LONGEST_NAME else f"{key[:LONGEST_NAME]}..."


def _quoted(key: str) -> str:
    """A name as ASCII, so that two forms of one character can be told apart."""
    return ascii(_name(key))
