"""Total rows with a date are recognized, and days that only happen to be large are not."""

from __future__ import annotations

from collections.abc import Sequence
from time import perf_counter

import numpy as np
import pandas as pd
import pytest

from forecasting.tables.totals import MIN_ROWS, find_totals

VALUES = [10.0 + (number * 7) % 11 for number in range(60)]


def found(values: Sequence[float], keys: Sequence[str] | None = None) -> list[int]:
    index = pd.RangeIndex(len(values))
    names = pd.DataFrame({"key": keys} if keys else {}, index=index)
    days = pd.Series(pd.Timestamp("2024-01-01"), index=index)
    return sorted(find_totals(days, names, pd.Series(values, dtype=float)))


def test_the_sum_of_the_rows_above_or_below_is_a_total() -> None:
    assert found([*VALUES, sum(VALUES)]) == [60]
    assert found([sum(VALUES), *VALUES]) == [0]
    assert found([value / 3 for value in VALUES] + [round(sum(VALUES) / 3, 3)]) == [60]


@pytest.mark.parametrize("name", ["Total", "", "b"])
def test_the_sum_of_a_table_is_a_total_whatever_series_it_claims(name: str) -> None:
    keys = ["a", "b"] * 30
    assert found([*VALUES, sum(VALUES)], [*keys, name]) == [60]


def test_a_row_that_is_alone_in_its_series_may_be_anywhere() -> None:
    keys = ["a"] * 30 + ["All"] + ["b"] * 30
    assert found([*VALUES[:30], sum(VALUES), *VALUES[30:]], keys) == [30]


def test_each_series_may_have_a_total_and_the_table_one_more() -> None:
    first, second = VALUES[:30], VALUES[30:]
    values = [*first, sum(first), *second, sum(second), sum(VALUES)]
    assert found(values, ["a"] * 31 + ["b"] * 31 + ["all"]) == [30, 61, 62]


@pytest.mark.parametrize(
    "values",
    [
        [*VALUES, sum(VALUES) + 1],
        [*VALUES, 500.0],
        [*VALUES[:30], sum(VALUES), *VALUES[30:]],
        [1.0] * 10 + [0.0] * 50 + [10.0],
        [*VALUES[: MIN_ROWS - 1], sum(VALUES[: MIN_ROWS - 1])],
        [0.0] * 60,
        [*VALUES, np.nan, np.inf],
        [],
    ],
)
def test_a_large_value_alone_is_no_total(values: list[float]) -> None:
    assert found(values) == []


def test_a_million_rows_take_little_time() -> None:
    values = np.random.default_rng(1).integers(1, 9, 1_000_000).astype(float).tolist()
    keys = [f"s{number % 20_000}" for number in range(1_000_000)]
    start = perf_counter()
    assert found([*values, sum(values)], [*keys, "Total"]) == [1_000_000]
    assert perf_counter() - start < 20
