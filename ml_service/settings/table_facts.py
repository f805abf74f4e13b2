"""What a person checks of a table that was read: the size of each series, and where series lack rows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd

from forecasting.data.series import KEY_SEPARATOR

SHOWN_SERIES = 5
SHOWN_GAPS = 3
"""Series with gaps that are named, and gaps of each."""


def number_text(value: float, places: int = 6) -> str:
    """A number as people write it: no power of ten, no zeros at its end."""
    return f"{value:.{places}f}".rstrip("0").rstrip(".")


def series_lines(cells: pd.DataFrame, numbers: pd.Series[float]) -> list[str]:
    """Rows, mean and total of the first series, in which numbers that were read wrongly are seen.

    cells: the date, the keys and the measure.
    """
    keys = list(cells.columns[1:-1])
    groups = numbers.groupby(_codes(cells, keys), sort=False)
    sizes, means, totals = groups.size(), groups.mean(), groups.sum()
    names = _names(cells, keys)
    lines = []
    for code in sizes.index[:SHOWN_SERIES]:
        read = f"mean {_rounded(means[code])}, total {_rounded(totals[code])}"
        lines.append(f"{names[code]}: {sizes[code]} rows, {'no number' if np.isnan(means[code]) else read}")
    return [*lines, *_more(len(sizes) - SHOWN_SERIES, "series")]


def gap_lines(identity: pd.DataFrame) -> list[str]:
    """The first series that lack rows, and on which days. identity: the day and the keys of each row."""
    date, *keys = identity.columns
    if not keys or identity.empty:
        return []
    pairs = identity.drop_duplicates()
    codes, days = _codes(pairs, keys), pd.Index(pairs[date].unique()).sort_values()
    lacking = np.flatnonzero(np.bincount(codes) < len(days))
    names, told = _names(pairs, keys), []
    for code in lacking[:SHOWN_GAPS]:
        ranges = list(_ranges(np.flatnonzero(~days.isin(pairs[date][codes == code])).tolist(), days))
        more = _more(len(ranges) - SHOWN_GAPS, "gaps")
        told.append(f"{names[code]}: {', '.join([*ranges[:SHOWN_GAPS], *more])}")
    return [*told, *_more(len(lacking) - SHOWN_GAPS, "series")]


def _codes(cells: pd.DataFrame, keys: Sequence[str]) -> pd.Series[int]:
    """The number of the series of each row, in the order in which series begin."""
    if not keys:
        return pd.Series(0, index=cells.index)
    parts = cells[list(keys)].apply(lambda texts: texts.str.strip())
    return pd.Series(parts.groupby(list(keys), sort=False).ngroup(), index=cells.index)


def _names(cells: pd.DataFrame, keys: Sequence[str]) -> list[str]:
    """What each series is called, by its number."""
    if not keys:
        return ["all rows"]
    parts = cells[list(keys)].apply(lambda texts: texts.str.strip()).drop_duplicates()
    return [KEY_SEPARATOR.join(row) for row in parts.itertuples(index=False)]


def _ranges(places: Sequence[int], days: pd.Index) -> Iterable[str]:
    """Days that follow each other in the table, as one range."""
    start = 0
    for stop in range(1, len(places) + 1):
        if stop < len(places) and places[stop] == places[stop - 1] + 1:
            continue
        first, last = days[places[start]], days[places[stop - 1]]
        yield f"{first:%Y-%m-%d}" if first == last else f"{first:%Y-%m-%d} to {last:%Y-%m-%d}"
        start = stop


def _rounded(value: float) -> str:
    return number_text(value, 2 if abs(value) >= 1 else 6)


def _more(count: int, what: str) -> list[str]:
    return [f"and {count} more {what}"] if count > 0 else []
