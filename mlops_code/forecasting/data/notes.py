"""What a person should know of the series although nothing is refused: each a sentence that names them."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from datetime import date

import numpy as np
from numpy.typing import NDArray

from forecasting.calendars import Calendar

LISTED = 20
"""Series that one note names; of the others it says how many there are."""
LONGEST_NAME = 80  # characters


def silent_notes(keys: Sequence[str], active: NDArray[np.bool_], least: str) -> list[str]:
    """The series that are left out because hardly a value of them is not zero; count and names. least: in words."""
    left_out = [key for key, keep in zip(keys, active, strict=True) if not keep]
    if not left_out:
        return []
    return [f"{_series(len(left_out))} left out, fewer than {least} that are not zero: {_listed(left_out)}"]


def edge_notes(values: NDArray[np.float64], keys: Sequence[str], first: date, calendar: Calendar) -> list[str]:
    """Series whose first or last dates have no row, more in a row than is usual for them.

    A date without a row between two rows means zero; at an end it may mean 'not delivered yet' or 'not there yet'.
    values: shape (series, days), NaN where a series has no row; each series has a row. first: the date of column 0.
    """
    present, last = ~np.isnan(values), values.shape[1] - 1
    before, after = present.argmax(axis=1), present[:, ::-1].argmax(axis=1)
    usual = _longest_gaps(present)
    ends = [
        f"{_name(keys[row])}: no row since {calendar.after(first, last - late)}, {calendar.count(late)}"
        for row, late in zip(*_more_than(usual, after), strict=True)
    ]
    starts = [
        f"{_name(keys[row])}: no row before {calendar.after(first, early)}, {calendar.count(early)}"
        for row, early in zip(*_more_than(usual, before), strict=True)
    ]
    found = []
    if ends:
        found.append(f"{_series(len(ends))} filled with zeros at the end, perhaps delivered late: {_joined(ends)}")
    if starts:
        found.append(f"{_series(len(starts))} filled with zeros at the start, perhaps new: {_joined(starts)}")
    return found


def look_alike_notes(keys: Sequence[str]) -> list[str]:
    """Names that differ only in case, in spaces or in the form of their characters, and are series of their own."""
    groups: dict[str, list[str]] = {}
    for key in keys:
        groups.setdefault("".join(unicodedata.normalize("NFKC", key).casefold().split()), []).append(key)
    alike = [" and ".join(map(_quoted, group)) for group in groups.values() if len(group) > 1]
    if not alike:
        return []
    return [f"names that differ only in case, spaces or form are series of their own: {_joined(alike)}"]


def change_notes(keys: Iterable[str], before: Iterable[str]) -> list[str]:
    """Series that the champion has and this data has not, and the other way round."""
    now, then = set(keys), set(before)
    found = []
    if gone := sorted(then - now):
        found.append(f"{_series(len(gone))} of the champion gone, will no longer be forecast: {_listed(gone)}")
    if new := sorted(now - then):
        found.append(f"{_series(len(new))} new, unknown to the champion: {_listed(new)}")
    return found


def _more_than(usual: NDArray[np.int64], found: NDArray[np.int64]) -> tuple[list[int], list[int]]:
    """The rows with more than is usual, and what was found there."""
    rows = np.flatnonzero(found > usual)
    return rows.tolist(), found[rows].tolist()


def _longest_gaps(present: NDArray[np.bool_]) -> NDArray[np.int64]:
    """The most dates without a row between two rows, of each series."""
    longest = np.zeros(len(present), dtype=np.int64)
    rows, days = np.nonzero(present)
    same = rows[1:] == rows[:-1]
    np.maximum.at(longest, rows[1:][same], np.diff(days)[same] - 1)
    return longest


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
