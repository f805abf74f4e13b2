"""Recipes: what they forecast, that a fit sees only its history, and that wild parameters are refused."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import pytest
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from mlops_code.forecasting.candidates import (
    FittedModel,
    History,
    Recipe,
    dated_forecast,
    days_needed,
    fit,
    forecast,
    make_recipe,
)
from mlops_code.forecasting.series import Series

WEEKLY = make_recipe("same_weekday_mean", {"weeks": 8})
NAIVE = make_recipe("seasonal_naive", {})
RIDGE = make_recipe("ridge_direct", {"alpha": 1.0})
ALL = pytest.mark.parametrize("recipe", [NAIVE, WEEKLY, RIDGE], ids=lambda recipe: recipe.name)


def history(series: Series, days: int, horizon: int = 28) -> History:
    return History(series.values[:days], series.day(days - 1), 7, horizon)


def test_seasonal_naive_repeats_the_last_week(series: Series) -> None:
    made = forecast(fit(NAIVE, history(series, 100)), 16)
    assert np.array_equal(made, np.resize(series.values[93:100], 16))


def test_the_weekday_mean_is_the_mean_of_eight_same_weekdays(series: Series) -> None:
    made = forecast(fit(WEEKLY, history(series, 100)), 9)
    expected = np.mean([series.values[100 - 7 * week] for week in range(1, 9)])
    assert made[0] == pytest.approx(expected)
    assert made[7] == made[0]


def test_ridge_equals_a_fit_written_out_day_by_day(series: Series) -> None:
    days, first = 150, series.first
    values = series.values[:days]

    def features(origin: int, ahead: int) -> list[float]:
        lags = [values[origin - 7 * week + ahead % 7] for week in range(1, 9)]
        day = first + timedelta(days=origin + ahead)
        weekday = [float(day.weekday() == number) for number in range(7)]
        month_end = float((day + timedelta(days=1)).month != day.month)
        return [*lags[:4], float(np.mean(lags[:4])), float(np.mean(lags)), *weekday, month_end]

    pairs = [(origin, ahead) for origin in range(56, days) for ahead in range(min(28, days - origin))]
    plain = make_pipeline(StandardScaler(), Ridge(1.0))
    plain.fit([features(*pair) for pair in pairs], [values[sum(pair)] for pair in pairs])
    expected = np.clip(plain.predict([features(days, ahead) for ahead in range(40)]), 0, None)
    assert np.allclose(forecast(fit(RIDGE, history(series, days)), 40), expected, rtol=1e-9)


@ALL
def test_a_fit_never_sees_the_day_after_its_cutoff(series: Series, recipe: Recipe) -> None:
    changed = Series(series.first, np.concatenate([series.values[:200], 1e6 * np.ones(105)]))
    before = forecast(fit(recipe, history(series, 200)), 28)
    assert np.array_equal(forecast(fit(recipe, history(changed, 200)), 28), before)


@ALL
def test_the_longest_horizon_is_forecast_day_by_day(series: Series, recipe: Recipe) -> None:
    pairs = dated_forecast(fit(recipe, history(series, 305)), 366)
    assert [day for day, _ in pairs] == [date(2014, 6, 1) + timedelta(days=ahead) for ahead in range(366)]
    assert all(np.isfinite(value) and value >= 0 for _, value in pairs)


@ALL
def test_too_little_history_is_refused(series: Series, recipe: Recipe) -> None:
    needed = days_needed(recipe, 7, 28)
    fit(recipe, history(series, needed))
    with pytest.raises(ValueError, match=f"needs {needed} days"):
        fit(recipe, history(series, needed - 1))


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("arima", {}),
        ("seasonal_naive", {"weeks": 1.0}),
        ("same_weekday_mean", {}),
        ("same_weekday_mean", {"weeks": 0.0}),
        ("same_weekday_mean", {"weeks": 2.5}),
        ("same_weekday_mean", {"weeks": 105.0}),
        ("same_weekday_mean", {"weeks": 8.0, "days": 1.0}),
        ("ridge_direct", {"alpha": 0.0}),
        ("ridge_direct", {"alpha": 1e12}),
    ],
)
def test_wild_recipes_are_refused(name: str, parameters: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=r"expected|unknown"):
        make_recipe(name, parameters)


def test_labels_tell_parameters_apart() -> None:
    assert WEEKLY.label == "same_weekday_mean(weeks=8)"
    close = make_recipe("ridge_direct", {"alpha": 1.0000000001})
    assert close.label != RIDGE.label


def test_a_forecast_that_is_not_finite_is_an_error() -> None:
    model = FittedModel(NAIVE, 7, date(2014, 1, 1), {"profile": np.array([1.0] * 6 + [np.nan])})
    with pytest.raises(ValueError, match="not finite"):
        dated_forecast(model, 28)
