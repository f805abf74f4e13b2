"""Whatever happens after an origin changes no forecast and no feature of that origin, for every recipe."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import pytest

from forecasting.calendars import BUSINESS_DAYS, DAILY, MONTHLY, WEEKLY, Calendar
from forecasting.evaluation.backtest import Windows, backtest
from forecasting.known import Column, Holidays, Known
from forecasting.models.catalog import FAMILIES, make_recipe
from forecasting.models.direct import layout_of, recent_of, training_rows
from forecasting.models.recipe import Array, History, Recipe

DAYS, HORIZON = 500, 14
WINDOWS = Windows((450, 464, 471), HORIZON)
STARTS = {
    DAILY: date(2014, 1, 1),
    BUSINESS_DAYS: date(2014, 1, 1),
    WEEKLY[6]: date(2014, 1, 5),
    MONTHLY: date(1980, 1, 1),
}
TREES = {"rounds": 4.0, "leaves": 6.0, "min_rows": 20.0, "rate": 0.3, "year": 1.0}
RIDGE = make_recipe("ridge_direct", {"alpha": 1.0, "scaled": 1.0, "year": 1.0})
SMOOTHED = make_recipe("exponential_smoothing", {"year": 1.0})
RECIPES = [
    make_recipe("seasonal_naive", {}),
    make_recipe("same_weekday_mean", {"weeks": 8.0}),
    make_recipe("same_weekday_mean", {"weeks": 1.0, "skip_holidays": 1.0}),
    make_recipe("season_mean", {"seasons": 8.0}),
    make_recipe("window_mean", {"days": 56.0}),
    make_recipe("last_year", {}),
    SMOOTHED,
    make_recipe("holt_winters", {}),
    make_recipe("ridge_direct", {"alpha": 1.0, "year": 1.0}),
    RIDGE,
    make_recipe("histgb_direct", {**TREES, "scaled": 1.0, "poisson": 1.0}),
    make_recipe("mean_of", {}, [make_recipe("holt_winters", {}), make_recipe("histgb_direct", TREES)]),
    make_recipe("median_of", {}, [make_recipe("seasonal_naive", {}), SMOOTHED, make_recipe("holt_winters", {})]),
]
LOOK_BACK = {"seasonal_naive", "same_weekday_mean", "season_mean", "last_year"}  # may not see the day that is changed
SLOW = {"arima_202"}  # statsmodels fits it on the days that it is given: see test_arima
CALENDARS = pytest.mark.parametrize("calendar", STARTS, ids=lambda calendar: calendar.frequency)


def history(calendar: Calendar = DAILY) -> History:
    """Three series with a number and a category that are known in advance, holidays and a yearly pattern."""
    first = STARTS[calendar]
    chance = np.random.default_rng(7)
    days = np.arange(DAYS)
    level = np.array([5.0, 40.0, 900.0])[:, None] * (1 + 0.3 * np.sin(2 * np.pi * days / 364) + 0.2 * (days % 7 == 2))
    last = calendar.after(first, DAYS - 1)
    holidays = tuple(first + timedelta(days=day) for day in range(0, 900, 61))
    known = np.stack(
        [chance.normal(size=(3, DAYS + HORIZON)), chance.integers(0, 3, (3, DAYS + HORIZON)).astype(float)], axis=2
    )
    return History(
        chance.poisson(level).astype(np.float64),
        last,
        calendar.season,
        HORIZON,
        calendar=calendar,
        known=Known(
            (Column("Price"), Column("Weather", ("rain", "snow", "sun"))),
            known,
            DAYS,
            Holidays("XX", first - timedelta(days=1), last + timedelta(days=900), holidays),
        ),
    )


def changed(given: History, day: int) -> History:
    """Another value on one day, and other known columns on all days that no forecast of an earlier origin covers."""
    assert given.known is not None
    values, known = given.values.copy(), given.known.values.copy()
    values[:, day] = values[:, day] * 1e6 + 12345.0
    known[:, day + HORIZON :, 0] += 1000.0
    return replace(given, values=values, known=replace(given.known, values=known))


def test_every_recipe_is_checked() -> None:
    assert {recipe.name for recipe in RECIPES} | SLOW == set(FAMILIES)


@CALENDARS
@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.label)
def test_a_forecast_does_not_depend_on_any_day_after_its_origin(recipe: Recipe, calendar: Calendar) -> None:
    given = history(calendar)
    before = backtest(given, [recipe], WINDOWS)[recipe.label]
    for day in (450, 463):
        after = backtest(changed(given, day), [recipe], WINDOWS)[recipe.label]
        blind = [place for place, origin in enumerate(WINDOWS.origins) if origin <= day]
        assert np.array_equal(after[:, blind], before[:, blind])
        if recipe.name not in LOOK_BACK:
            assert not np.array_equal(after, before), "a later origin sees the day, or the test changes nothing"


@CALENDARS
@pytest.mark.parametrize("day", [450, 499])
def test_a_feature_does_not_depend_on_any_day_after_its_origin(day: int, calendar: Calendar) -> None:
    def made(given: History) -> list[Array]:
        seen, layout = given.until(day), layout_of(RIDGE, given)
        rows = [both for pair in training_rows(seen, layout, 0, 7) for both in pair]
        return [recent_of(seen, layout).features(calendar.after(seen.cutoff, 1), slice(0, HORIZON)), *rows]

    given = history(calendar)
    for before, after in zip(made(given), made(changed(given, day)), strict=True):
        assert np.array_equal(after, before)
        assert np.isfinite(before).all()


def test_a_declared_future_value_changes_the_forecasts_of_its_day_alone() -> None:
    given = history()
    assert given.known is not None
    values = given.known.values.copy()
    values[:, 455, 0] += 1.0
    other = replace(given, known=replace(given.known, values=values))
    windows = Windows((450,), HORIZON)
    before, after = (backtest(one, [RIDGE], windows)[RIDGE.label] for one in (given, other))
    assert (before != after).any(axis=0)[0].nonzero()[0].tolist() == [5]
