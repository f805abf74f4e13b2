"""Recognize total rows, which a report adds below its rows: with a date they would count as one more value."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

MIN_ROWS = 28
"""Rows that are not zero and that a total adds up: the value of a day is seldom the exact sum of so many others."""
_TIMES_LARGEST = 5
"""How many times larger than each of them a total is."""
_ROUNDED = 1e-5
"""Share of a sum by which a total may differ: each of its rows was rounded for display."""


def find_totals(days: pd.Series[pd.Timestamp], keys: pd.DataFrame, numbers: pd.Series[float]) -> pd.Index:
    """The rows whose number is the sum of the others, of their series or of the table; takes linear time.

    A candidate is the first or last row, of a series or of the table, and a row that is alone in its series. All
    arguments have the index of the table; a row without a day or a number is neither a total nor part of one.
    """
    known = days.notna() & np.isfinite(numbers)
    values = numbers[known]
    if len(values) <= MIN_ROWS:
        return values.index[:0]
    series = _series_of(keys[known])
    own = _are_totals(values, series, _ends_of(series))
    values, series = values[~own], series[~own]
    whole, alone = np.zeros(len(values), dtype=np.int64), np.bincount(series)[series] == 1
    table = _are_totals(values, whole, _ends_of(whole) | alone)
    return own.index[own].append(table.index[table])


def _series_of(keys: pd.DataFrame) -> NDArray[np.int64]:
    """A number for each series, 0 where there are no keys."""
    if keys.columns.empty:
        return np.zeros(len(keys), dtype=np.int64)
    return np.asarray(keys.groupby(list(keys.columns), sort=False, dropna=False).ngroup(), dtype=np.int64)


def _ends_of(series: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Whether a row is the first or the last of its series."""
    places = pd.Series(series)
    return np.asarray(~places.duplicated(keep="first") | ~places.duplicated(keep="last"))


def _are_totals(
    values: pd.Series[float], groups: NDArray[np.int64], candidates: NDArray[np.bool_]
) -> pd.Series[bool]:
    """Which candidates are the sum of the other rows of their group, and far larger than each of them."""
    numbers = np.abs(values.to_numpy(dtype=np.float64))
    count = int(groups.max()) + 1 if len(groups) else 0
    others = np.bincount(groups, weights=values.to_numpy(), minlength=count)[groups] - values.to_numpy()
    nonzero = np.bincount(groups, weights=numbers > 0, minlength=count)[groups] - (numbers > 0)
    second = _second_largest(numbers, groups, count)[groups]
    same = np.isclose(values.to_numpy(), others, rtol=_ROUNDED, atol=0.0)
    large = numbers >= _TIMES_LARGEST * second
    return pd.Series(candidates & same & large & (nonzero >= MIN_ROWS), index=values.index)


def _second_largest(numbers: NDArray[np.float64], groups: NDArray[np.int64], count: int) -> NDArray[np.float64]:
    """The second largest number of each group: a total is the largest, the rest are its parts."""
    order = np.lexsort((numbers, groups))
    sizes = np.bincount(groups, minlength=count)
    ends = np.cumsum(sizes)
    found = np.zeros(count)
    several = sizes > 1
    found[several] = numbers[order][ends[several] - 2]
    return found
