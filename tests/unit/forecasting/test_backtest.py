"""The backtest reproduces measured figures, keeps its windows honest, and training prefers the simple recipe."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import numpy as np
import pytest

from mlops_code.forecasting.backtest import Plan, backtest, choose, last_windows
from mlops_code.forecasting.candidates import make_recipe
from mlops_code.forecasting.errors import HistoryError, RefusedError, UsageError
from mlops_code.forecasting.metrics import bias, in_sample_scale, mae, mase, rmse, score
from mlops_code.forecasting.problem import Candidate, Problem
from mlops_code.forecasting.series import Series

WEEKLY = make_recipe("same_weekday_mean", {"weeks": 8})
RIDGE = make_recipe("ridge_direct", {"alpha": 1.0})


def test_the_worked_example_of_eight_weekly_origins(series: Series, problem: Problem) -> None:
    """MAE on 8 weekly origins 2014-03-16 to 05-04, 28 days: the figures this project was designed with."""
    windows = last_windows(series, [WEEKLY, RIDGE], problem.training, Plan(8, 7))
    assert series.day(windows.origins[0]) == date(2014, 3, 16)
    assert series.day(windows.origins[-1]) == date(2014, 5, 4)
    assert series.day(windows.last_day) == date(2014, 5, 31)
    scores = backtest(series, [WEEKLY, RIDGE], windows, 7)
    for label, error, relative in (
        ("seasonal_naive()", 311.7, 1.0),
        ("same_weekday_mean(weeks=8)", 246.7, 0.791),
        ("ridge_direct(alpha=1)", 267.4, 0.858),
    ):
        assert scores[label].mae == pytest.approx(error, rel=0.01)
        assert scores[label].rel_mae == pytest.approx(relative, rel=0.01)


def test_twenty_origins_give_the_measured_table(series: Series, problem: Problem) -> None:
    windows = last_windows(series, [WEEKLY, RIDGE], problem.training, Plan(20, 7))
    scores = backtest(series, [WEEKLY, RIDGE], windows, 7)
    weekly, ridge = scores[WEEKLY.label], scores[RIDGE.label]
    assert (weekly.mase, weekly.rmse) == pytest.approx((0.673, 329), rel=0.01)
    assert (ridge.mase, ridge.rmse) == pytest.approx((0.774, 358), rel=0.01)
    assert (weekly.bias, ridge.bias) == pytest.approx((-15, -68), abs=0.5)


def test_training_chooses_before_the_gates_days_and_takes_the_simple_recipe(series: Series, problem: Problem) -> None:
    choice = choose(series, problem.training)
    assert choice.recipe == WEEKLY
    assert series.day(choice.windows.last_day) == date(2014, 3, 15)
    assert set(choice.scores) == {WEEKLY.label, RIDGE.label, "seasonal_naive()"}


def test_the_choice_ignores_what_happens_in_the_days_held_back(series: Series, problem: Problem) -> None:
    wild = Series(series.first, np.concatenate([series.values[:-77], series.values[-77:] * 50]))
    assert choose(wild, problem.training).scores == choose(series, problem.training).scores


def test_a_fitted_recipe_is_chosen_where_it_earns_its_upkeep(problem: Problem) -> None:
    """A level that grows in the last weeks: the mean of eight weeks lags behind, the regression follows."""
    days = np.arange(305)
    steep = Series(date(2013, 7, 31), 100 + days**2 / 50 + 10 * np.sin(days))
    choice = choose(steep, problem.training)
    assert choice.recipe == RIDGE
    assert "beats" in choice.why


def test_a_single_candidate_is_taken(series: Series, problem: Problem) -> None:
    only = replace(problem.training, candidates=(Candidate("ridge_direct", {"alpha": 1.0}),))
    assert choose(series, only).recipe == RIDGE


@pytest.mark.parametrize("name", ["arima", "seasonal_naive"])
def test_a_candidate_that_cannot_be_is_a_usage_error(series: Series, problem: Problem, name: str) -> None:
    with pytest.raises(UsageError, match=name):
        choose(series, replace(problem.training, candidates=(Candidate(name, {}),)))


def test_a_short_series_is_refused_with_the_days_it_needs(series: Series, problem: Problem) -> None:
    short = Series(series.first, series.values[:200])
    with pytest.raises(HistoryError, match="need 238") as caught:
        choose(short, problem.training)
    assert caught.value.reason == "too-few-origins"
    choose(Series(series.first, series.values[:238]), problem.training)


def test_a_constant_series_is_refused_because_nothing_can_be_compared(problem: Problem) -> None:
    with pytest.raises(RefusedError, match="not finite"):
        choose(Series(date(2013, 7, 31), np.full(305, 5.0)), problem.training)


def test_metrics_of_a_small_example() -> None:
    made, true = np.array([[1.0, 2.0], [3.0, 5.0]]), np.array([[2.0, 2.0], [1.0, 1.0]])
    assert mae(made, true) == 7 / 4
    assert rmse(made, true) == pytest.approx((21 / 4) ** 0.5)
    assert bias(made, true) == 5 / 4
    assert mase(made, true, np.array([1.0, 2.0])) == pytest.approx((0.5 + 1.5) / 2)
    assert in_sample_scale(np.array([1.0, 2.0, 4.0, 8.0]), 2) == 4.5
    assert score(made, true, np.array([1.0, 2.0]), made).rel_mae == 1


def test_a_zero_yardstick_gives_metrics_that_name_themselves() -> None:
    true = np.ones((1, 2))
    assert score(true, true, np.zeros(1), true).not_finite() == ["mase", "rel_mae"]
