"""The backtest reproduces measured metrics and keeps its windows honest."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import pytest

from forecasting.data.series import Panel
from forecasting.errors import HistoryError
from forecasting.evaluation.backtest import (
    Plan,
    Windows,
    actuals_of,
    backtest,
    history_of,
    last_windows,
    with_year_ago,
)
from forecasting.evaluation.calibration import half_widths_of, interval_score
from forecasting.evaluation.comparison import diebold_mariano
from forecasting.evaluation.metrics import Actuals, Metrics, by_series, scales_of, score
from forecasting.models.catalog import fit, forecast, make_recipe
from forecasting.models.recipe import Recipe
from forecasting.problem.problem_file import Problem

WEEKLY = make_recipe("same_weekday_mean", {"weeks": 8})
WINDOW = make_recipe("window_mean", {"days": 56})
RIDGE = make_recipe("ridge_direct", {"alpha": 1.0})
SCALED = make_recipe("ridge_direct", {"alpha": 1.0, "scaled": 1.0})
BOOSTING = make_recipe("histgb_direct", {"rounds": 100, "leaves": 8, "min_rows": 50, "rate": 0.05})
BOTH = make_recipe("mean_of", {}, [WEEKLY, RIDGE])


def scored(panel: Panel, problem: Problem, recipes: list[Recipe], origins: int) -> dict[str, Metrics]:
    windows = last_windows(panel, recipes, problem.training, Plan(origins, 7))
    history = history_of(panel, problem.training, 0.0)
    actuals = actuals_of(history, windows)
    predictions = {"seasonal_naive()": actuals.naive, **backtest(history, recipes, windows)}
    return {label: score(forecasts, actuals) for label, forecasts in predictions.items()}


def test_the_worked_example_of_eight_weekly_origins(panel: Panel, problem: Problem) -> None:
    """MAE on 8 weekly origins 2014-03-16 to 05-04, 28 days: the numbers this project was designed with."""
    windows = last_windows(panel, [WEEKLY, RIDGE], problem.training, Plan(8, 7))
    assert panel.day(windows.origins[0]) == date(2014, 3, 16)
    assert panel.day(windows.origins[-1]) == date(2014, 5, 4)
    assert panel.day(windows.last_day) == date(2014, 5, 31)
    scores = scored(panel, problem, [WEEKLY, RIDGE, BOOSTING], 8)
    for label, error, relative in (
        ("seasonal_naive()", 311.7, 1.0),
        (WEEKLY.label, 246.7, 0.791),
        (RIDGE.label, 267.4, 0.858),
        (BOOSTING.label, 243.3, 0.781),
    ):
        assert scores[label].mae == pytest.approx(error, rel=0.001)
        assert scores[label].rel_mae == pytest.approx(relative, rel=0.001)


def test_twenty_origins_give_the_measured_table(panel: Panel, problem: Problem) -> None:
    scores = scored(panel, problem, [WEEKLY, RIDGE, BOTH], 20)
    weekly, ridge, both = scores[WEEKLY.label], scores[RIDGE.label], scores[BOTH.label]
    assert (weekly.mase, weekly.rmse) == pytest.approx((0.673, 329), rel=0.002)
    assert (ridge.mase, ridge.rmse) == pytest.approx((0.774, 358), rel=0.002)
    assert (both.mase, both.rmse) == pytest.approx((0.696, 331), rel=0.002)
    assert (weekly.bias, ridge.bias) == pytest.approx((-15, -68), abs=0.5)


@pytest.mark.parametrize(("horizon", "limit"), [(7, 0.87), (14, 0.82), (28, 0.75)])
def test_the_served_model_beats_seasonal_naive_on_twenty_origins(
    panel: Panel, problem: Problem, horizon: int, limit: float
) -> None:
    """It is the mean of the last eight same weekdays; the last 28 days are forecast from the last origin."""
    windows = Windows(tuple(range(305 - 28 - 19 * 7, 305 - 27, 7)), horizon)
    history = history_of(panel, problem.training, 0.0)
    actuals = actuals_of(history, windows)
    relative = score(backtest(history, [WEEKLY], windows)[WEEKLY.label], actuals).rel_mae
    assert round(relative, 2) <= limit


def test_a_backtest_refits_at_every_origin_and_sees_no_later_day(many: Panel, problem: Problem) -> None:
    """Each window equals one fit on the days before it, so sums that are carried on carry no later day."""
    windows = Windows((150, 157, 200), 28)
    history = history_of(many, problem.training, 0.0)
    recipes = [WEEKLY, WINDOW, SCALED, make_recipe("mean_of", {}, [WINDOW, SCALED])]
    predictions = backtest(history, recipes, windows)
    for recipe in recipes:
        for place, origin in enumerate(windows.origins):
            alone = forecast(fit(recipe, history.until(origin)), 28)
            assert np.allclose(predictions[recipe.label][:, place], alone, rtol=1e-9, atol=1e-9)


def test_a_short_series_is_refused_with_the_days_it_needs(panel: Panel, problem: Problem) -> None:
    with pytest.raises(HistoryError, match="need 161") as caught:
        last_windows(panel.until(150), [RIDGE], problem.training, Plan(8, 7))
    assert caught.value.reason == "too-few-origins"
    last_windows(panel.until(161), [RIDGE], problem.training, Plan(8, 7))


@pytest.fixture
def long() -> Panel:
    """Two series of 520 days, the second of which begins 60 days after the earliest origin of a year ago."""
    days = np.arange(520)
    values = np.stack([100 + 20 * np.sin(days * 2 * np.pi / 7) + days % 5, 50.0 + days % 11])
    values[1, : 520 - 364 + 60] = 0
    return Panel(date(2024, 1, 1), values, ("old", "young"))


def year_ago(panel: Panel, problem: Problem, chosen: tuple[int, int] = (300, 442), origins: int = 5) -> Windows:
    windows = last_windows(panel, [RIDGE], problem.training, Plan(8, 7))
    return with_year_ago(windows, panel, [RIDGE], problem.training, plan=Plan(origins, 7), chosen=chosen)


def test_windows_of_a_year_ago_forecast_the_weekdays_and_the_season_of_the_coming_days(
    long: Panel, problem: Problem
) -> None:
    windows = year_ago(long, problem)
    assert windows.origins[:5] == (156, 163, 170, 177, 184)
    assert long.day(156) == long.day(520 - 364)
    assert long.day(156).weekday() == (long.last + timedelta(days=1)).weekday()
    assert (windows.year_ago, len(windows.recent), windows.first_day) == (5, 8, 443)


@pytest.mark.parametrize(
    ("chosen", "expected"), [((212, 442), 5), ((100, 155), 5), ((100, 156), 0), ((211, 300), 0), ((0, 442), 0)]
)
def test_windows_of_a_year_ago_that_training_has_seen_are_left_out(
    long: Panel, problem: Problem, chosen: tuple[int, int], expected: int
) -> None:
    """They begin on day 156 and end on day 211."""
    assert year_ago(long, problem, chosen).year_ago == expected


@pytest.mark.parametrize(("days", "expected"), [(448, 5), (447, 0), (364, 0)])
def test_a_history_that_is_too_short_for_all_windows_of_a_year_ago_gets_none(
    long: Panel, problem: Problem, days: int, expected: int
) -> None:
    """The ridge needs 84 days before an origin."""
    assert year_ago(long.until(days), problem).year_ago == expected
    assert year_ago(long, problem, origins=0).year_ago == 0


@pytest.mark.parametrize("place", [0, 2, 4])
@pytest.mark.parametrize(
    "name", ["same_weekday_mean", "window_mean", "holt_winters", "ridge_direct", "histgb_direct"]
)
def test_nothing_after_an_origin_of_a_year_ago_reaches_its_forecasts(
    long: Panel, problem: Problem, name: str, place: int
) -> None:
    """Every day from that origin on is another one, up to the last; forecasts and scales stay as they were."""
    parameters: dict[str, dict[str, float]] = {
        "same_weekday_mean": {"weeks": 8},
        "window_mean": {"days": 56},
        "ridge_direct": {"alpha": 1.0, "scaled": 1.0},
        "histgb_direct": {"rounds": 5, "leaves": 4, "min_rows": 20, "rate": 0.1},
    }
    recipe = make_recipe(name, parameters.get(name, {}))
    windows = year_ago(long, problem)
    origin = windows.origins[place]
    values = long.values.copy()
    values[:, origin:] = values[:, origin:] * 7 + 1000
    found = []
    for one in (long, Panel(long.first, values, long.keys)):
        history = history_of(one, problem.training, 0.0)
        made = backtest(history, [recipe], replace(windows, origins=windows.origins[:5], year_ago=0))
        actuals = actuals_of(history, windows)
        found.append(
            (made[recipe.label][:, : place + 1], actuals.scales[:, : place + 1], actuals.naive[:, : place + 1])
        )
    for before, after in zip(*found, strict=True):
        assert np.array_equal(before, after)


def test_a_series_that_began_since_is_scored_on_the_recent_windows_alone(long: Panel, problem: Problem) -> None:
    windows = year_ago(long, problem)
    history = history_of(long, problem.training, 0.0)
    actuals, made = actuals_of(history, windows), backtest(history, [WEEKLY], windows)[WEEKLY.label]
    assert actuals.usable.all()
    assert actuals.cells.tolist() == [[True] * 13, [False] * 5 + [True] * 8]
    metrics = score(made, actuals)
    assert not metrics.not_finite()
    cells = np.abs(made - actuals.values).mean(axis=2)
    expected = (cells[0] / actuals.scales[0]).mean() / 2 + (cells[1, 5:] / actuals.scales[1, 5:]).mean() / 2
    assert metrics.mase == pytest.approx(expected)
    assert score(made[:, 5:], actuals.recent).mase == pytest.approx(
        (cells[:, 5:] / actuals.scales[:, 5:]).mean(), rel=1e-12
    )


DAYS = np.array([[0, 1], [1, 2]])  # of the week


def example(naive: float = 0.0) -> Actuals:
    true = np.array([[[2.0, 2.0], [1.0, 1.0]]])
    return Actuals(true, np.full_like(true, naive), np.array([[1.0, 2.0]]), np.array([[1.0, 4.0]]), DAYS)


def test_metrics_of_a_small_example() -> None:
    metrics = score(np.array([[[1.0, 2.0], [3.0, 5.0]]]), example())
    assert metrics.mae == 7 / 4
    assert metrics.rmse == pytest.approx((21 / 4) ** 0.5)
    assert (metrics.bias, metrics.bias_ratio) == pytest.approx((5 / 4, 5 / 6))
    assert metrics.mase == pytest.approx((0.5 + 1.5) / 2)
    assert metrics.rmsse == pytest.approx((0.5**0.5 + (10 / 4) ** 0.5) / 2)
    assert metrics.rel_mae == pytest.approx((7 / 4) / (6 / 4))


def test_scales_are_those_of_the_days_before() -> None:
    values = np.array([[1.0, 2.0, 4.0, 8.0, 100.0]])
    scales, squares = scales_of(values, (4,), 2)
    assert (scales[0, 0], squares[0, 0]) == pytest.approx((4.5, (1 + 4 + 16) / 3))


def test_a_zero_baseline_gives_metrics_that_name_themselves() -> None:
    true = np.ones((1, 1, 2))
    actuals = Actuals(true, true, np.zeros((1, 1)), np.zeros((1, 1)), DAYS[:1])
    assert score(true, actuals).not_finite() == ["mase", "rmsse", "rel_mae"]


def test_series_that_never_vary_are_left_out_of_many_and_none_left_is_no_number(
    many: Panel, problem: Problem
) -> None:
    windows = Windows((200,), 28)
    flat = Panel(many.first, np.vstack([many.values, np.full((2, 320), 3.0)]), (*many.keys, "x", "y"))
    grounds = [actuals_of(history_of(one, problem.training, 0.0), windows) for one in (many, flat)]
    assert grounds[1].usable.sum() == 40
    assert score(grounds[0].naive, grounds[0]) == score(grounds[1].naive, grounds[1])
    none = grounds[1].rows(np.array([40, 41]))
    assert len(score(none.naive, none).not_finite()) == 7


def test_many_series_count_the_same_whatever_their_unit(many: Panel, problem: Problem) -> None:
    """A series in cents instead of dollars changes no ratio."""
    windows, units = Windows((200, 207), 28), np.where(np.arange(40) % 2, 128.0, 1.0)[:, None]
    found = []
    for values in (many.values, many.values * units):
        history = history_of(Panel(many.first, values, many.keys), problem.training, 0.0)
        actuals, predictions = actuals_of(history, windows), backtest(history, [SCALED], windows)
        metrics = score(predictions[SCALED.label], actuals)
        found.append([metrics.mase, metrics.rmsse, metrics.rel_mae, metrics.bias_ratio])
        assert by_series(predictions[SCALED.label], actuals, "rmsse").mean() == pytest.approx(metrics.rmsse)
        assert by_series(predictions[SCALED.label], actuals, "mase").mean() == pytest.approx(metrics.mase)
    assert found[0] == pytest.approx(found[1])


def test_the_order_of_series_does_not_matter(many: Panel, problem: Problem) -> None:
    windows, turned = Windows((200, 207), 28), many.rows(list(reversed(range(40))))
    forth, back = (history_of(one, problem.training, 0.0) for one in (many, turned))
    one = backtest(forth, [SCALED], windows)[SCALED.label]
    assert np.allclose(backtest(back, [SCALED], windows)[SCALED.label][::-1], one, rtol=1e-9, atol=1e-9)


def test_intervals_cover_what_they_promise_where_residuals_are_alike(many: Panel, problem: Problem) -> None:
    history = history_of(many, problem.training, 0.0)
    before, after = Windows(tuple(range(140, 190, 7)), 28), Windows(tuple(range(230, 280, 7)), 28)
    half_widths = half_widths_of(backtest(history, [SCALED], before)[SCALED.label], actuals_of(history, before))
    assert half_widths[0] < half_widths[1]
    forecasts, actuals = backtest(history, [SCALED], after)[SCALED.label], actuals_of(history, after)
    narrow, wide = (
        interval_score(forecasts, actuals, half_width, level, 0.0)
        for half_width, level in zip(half_widths, (0.8, 0.95), strict=True)
    )
    assert narrow.coverage == pytest.approx(0.8, abs=0.06)
    assert wide.coverage == pytest.approx(0.95, abs=0.03)
    assert interval_score(forecasts, actuals, (half_widths[0][0] * 9,), 0.8, 0.0).winkler > narrow.winkler


def test_the_interval_of_a_small_example() -> None:
    """Widths 2 and 4 in units 1 and 2, one value 1 outside: (2 + 2 + 2 + 2 + 10 x 1 / 2) / 4."""
    made = np.array([[[2.0, 2.0], [1.0, 4.0]]])
    found = interval_score(made, example(), (1.0,), 0.8, None)
    assert (found.coverage, found.winkler) == pytest.approx((0.75, 13 / 4))
    assert interval_score(made, example(), (1.0,), 0.8, 0.0).winkler == pytest.approx((13 - 0.5) / 4)


def test_the_test_of_diebold_and_mariano_tells_clear_from_unclear(panel: Panel, problem: Problem) -> None:
    """Against seasonal naive on 20 origins of 28 days: the eight-week mean wins clearly, the ridge less so."""
    windows = last_windows(panel, [WEEKLY, RIDGE], problem.training, Plan(20, 7))
    history = history_of(panel, problem.training, 0.0)
    actuals = actuals_of(history, windows)
    errors = {
        label: np.abs(forecasts - actuals.values).mean(axis=(0, 2))
        for label, forecasts in {**backtest(history, [WEEKLY, RIDGE], windows), "naive": actuals.naive}.items()
    }
    assert diebold_mariano(errors[WEEKLY.label], errors["naive"], 28, 7) == pytest.approx(0.000, abs=0.001)
    assert diebold_mariano(errors[RIDGE.label], errors["naive"], 28, 7) == pytest.approx(0.054, abs=0.005)
    assert diebold_mariano(errors["naive"], errors["naive"], 28, 7) is None
    assert diebold_mariano(errors["naive"][:4], errors[RIDGE.label][:4], 28, 7) is None
