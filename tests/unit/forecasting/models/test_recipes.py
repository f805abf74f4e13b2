"""Recipes: what they forecast, that a fit sees only its history, and that wild parameters are refused."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import pytest
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from forecasting.calendars import DAILY
from forecasting.calendars import WEEKLY as WEEKS
from forecasting.data.series import Panel
from forecasting.known import Holidays, Known
from forecasting.models.boosting import walk
from forecasting.models.catalog import (
    days_needed,
    demand_sound,
    fit,
    forecast,
    learns,
    make_recipe,
    update,
)
from forecasting.models.direct import MAX_RATIO, Layout, layout_of, recent_of, training_rows, year_changes
from forecasting.models.recipe import Array, FittedModel, History, Recipe
from forecasting.models.smoothing import GRID, TRENDLESS

WEEKLY = make_recipe("same_weekday_mean", {"weeks": 8})
NAIVE = make_recipe("seasonal_naive", {})
USUAL = make_recipe("same_weekday_mean", {"weeks": 1, "skip_holidays": 1.0})
WINDOW = make_recipe("window_mean", {"days": 56})
RIDGE = make_recipe("ridge_direct", {"alpha": 1.0})
SCALED = make_recipe("ridge_direct", {"alpha": 1.0, "scaled": 1.0})
SMALL = {"rounds": 20.0, "leaves": 8.0, "min_rows": 20.0, "rate": 0.1}
BOOSTING = make_recipe("histgb_direct", SMALL)
POISSON = make_recipe("histgb_direct", {**SMALL, "scaled": 1.0, "poisson": 1.0})
YEAR = make_recipe("last_year", {})
HOLT = make_recipe("holt_winters", {})
SMOOTHED = make_recipe("exponential_smoothing", {})
BOTH = make_recipe("mean_of", {}, [WEEKLY, BOOSTING])
SMOOTHED_YEAR = make_recipe("exponential_smoothing", {"year": 1.0})
MEDIAN = make_recipe("median_of", {}, [NAIVE, WEEKLY, SMOOTHED])
RECIPES = [NAIVE, WEEKLY, USUAL, WINDOW, SMOOTHED, HOLT, RIDGE, SCALED, BOOSTING, POISSON, BOTH, MEDIAN]
ALL = pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.label)


def history(panel: Panel, days: int, horizon: int = 28) -> History:
    return History(panel.values[:, :days], panel.day(days - 1), 7, horizon)


def test_seasonal_naive_repeats_the_last_week(panel: Panel) -> None:
    made = forecast(fit(NAIVE, history(panel, 100)), 16)
    assert np.array_equal(made[0], np.resize(panel.values[0, 93:100], 16))


def test_the_weekday_mean_is_the_mean_of_eight_same_weekdays(panel: Panel) -> None:
    made = forecast(fit(WEEKLY, history(panel, 100)), 9)[0]
    expected = np.mean([panel.values[0, 100 - 7 * week] for week in range(1, 9)])
    assert made[0] == pytest.approx(expected)
    assert made[7] == made[0]


@pytest.mark.parametrize(
    ("weeks", "holidays", "last_days"),
    [
        (1, [68], [60, 61, 62]),
        (1, [68, 61], [53, 54, 55]),
        (1, [68, 61, 54, 47, 40], [67, 68, 69]),  # nothing else within four weeks more
        (1, [70], [67, 68, 62]),
        (2, [68], [56.5, 57.5, 58.5]),
    ],
)
def test_the_weekday_mean_leaves_out_holidays_and_the_days_next_to_them(
    weeks: int, holidays: list[int], last_days: list[float]
) -> None:
    first = date(2014, 1, 1)
    days = tuple(first + timedelta(days=day) for day in holidays)
    known = Known((), np.zeros((1, 70, 0)), 70, Holidays("XX", first, date(2014, 12, 31), days))
    values: Array = np.arange(70, dtype=np.float64)[None]
    ten_weeks = History(values, first + timedelta(days=69), 7, 28, known=known)
    made = forecast(fit(make_recipe("same_weekday_mean", {"weeks": weeks, "skip_holidays": 1.0}), ten_weeks), 14)[0]
    start = np.arange(63.0, 67.0) - 3.5 * (weeks - 1)
    assert made.tolist() == [*start, *last_days] * 2


def test_the_weekday_mean_without_known_holidays_leaves_nothing_out(panel: Panel) -> None:
    usual, naive = (forecast(fit(recipe, history(panel, 100)), 28) for recipe in (USUAL, NAIVE))
    assert np.array_equal(usual, naive)


def test_the_window_mean_is_flat(many: Panel) -> None:
    made = forecast(fit(WINDOW, history(many, 100)), 3)
    assert np.allclose(made, many.values[:, 44:100].mean(axis=1)[:, None])


def test_last_year_repeats_the_same_weekdays_of_a_year_ago() -> None:
    values: Array = np.arange(400, dtype=np.float64)[None]
    made = forecast(fit(YEAR, History(values, date(2014, 12, 31), 7, 28)), 366)[0]
    assert made[:364].tolist() == values[0, 36:].tolist()
    assert made[364] == made[0]
    with pytest.raises(ValueError, match="needs 364 days"):
        fit(YEAR, History(values[:, :363], date(2014, 12, 31), 7, 28))


def damped_holt_winters(values: list[float], alpha: float, beta: float, gamma: float) -> tuple[float, list[float]]:
    """Written out day by day for one series and one set of weights; returns the squared errors and 30 days ahead."""
    season = [(values[place] + values[7 + place]) / 2 for place in range(7)]
    level, trend, squares = float(np.mean(season)), 0.0, 0.0
    season = [value - level for value in season]
    for day, value in enumerate(values):
        missed = value - (level + 0.98 * trend + season[day % 7])
        squares += missed**2 if day >= 14 else 0.0
        level, trend = level + 0.98 * trend + alpha * missed, 0.98 * trend + alpha * beta * missed
        season[day % 7] += gamma * (1 - alpha) * missed
    slopes = [sum(0.98**step for step in range(1, ahead + 2)) for ahead in range(30)]
    return squares, [level + trend * slopes[ahead] + season[(len(values) + ahead) % 7] for ahead in range(30)]


def test_holt_winters_takes_the_weights_of_the_grid_that_fitted_each_series_best(many: Panel) -> None:
    rows = many.rows([3, 20, 39])
    made = forecast(fit(HOLT, replace(history(rows, 150), lower=None)), 30)
    for row, values in enumerate(rows.values[:, :150].tolist()):
        tried = [damped_holt_winters(values, *weights) for weights in GRID.tolist()]
        assert made[row] == pytest.approx(min(tried)[1], rel=1e-9)


def test_holt_winters_carries_a_trend_on_and_the_weekday_mean_does_not() -> None:
    days = np.arange(200.0)
    rising = History((100 + days + 10 * (days % 7 == 0))[None], date(2014, 1, 1), 7, 28)
    following = 100 + np.arange(200.0, 228.0) + 10 * (np.arange(200, 228) % 7 == 0)
    holt, weekly = (np.abs(forecast(fit(recipe, rising), 28) - following).mean() for recipe in (HOLT, WEEKLY))
    assert holt < weekly / 4


def smoothed(values: list[float], alpha: float, gamma: float) -> tuple[float, list[float]]:
    """Written out day by day for one series and one set of weights; returns Akaike's criterion and 30 days ahead."""
    season = [(values[place] + values[7 + place]) / 2 for place in range(7)]
    level, squares, free = float(np.mean(season)), 0.0, 9 if gamma else 2
    season = [value - level if gamma else 0.0 for value in season]
    for day, value in enumerate(values):
        missed = value - level - season[day % 7]
        squares += missed**2 if day >= 14 else 0.0
        level += alpha * missed
        season[day % 7] += gamma * (1 - alpha) * missed
    scored = len(values) - 14
    criterion = scored * np.log(squares / scored) + 2 * free * scored / (scored - free - 1)
    return float(criterion), [level + season[(len(values) + ahead) % 7] for ahead in range(30)]


def test_exponential_smoothing_takes_the_weights_and_the_season_that_akaike_prefers(many: Panel) -> None:
    rows = many.rows([3, 20, 39])
    made = forecast(fit(SMOOTHED, replace(history(rows, 150), lower=None)), 30)
    for row, values in enumerate(rows.values[:, :150].tolist()):
        tried = [smoothed(values, alpha, gamma) for alpha, _, gamma in TRENDLESS.tolist()]
        assert made[row] == pytest.approx(min(tried)[1], rel=1e-9)


def test_exponential_smoothing_has_a_season_only_where_the_series_has_one() -> None:
    chance, days = np.random.default_rng(3), np.arange(200)
    values = np.stack([np.full(200, 5.0), 50.0 + 20.0 * (days % 7 == 0)]) + chance.normal(size=(2, 200))
    made = forecast(fit(SMOOTHED, History(values, date(2014, 1, 1), 7, 28)), 28)
    assert np.ptp(made[0]) == 0.0
    assert np.ptp(made[1]) > 10.0


def test_exponential_smoothing_follows_a_timetable_that_changes_at_once() -> None:
    """Thirty weeks of one timetable and three of the next, which has as many departures in other places."""
    before, after = np.array([9.0, 9, 9, 9, 9, 2, 2]), np.array([2.0, 2, 9, 9, 9, 9, 9])
    values = np.concatenate([np.tile(before, 30), np.tile(after, 3)])[None]
    made = forecast(fit(SMOOTHED, History(values, date(2014, 1, 1), 7, 28)), 28)
    assert np.abs(made[0] - np.tile(after, 4)).max() < 0.5


@pytest.mark.parametrize("level", [0.0, 3.0])
def test_a_constant_series_stays_what_it_is(level: float) -> None:
    made = forecast(fit(SMOOTHED, History(np.full((1, 60), level), date(2014, 1, 1), 7, 28)), 28)
    assert made.tolist() == [[level] * 28]


def test_a_season_that_is_longer_than_its_history_could_show_is_left_out() -> None:
    """Of 156 weeks 52 are scored, fewer than the 54 numbers of a season of 52 weeks and its weights."""
    values = 50.0 + 20.0 * np.sin(2 * np.pi * np.arange(156) / 52)[None]
    weeks = History(values, date(2014, 1, 5), 52, 12, calendar=WEEKS[6])
    assert np.ptp(forecast(fit(SMOOTHED, weeks), 12)) == 0.0


def test_exponential_smoothing_expects_half_of_the_change_that_all_series_had_last_year() -> None:
    values = np.full((3, 430), 10.0) * np.array([[1.0], [100.0], [3.0]])
    values[:, 430 - 364 + 7 : 430 - 364 + 28] *= 3.0  # the second to the fourth week of a year ago
    plain, yearly = (
        forecast(fit(recipe, History(values, date(2014, 12, 31), 7, 28)), 28) for recipe in (SMOOTHED, SMOOTHED_YEAR)
    )
    ratio = (yearly / plain)[:, ::7]
    assert np.allclose(ratio, ratio[0]), "all series together"
    steady = 0.25 * values[0, -420:].mean() / 10
    assert ratio[0, 2] == pytest.approx(1 + 0.5 * ((3 + steady) / (1 + steady) - 1))
    short = History(values[:, -419:], date(2014, 12, 31), 7, 28)
    assert np.array_equal(forecast(fit(SMOOTHED_YEAR, short), 28), forecast(fit(SMOOTHED, short), 28)), "unknown"


def test_each_recipe_says_what_it_can_learn() -> None:
    assert learns(SMOOTHED_YEAR) == {"season", "year"}
    assert learns(SMOOTHED) == learns(MEDIAN) == {"season"}
    assert learns(WINDOW) == frozenset()
    assert learns(WEEKLY) == learns(USUAL) == {"season"}
    assert learns(BOTH) == learns(RIDGE) == {"season", "events"}
    assert learns(make_recipe("ridge_direct", {"alpha": 1.0, "year": 1.0})) == {"season", "year", "events"}
    assert learns(HOLT) == {"trend", "season"}
    assert learns(YEAR) == {"season", "year"}
    assert learns(make_recipe("mean_of", {}, [WINDOW, HOLT])) == {"trend", "season"}


def test_the_change_of_last_years_level_is_that_of_each_week_and_its_neighbors() -> None:
    values = np.full((2, 430), 10.0)
    values[0, 430 - 364 + 14 : 430 - 364 + 21] = 40.0  # the third week of a year ago
    changes = year_changes(values, 7, 364, 8)
    steady = 0.25 * np.array([10 + 30 / 60, 10.0])
    assert changes[0, :5] == pytest.approx([1, *[(20 + steady[0]) / (10 + steady[0])] * 3, 1])
    assert (changes[1] == 1).all()
    assert (year_changes(values[:, :419], 7, 364, 8) == 1).all(), "too short to know"


def test_a_yearly_season_is_learned_where_the_history_allows() -> None:
    days = np.arange(1000.0)
    values = (100 + 50 * np.sin(2 * np.pi * days / 364) + 10 * (days % 7 == 0))[None]
    parameters = {"alpha": 1.0, "scaled": 1.0}
    errors = {}
    for year in (0.0, 1.0):
        recipe = make_recipe("ridge_direct", {**parameters, "year": year})
        made = forecast(fit(recipe, History(values[:, :940], date(2014, 1, 1), 7, 56)), 56)
        errors[year] = np.abs(made - values[:, 940:996]).mean()
    assert errors[1.0] < errors[0.0] / 2


def test_without_a_year_of_history_the_last_year_changes_nothing(many: Panel) -> None:
    plain, year = (
        forecast(fit(make_recipe("histgb_direct", {**SMALL, "scaled": 1.0, "year": on}), history(many, 200)), 28)
        for on in (0.0, 1.0)
    )
    assert year == pytest.approx(plain, rel=0.2)


def features(values: Array, first: date, origin: int, ahead: int) -> list[float]:
    """Written out day by day for one series."""
    lags = [values[origin - 7 * week + ahead % 7] for week in range(1, 9)]
    day = first + timedelta(days=origin + ahead)
    weekday = [float(day.weekday() == number) for number in range(7)]
    month_end = float((day + timedelta(days=1)).month != day.month)
    return [*lags[:4], float(np.mean(lags[:4])), float(np.mean(lags)), *weekday, month_end]


def test_ridge_equals_a_fit_written_out_day_by_day(panel: Panel) -> None:
    days, values = 150, panel.values[0, :150]
    pairs = [(origin, ahead) for origin in range(56, days) for ahead in range(min(28, days - origin))]
    plain = make_pipeline(StandardScaler(), Ridge(1.0))
    plain.fit([features(values, panel.first, *pair) for pair in pairs], [values[sum(pair)] for pair in pairs])
    wanted = [features(values, panel.first, days, ahead) for ahead in range(40)]
    expected = np.clip(plain.predict(wanted), 0, None)
    assert np.allclose(forecast(fit(RIDGE, history(panel, days)), 40)[0], expected, rtol=1e-9)


def test_a_large_level_costs_the_ridge_no_digits(panel: Panel) -> None:
    """Sums of squares of a level of a million would leave few digits of a weekly pattern of a few units."""
    raised = Panel(panel.first, panel.values / 1000 + 1e6, panel.keys)
    plain, high = (forecast(fit(RIDGE, history(one, 200)), 28) for one in (panel, raised))
    small = forecast(fit(make_recipe("ridge_direct", {"alpha": 1.0}), history(panel, 200)), 28)
    assert np.allclose(small, plain)
    assert np.allclose((high - 1e6) * 1000, plain, rtol=1e-4, atol=0.1)


def test_one_global_ridge_is_one_set_of_weights(many: Panel) -> None:
    days, chosen = 150, history(many, 150)
    rows = list(training_rows(chosen, Layout(scaled=True), 0, 7))
    plain = make_pipeline(StandardScaler(), Ridge(1.0))
    plain.fit(np.concatenate([row[0] for row in rows]), np.concatenate([row[1] for row in rows]))
    recent = recent_of(chosen, Layout(scaled=True))
    wanted = recent.features(many.day(days), slice(0, 28))
    expected = plain.predict(wanted.reshape(-1, wanted.shape[2])).reshape(wanted.shape[:2]) * recent.scale[:, None]
    assert np.allclose(forecast(fit(SCALED, chosen), 28), np.clip(expected, 0, None), rtol=1e-8, atol=1e-8)


def test_scaled_rows_are_ratios_to_the_series_own_size(many: Panel) -> None:
    block, targets = next(training_rows(history(many, 100), Layout(scaled=True), 0, 7))
    size = np.abs(many.values[:, :56]).mean(axis=1)
    alive = size > 0
    first = block.reshape(int(alive.sum()), 28, -1)[0]
    lags = [many.values[alive][0, 56 - 7 * week] for week in range(1, 5)]
    assert first[0, :4] == pytest.approx(np.array(lags) / size[alive][0])
    month = many.values[alive][0, 28:56]
    assert first[0, -3:] == pytest.approx(
        [month[-7:].mean() / size[alive][0], month.mean() / size[alive][0], np.mean(month != 0)]
    )
    assert targets[0] == pytest.approx(min(MAX_RATIO, many.values[alive][0, 56] / size[alive][0]))


def test_a_series_that_was_zero_for_eight_weeks_is_forecast_as_zero(many: Panel) -> None:
    values = many.values.copy()
    values[0, 50:] = 0
    for recipe in (SCALED, POISSON):
        made = forecast(fit(recipe, History(values, many.last, 7, 28)), 28)
        assert (made[0] == 0).all()
        assert (made[1:].sum(axis=1) > 0).all()


def test_only_zeros_are_forecast_as_zero() -> None:
    nothing = History(np.zeros((3, 120)), date(2014, 1, 1), 7, 28)
    assert (forecast(fit(SCALED, nothing), 28) == 0).all()


@pytest.mark.parametrize(("recipe", "loss"), [(BOOSTING, "squared_error"), (POISSON, "poisson")])
def test_the_tree_walker_gives_every_bit_of_scikit_learns_forecast(many: Panel, recipe: Recipe, loss: str) -> None:
    chosen, layout = history(many, 200), layout_of(recipe, history(many, 200))
    rows = list(training_rows(chosen, layout, 0, 7 if layout.scaled else 1))
    estimator = HistGradientBoostingRegressor(
        loss=loss, max_iter=20, max_leaf_nodes=8, min_samples_leaf=20, learning_rate=0.1, random_state=0,
        early_stopping=False,
    ).fit(np.concatenate([row[0] for row in rows]), np.concatenate([row[1] for row in rows]))  # fmt: skip
    asked = recent_of(chosen, layout).features(many.day(200), slice(0, 28)).reshape(-1, rows[0][0].shape[1])
    made = walk(fit(recipe, chosen).arrays, asked)
    assert np.array_equal(np.exp(made) if loss == "poisson" else made, estimator.predict(asked))


@pytest.mark.parametrize(
    ("change", "part"),
    [
        (lambda arrays: arrays["left"].__setitem__(0, 0), "does not come after"),
        (lambda arrays: arrays["right"].__setitem__(0, 1e6), "does not come after"),
        (lambda arrays: arrays["feature"].__setitem__(0, 99), "does not exist"),
        (lambda arrays: arrays["feature"].__setitem__(0, -2), "does not come after"),
        (lambda arrays: arrays["roots"].__setitem__(0, -1), "does not exist"),
        (lambda arrays: arrays["feature"].__setitem__(0, 0.5), "whole number"),
        (lambda arrays: arrays.update(value=arrays["value"][:-1]), "different lengths"),
        (lambda arrays: arrays.update(roots=arrays["roots"][:0]), "empty"),
    ],
)
def test_trees_that_no_fit_makes_are_refused(
    panel: Panel, change: Callable[[dict[str, Array]], object], part: str
) -> None:
    model = fit(BOOSTING, history(panel, 200))
    demand_sound(model)
    arrays = {name: array.copy() for name, array in model.arrays.items()}
    change(arrays)
    with pytest.raises(ValueError, match=part):
        demand_sound(FittedModel(model.recipe, 7, model.cutoff, model.keys, arrays))


def test_a_mean_is_the_mean_of_its_parts(panel: Panel) -> None:
    chosen = history(panel, 200)
    parts = [forecast(fit(part, chosen), 28) for part in (WEEKLY, BOOSTING)]
    assert np.array_equal(forecast(fit(BOTH, chosen), 28), np.mean(parts, axis=0))


def test_a_median_is_the_median_of_its_parts(panel: Panel) -> None:
    chosen = history(panel, 200)
    parts = [forecast(fit(part, chosen), 28) for part in MEDIAN.parts]
    assert np.array_equal(forecast(fit(MEDIAN, chosen), 28), np.median(parts, axis=0))


@ALL
def test_a_fit_never_sees_the_day_after_its_cutoff(panel: Panel, recipe: Recipe) -> None:
    values = np.concatenate([panel.values[:, :200], np.full((1, 105), 1e6)], axis=1)
    before = forecast(fit(recipe, history(panel, 200)), 28)
    after = forecast(fit(recipe, history(Panel(panel.first, values, panel.keys), 200)), 28)
    assert np.array_equal(after, before)


@ALL
def test_a_model_given_its_own_history_again_is_the_same_model(many: Panel, recipe: Recipe) -> None:
    model = fit(recipe, history(many, 200), many.keys)
    again = update(model, history(many, 200))
    assert np.array_equal(forecast(again, 28), forecast(model, 28))
    assert again.keys == many.keys


@ALL
def test_frozen_parameters_take_other_days_and_other_series(many: Panel, recipe: Recipe) -> None:
    own = recipe in (HOLT, SMOOTHED, MEDIAN)  # whose parameters belong to the series that they were fitted to
    model = fit(recipe, history(many.rows([3, 4]) if own else many, 200))
    later = update(model, history(many.rows([3, 4]), 260), ("a", "b"))
    assert (later.cutoff, later.keys) == (many.day(259), ("a", "b"))
    assert forecast(later, 28).shape == (2, 28)
    if own:
        with pytest.raises(ValueError, match="weights for each series"):
            update(model, history(many, 260))
    with pytest.raises(ValueError, match="days of history"):
        update(model, history(many, 6))


@ALL
def test_the_longest_horizon_is_forecast_day_by_day(panel: Panel, recipe: Recipe) -> None:
    values = forecast(fit(recipe, history(panel, 305)), 366)
    assert values.shape == (1, 366)
    assert (np.isfinite(values) & (values >= 0)).all()


@ALL
def test_too_little_history_is_refused(panel: Panel, recipe: Recipe) -> None:
    needed = days_needed(recipe, 7, 28, DAILY)
    fit(recipe, history(panel, needed))
    with pytest.raises(ValueError, match=f"needs {needed} days"):
        fit(recipe, history(panel, needed - 1))


def test_values_below_zero_are_forecast_where_the_contract_admits_them(panel: Panel) -> None:
    below = History(-panel.values, panel.last, 7, 28, None)
    assert (forecast(fit(RIDGE, below), 28) < 0).all()


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("prophet", {}),
        ("seasonal_naive", {"weeks": 1.0}),
        ("same_weekday_mean", {}),
        ("same_weekday_mean", {"weeks": 0.0}),
        ("same_weekday_mean", {"weeks": 2.5}),
        ("same_weekday_mean", {"weeks": 105.0}),
        ("same_weekday_mean", {"weeks": 8.0, "days": 1.0}),
        ("same_weekday_mean", {"weeks": 8.0, "skip_holidays": 2.0}),
        ("seasonal_naive", {"skip_holidays": 1.0}),
        ("window_mean", {"days": 0.0}),
        ("holt_winters", {"alpha": 0.1}),
        ("last_year", {"days": 365.0}),
        ("ridge_direct", {"alpha": 0.0}),
        ("ridge_direct", {"alpha": 1e12}),
        ("ridge_direct", {"alpha": 1.0, "scaled": 2.0}),
        ("histgb_direct", {**SMALL, "rate": 0.0}),
        ("histgb_direct", {**SMALL, "leaves": 1.0}),
        ("mean_of", {"weeks": 8.0}),
        ("mean_of", {}),
        ("median_of", {}),
        ("exponential_smoothing", {"alpha": 0.1}),
        ("exponential_smoothing", {"year": 2.0}),
        ("arima_202", {"order": 2.0}),
    ],
)
def test_wild_recipes_are_refused(name: str, parameters: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=r"expected|unknown"):
        make_recipe(name, parameters)


def test_a_mean_of_means_is_refused() -> None:
    with pytest.raises(ValueError, match="not means or medians of recipes"):
        make_recipe("mean_of", {}, [BOTH, WEEKLY])


def test_a_median_of_two_recipes_is_refused_because_it_is_their_mean() -> None:
    with pytest.raises(ValueError, match="with 3 to 5 recipes"):
        make_recipe("median_of", {}, [WEEKLY, NAIVE])


def test_labels_tell_parameters_apart() -> None:
    assert WEEKLY.label == "same_weekday_mean(weeks=8)"
    close = make_recipe("ridge_direct", {"alpha": 1.0000000001})
    assert close.label != RIDGE.label
