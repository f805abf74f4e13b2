"""A serving model against the actuals that have arrived since its cutoff."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import numpy as np
import pytest

from forecasting.calendars import calendar_of
from forecasting.data.series import Panel
from forecasting.evaluation.live import live_accuracy
from forecasting.models.catalog import fit, make_recipe
from forecasting.models.recipe import FittedModel, History, Intervals

FIRST = date(2024, 1, 1)
WEEK = [10.0, 20.0, 30.0, 40.0, 50.0, 60.0, 70.0]
HORIZON = 28


def panel(*rows: list[float], keys: tuple[str, ...] = ("a",)) -> Panel:
    return Panel(FIRST, np.array(rows), keys)


def model_of(weeks: int, keys: tuple[str, ...] = ("a",)) -> FittedModel:
    """The seasonal naive model of so many equal weeks, a row for each series."""
    values = np.tile(WEEK * weeks, (len(keys), 1))
    cutoff = panel(WEEK * weeks).last
    return fit(make_recipe("seasonal_naive", {}), History(values, cutoff, 7, HORIZON, 0.0), keys)


def test_the_steps_after_the_cutoff_are_compared_and_no_others() -> None:
    found = live_accuracy(model_of(4), panel(WEEK * 4 + [value + 3 for value in WEEK[:5]]), HORIZON)
    assert found is not None
    assert (found.first, found.last, found.steps, found.series) == (date(2024, 1, 29), date(2024, 2, 2), 5, 1)
    assert found.error == found.naive_error == pytest.approx(3.0)
    assert (found.gain, found.coverage) == (0.0, None)


def test_not_more_than_the_horizon_is_compared() -> None:
    found = live_accuracy(model_of(4), panel(WEEK * 9), HORIZON)
    assert found is not None
    assert (found.steps, found.error, found.gain) == (HORIZON, 0.0, None)


def test_the_share_inside_the_interval_is_counted() -> None:
    plain = model_of(4)
    served = replace(plain, intervals=Intervals(levels=(0.8,), half_widths=((2.0,),), scales=np.ones(1)))
    found = live_accuracy(served, panel([*WEEK * 4, WEEK[0] + 1, WEEK[1] + 9]), HORIZON)
    assert found is not None
    assert found.coverage == 0.5


def test_series_are_matched_by_name_wherever_they_stand() -> None:
    both = panel([0.0] * 29, [*WEEK * 4, WEEK[0] + 4], keys=("new", "b"))
    found = live_accuracy(model_of(4, ("a", "b")), both, HORIZON)
    assert found is not None
    assert (found.series, found.error) == (1, 4.0)


@pytest.mark.parametrize(
    "newer",
    [
        panel(WEEK * 4),
        panel(WEEK * 3),
        panel(WEEK * 5, keys=("other",)),
        Panel(date(2024, 1, 28), np.array([WEEK]), ("a",)),
        Panel(date(2023, 12, 31), np.array([WEEK * 2]), ("a",), calendar=calendar_of("week-sunday")),
    ],
)
def test_where_nothing_can_be_compared_there_is_no_accuracy(newer: Panel) -> None:
    assert live_accuracy(model_of(4), newer, HORIZON) is None
