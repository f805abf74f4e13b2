"""The whole judgement on series: refits, the worked example, the original's ARIMA, many series."""

from __future__ import annotations

import warnings
from datetime import timedelta
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forecasting.calendars import DAILY
from forecasting.data.series import Panel
from forecasting.decision.contest import Contest
from forecasting.decision.gate import Judgement, decide, judge, overridden
from forecasting.evaluation.backtest import Windows, actuals_of, backtest, history_of
from forecasting.evaluation.comparison import Setting, Side, compare
from forecasting.evaluation.metrics import Actuals, score
from forecasting.evaluation.selection import Proposal, choose
from forecasting.models.catalog import FAMILIES, days_needed, fit, make_recipe
from forecasting.models.recipe import History, Recipe
from forecasting.problem.problem_file import Problem
from forecasting.problem.sections import Candidate
from tests.unit.forecasting.decision.gate_cases import (
    BEFORE,
    BOOSTING,
    NAIVE,
    POLICY,
    RIDGE,
    WEEKLY,
    against,
    only,
    wild,
)


def test_the_worked_example(panel: Panel, problem: Problem) -> None:
    """Champion seasonal naive: the weekday mean is 20.9 % better. Champion weekday mean: nothing beats it by 2 %."""
    first = against(panel, problem, WEEKLY, NAIVE)
    assert (first.verdict.outcome, first.verdict.reason) == ("accepted", "margin")
    assert gain(first) == pytest.approx(0.209, abs=0.002)
    boosting = against(panel, problem, BOOSTING, WEEKLY)
    assert (boosting.verdict.outcome, boosting.verdict.reason) == ("kept", "margin")
    assert gain(boosting) == pytest.approx(0.014, abs=0.002)
    ridge = against(panel, problem, RIDGE, WEEKLY)
    assert (ridge.verdict.outcome, ridge.verdict.reason) == ("kept", "margin")
    found = {rule.code: rule.status for rule in ridge.rules if rule.status in ("failed", "warning")}
    assert found == {"simpler": "warning", "secondary": "warning", "margin": "failed"}


def gain(judged: Judgement) -> float:
    assert judged.comparison is not None
    assert judged.comparison.champion is not None
    return 1 - judged.comparison.challenger.mae / judged.comparison.champion.mae


def recorded(panel: Panel, problem: Problem, origins: int, horizon: int) -> tuple[Actuals, Side, Side, Setting]:
    """ARIMA(2,0,2) as statsmodels 0.15.0 forecast it at the last origins, and the eight-week mean beside it."""
    forecasts = np.loadtxt(Path(__file__).parents[1] / "arima_202_forecasts.csv", delimiter=",")[
        None, -origins:, :horizon
    ]
    windows = Windows(tuple(range(305 - 28 - 7 * (origins - 1), 305 - 27, 7)), horizon)
    history = history_of(panel, problem.training, 0.0)
    actuals = actuals_of(history, windows)
    days = 15_900 + np.array(windows.origins)[:, None] + np.arange(horizon)
    weekly = Side(backtest(history, [WEEKLY], windows)[WEEKLY.label])
    return (
        actuals,
        Side(forecasts),
        weekly,
        Setting("mae", days, 7, np.full((1, origins), panel.values.max()), 0.0, {}),
    )


@pytest.mark.parametrize(("horizon", "relative"), [(7, 1.18), (14, 1.14), (28, 1.06)])
def test_the_originals_arima_is_refused_by_the_floor(
    panel: Panel, problem: Problem, horizon: int, relative: float
) -> None:
    """Over twenty origins it loses to seasonal naive at every horizon."""
    actuals, arima, weekly, setting = recorded(panel, problem, 20, horizon)
    for champion in (None, weekly):
        found = compare(actuals, challenger=arima, champion=champion, simple={}, setting=setting, policy=POLICY)
        verdict, _ = decide(found, POLICY)
        assert (verdict.outcome, verdict.reason) == ("failed", "floor")
        assert found.challenger.rel_mae == pytest.approx(relative, abs=0.005)


def test_where_the_originals_arima_passes_the_floor_the_margin_stops_it_and_the_simple_one_is_named(
    panel: Panel, problem: Problem
) -> None:
    """On the last eight origins it is 3 % better than seasonal naive and 22 % worse than the eight-week mean."""
    actuals, arima, weekly, setting = recorded(panel, problem, 8, 28)
    found = compare(
        actuals,
        challenger=arima,
        champion=weekly,
        simple={WEEKLY.label: weekly.predictions},
        setting=setting,
        policy=POLICY,
    )
    assert found.challenger.rel_mae == pytest.approx(0.967, abs=0.003)
    verdict, table = decide(found, POLICY)
    assert (verdict.outcome, verdict.reason) == ("kept", "margin")
    simpler = next(rule for rule in table if rule.code == "simpler")
    assert simpler.status == "warning"
    assert simpler.value == pytest.approx(-0.22, abs=0.005)


def proposed(panel: Panel, problem: Problem, contest: Contest) -> Judgement:
    judged = judge(panel, contest, problem.training, problem.gate, 0.0)
    assert judged.comparison is not None
    assert judged.proposed is not None
    return judged


def test_where_a_fitted_first_model_loses_the_simple_one_that_training_has_kept_is_proposed(
    panel: Panel, problem: Problem
) -> None:
    """The ridge is 8 % worse than the mean of eight weeks on the gate's windows: the mean becomes the first model."""
    fallbacks = (Proposal(WEEKLY), Proposal(NAIVE))
    judged = proposed(panel, problem, Contest(RIDGE, None, BEFORE, fallbacks=fallbacks))
    assert (judged.verdict.outcome, judged.verdict.reason) == ("accepted", "first-model")
    assert judged.proposed == fallbacks[0]
    assert f"{RIDGE.label}, which training has chosen, loses to {WEEKLY.label}" in judged.verdict.sentence
    assert judged.comparison is not None
    assert judged.comparison.challenger.mae == pytest.approx(246.7, rel=0.01)
    assert not judged.comparison.simple
    boosting = proposed(panel, problem, Contest(BOOSTING, None, BEFORE, fallbacks=fallbacks))
    assert (boosting.proposed, boosting.instead) == (Proposal(BOOSTING), ""), "1.4 % better than the mean"


def test_the_simple_one_is_never_chosen_on_the_gates_windows(panel: Panel, problem: Problem) -> None:
    """The mean of twelve weeks is the best simple candidate here; training has kept that of eight."""
    longer = make_recipe("same_weekday_mean", {"weeks": 12})
    candidates = (Candidate(recipe=WEEKLY.name, parameters={"weeks": weeks}) for weeks in (8, 12))
    contest = Contest(RIDGE, None, BEFORE, fallbacks=(Proposal(WEEKLY), Proposal(NAIVE)))
    judged = judge(panel, contest, only(problem.training, *candidates), problem.gate, 0.0)
    assert judged.proposed == Proposal(WEEKLY)
    assert judged.actuals is not None
    errors = {label: score(made, judged.actuals).mae for label, made in judged.predictions.items()}
    assert errors[longer.label] < errors[WEEKLY.label]


def test_the_gate_looks_at_the_same_days_a_year_ago_where_training_has_not(panel: Panel, problem: Problem) -> None:
    """The sample three times in a row has 915 days."""
    long = Panel(panel.first, np.tile(panel.values, 3), panel.keys)
    chosen: dict[str, Any] = {"chosen_from": long.day(700), "chosen_until": long.day(800)}
    judged = proposed(long, problem, Contest(WEEKLY, None, **chosen))
    assert judged.windows is not None
    assert judged.actuals is not None
    assert (judged.windows.year_ago, judged.windows.origins[0], judged.actuals.year_ago) == (5, 915 - 364, 5)
    assert judged.actuals.values.shape == (1, 13, 28)
    for unknown in ({"chosen_until": long.day(800)}, chosen | {"chosen_from": long.day(560)}):
        fewer = proposed(long, problem, Contest(WEEKLY, None, **unknown))
        assert fewer.windows is not None
        assert (fewer.windows.year_ago, len(fewer.windows.origins)) == (0, 8)
    off = problem.gate.model_copy(update={"year_ago": 0})
    without = judge(long, Contest(WEEKLY, None, **chosen), problem.training, off, 0.0)
    assert without.windows is not None
    assert without.windows.year_ago == 0


def test_a_first_model_below_the_floor_gives_way_to_the_baseline(panel: Panel, problem: Problem) -> None:
    flat = make_recipe("window_mean", {"days": 56})
    alone = judge(panel, Contest(flat, None, BEFORE), problem.training, problem.gate, 0.0).verdict
    assert (alone.outcome, alone.reason) == ("failed", "floor")
    judged = proposed(panel, problem, Contest(flat, None, BEFORE, fallbacks=(Proposal(NAIVE),)))
    assert (judged.verdict.outcome, judged.verdict.reason) == ("accepted", "first-model")
    assert judged.proposed == Proposal(NAIVE)
    assert "is not below the floor" in judged.verdict.sentence
    champion = fit(WEEKLY, History(panel.values, panel.last, 7, 28))
    later = proposed(panel, problem, Contest(flat, champion, BEFORE, fallbacks=(Proposal(NAIVE),)))
    assert (later.verdict.reason, later.proposed) == ("floor", Proposal(flat)), "with a champion nothing is urgent"


def test_the_same_recipe_again_is_a_tie_and_the_first_model_needs_no_champion(panel: Panel, problem: Problem) -> None:
    assert against(panel, problem, WEEKLY, WEEKLY).verdict.reason == "tie"
    alone = against(panel, problem, WEEKLY, None).verdict
    assert (alone.outcome, alone.reason) == ("accepted", "first-model")


def test_the_same_recipe_on_the_same_data_is_nothing_new(panel: Panel, problem: Problem) -> None:
    champion = fit(WEEKLY, History(panel.values, panel.last, 7, 28))
    for challenger, expected in ((WEEKLY, "no-new-data"), (RIDGE, "margin")):
        contest = Contest(challenger, champion, BEFORE, same_data=True)
        verdict = judge(panel, contest, problem.training, problem.gate, 0.0).verdict
        assert (verdict.outcome, verdict.reason) == ("kept", expected)


def test_seasonal_naive_may_be_served(panel: Panel, problem: Problem) -> None:
    verdict = against(panel, problem, NAIVE, None).verdict
    assert (verdict.outcome, verdict.reason) == ("accepted", "first-model")


def test_a_challenger_chosen_on_the_gates_days_is_refused(panel: Panel, problem: Problem) -> None:
    contest = Contest(WEEKLY, None, BEFORE + timedelta(days=1))
    verdict = judge(panel, contest, problem.training, problem.gate, 0.0).verdict
    assert (verdict.outcome, verdict.reason) == ("failed", "error")
    assert "flatter" in verdict.sentence


def test_too_few_origins_and_constant_series_are_named_failures(panel: Panel, problem: Problem) -> None:
    judged = judge(panel.until(130), Contest(WEEKLY, None, BEFORE), problem.training, problem.gate, 0.0)
    assert (judged.verdict.outcome, judged.verdict.reason) == ("failed", "too-few-origins")
    assert judged.windows is None
    flat = Panel(panel.first, np.full((1, 305), 3.0), panel.keys)
    verdict = judge(flat, Contest(WEEKLY, None, BEFORE), problem.training, problem.gate, 0.0).verdict
    assert (verdict.outcome, verdict.reason) == ("failed", "nan")


def test_many_series_are_judged_by_one_global_model(many: Panel, problem: Problem) -> None:
    """Choose on early windows, judge on late ones; the champion came from half of the series and ages ago."""
    names = ("window_mean", "ridge_direct")
    parameters: list[dict[str, float]] = [{"days": 56.0}, {"alpha": 1.0, "scaled": 1.0}]
    candidates = [Candidate(recipe=name, parameters=of) for name, of in zip(names, parameters, strict=True)]
    training = only(problem.training, *candidates).model_copy(update={"metric": "rmsse"})
    choice = choose(many, training, 0.0)
    assert choice.recipe.name == "ridge_direct"
    old = fit(choice.recipe, History(many.values[:20, :200], many.day(199), 7, 28))
    contest = Contest(choice.recipe, old, many.day(choice.windows.last_day), choice.half_widths, ("kind", "product"))
    judged = judge(many, contest, training, problem.gate, 0.0)
    assert judged.comparison is not None
    assert (judged.comparison.series, judged.comparison.age and judged.comparison.age.clean) == (40, 8)
    assert {part.kind for part in judged.comparison.segments} == {"weekday", "ahead", "activity", "kind"}
    assert judged.comparison.champion == judged.comparison.challenger
    assert (judged.verdict.outcome, judged.verdict.reason) == ("accepted", "refresh"), judged.verdict.sentence


def test_the_champions_intervals_are_calibrated_on_the_challengers_windows(panel: Panel, problem: Problem) -> None:
    choice = choose(panel, problem.training, 0.0)
    champion = fit(RIDGE, History(panel.values, panel.last, 7, 28))
    contest = Contest(choice.recipe, champion, panel.day(choice.windows.last_day), choice.half_widths)
    judged = judge(panel, contest, problem.training, problem.gate, 0.0)
    assert judged.comparison is not None
    assert judged.comparison.interval is not None
    assert judged.comparison.champion_interval is not None
    assert 0.7 < judged.comparison.interval.coverage < 0.95
    later = History(panel.values * np.where(np.arange(305) < 228, 1.0, 3.0), panel.last, 7, 28)
    wild = Panel(panel.first, later.values, panel.keys)
    other = judge(wild, contest, problem.training, problem.gate, 0.0)
    assert other.comparison is not None
    assert other.comparison.champion_interval is not None
    assert other.comparison.champion_interval.coverage < judged.comparison.champion_interval.coverage


def test_a_backtest_of_a_recipe_that_is_both_sides_is_made_once(panel: Panel, problem: Problem) -> None:
    judged = against(panel, problem, WEEKLY, WEEKLY)
    assert judged.windows is not None
    history = History(panel.values, panel.last, 7, 28)
    assert set(judged.predictions) == {WEEKLY.label, NAIVE.label}
    again = backtest(history, [WEEKLY], judged.windows)[WEEKLY.label]
    assert np.array_equal(again, judged.predictions[WEEKLY.label])


# ---- what must hold of any series ------------------------------------------------------------------------------


@pytest.mark.parametrize("unit", [1e-9, 0.37, 60.0, 1e9])
def test_the_unit_of_the_measure_changes_no_verdict(panel: Panel, problem: Problem, unit: float) -> None:
    scaled = Panel(panel.first, panel.values * unit, panel.keys)
    for challenger, champion in ((WEEKLY, None), (WEEKLY, NAIVE), (RIDGE, WEEKLY), (RIDGE, None), (WEEKLY, WEEKLY)):
        one, other = (against(series, problem, challenger, champion) for series in (panel, scaled))
        assert (one.verdict.outcome, one.verdict.reason) == (other.verdict.outcome, other.verdict.reason)
        for mine, yours in zip(one.rules, other.rules, strict=True):
            assert (mine.code, mine.status) == (yours.code, yours.status)
            assert mine.value == pytest.approx(yours.value)


def judged_many(many: Panel, problem: Problem, order: list[int]) -> Judgement:
    """A global ridge against the mean of eight weeks, over forty series in some order."""
    recipe = make_recipe("ridge_direct", {"alpha": 1.0, "scaled": 1.0})
    training = only(problem.training, Candidate(recipe="same_weekday_mean", parameters={"weeks": 8}))
    training = training.model_copy(update={"metric": "rmsse"})
    turned = many.rows(order)
    champion = fit(WEEKLY, History(turned.values, turned.last, 7, 28), turned.keys)
    contest = Contest(recipe, champion, many.day(200), key_columns=("kind", "product"))
    return judge(turned, contest, training, problem.gate, 0.0)


def test_the_order_of_the_series_in_the_table_changes_no_verdict(many: Panel, problem: Problem) -> None:
    plain = judged_many(many, problem, list(range(40)))
    assert plain.comparison is not None
    assert plain.comparison.better is not None
    for seed in range(3):
        order = np.random.default_rng(seed).permutation(40).tolist()
        turned = judged_many(many, problem, order)
        assert (turned.verdict.outcome, turned.verdict.reason) == (plain.verdict.outcome, plain.verdict.reason)
        for mine, yours in zip(plain.rules, turned.rules, strict=True):
            assert (mine.code, mine.status) == (yours.code, yours.status)
            assert mine.value == pytest.approx(yours.value)


@settings(max_examples=40)
@given(day=st.integers(0, 304), value=wild, pair=st.sampled_from([(WEEKLY, NAIVE), (WEEKLY, None), (RIDGE, WEEKLY)]))
def test_a_value_that_is_not_finite_anywhere_in_the_series_never_promotes(
    panel: Panel, problem: Problem, day: int, value: float, pair: tuple[Recipe, Recipe | None]
) -> None:
    """The contract rejects such values; if one were present nevertheless, it would decide nothing."""
    values = panel.values.copy()
    values[0, day] = value
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        verdict = against(Panel(panel.first, values, panel.keys), problem, *pair).verdict
    assert verdict.outcome == "failed"
    assert verdict.reason in {"nan", "error"}


@settings(max_examples=60)
@given(
    origins=st.integers(1, 12),
    step=st.sampled_from([1, 7]),
    horizon=st.sampled_from([7, 28]),
    recipe=st.sampled_from([WEEKLY, RIDGE]),
    short=st.integers(1, 60),
)
def test_one_day_too_few_is_too_few(
    panel: Panel, problem: Problem, *, origins: int, step: int, horizon: int, recipe: Recipe, short: int
) -> None:
    """Fewer origins are never taken instead: that would be another comparison."""
    training = problem.training.model_copy(update={"horizon": horizon})
    policy = problem.gate.model_copy(update={"origins": origins, "step": step})
    needed = days_needed(recipe, 7, horizon, DAILY) + (origins - 1) * step + horizon
    contest = Contest(recipe, None, panel.first)
    few = judge(panel.until(max(1, needed - short)), contest, training, policy, 0.0)
    assert (few.verdict.outcome, few.verdict.reason, few.comparison) == ("failed", "too-few-origins", None)
    enough = judge(panel.until(needed), contest, training, policy, 0.0)
    assert enough.verdict.reason != "too-few-origins"
    assert enough.windows is not None
    assert len(enough.windows.origins) == origins


@pytest.mark.parametrize("broken", ["challenger", "champion", "baseline"])
@pytest.mark.parametrize(
    "fault", [np.linalg.LinAlgError("singular"), ZeroDivisionError("by zero"), ValueError("odd")]
)
def test_a_model_that_breaks_decides_nothing(
    panel: Panel, problem: Problem, monkeypatch: pytest.MonkeyPatch, broken: str, fault: Exception
) -> None:
    champion = fit(RIDGE, History(panel.values, panel.last, 7, 28))
    name = {"challenger": "same_weekday_mean", "champion": "ridge_direct", "baseline": "seasonal_naive"}[broken]

    def breaks(*_: object) -> NoReturn:
        raise fault

    monkeypatch.setattr(FAMILIES[name], "fits", breaks)
    judged = judge(panel, Contest(WEEKLY, champion, BEFORE), problem.training, problem.gate, 0.0)
    assert (judged.verdict.outcome, judged.verdict.reason) == ("failed", "error")
    assert str(fault) in judged.verdict.sentence
    with pytest.raises(ValueError, match="not a judgement of quality"):
        overridden(judged.verdict, "A. Turing", "because")


def test_the_gate_tells_of_each_fit(panel: Panel, problem: Problem) -> None:
    told: list[tuple[str, int, int]] = []
    champion = fit(RIDGE, History(panel.values, panel.last, 7, 28))
    contest = Contest(WEEKLY, champion, BEFORE)
    judge(panel, contest, problem.training, problem.gate, 0.0, progress=lambda *each: told.append(each))
    assert told[0] == (WEEKLY.label, 1, 8)
    assert told[-1] == (RIDGE.label, 8, 8)
