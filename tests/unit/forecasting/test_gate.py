"""The gate promotes only what is finite, under the floor and better by the margin, in any unit and any order."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops_code.forecasting.backtest import Windows, backtest, ground_of, history_of
from mlops_code.forecasting.candidates import fit, forecast, make_recipe, update
from mlops_code.forecasting.comparison import Age, Figures, Segment, Setting, Side, compare
from mlops_code.forecasting.gate import Contest, Incumbent, Judgement, Verdict, decide, judge, overridden
from mlops_code.forecasting.intervals import IntervalScore
from mlops_code.forecasting.metrics import Ground, Metrics
from mlops_code.forecasting.policy import Candidate, GatePolicy, Training
from mlops_code.forecasting.problem import Problem
from mlops_code.forecasting.recipe import History, Recipe
from mlops_code.forecasting.selection import choose
from mlops_code.forecasting.series import Panel

POLICY = GatePolicy(origins=8, step=7)
WEEKLY = make_recipe("same_weekday_mean", {"weeks": 8})
NAIVE = make_recipe("seasonal_naive", {})
RIDGE = make_recipe("ridge_direct", {"alpha": 1.0})
BOOSTING = make_recipe("histgb_direct", {"rounds": 100, "leaves": 8, "min_rows": 50, "rate": 0.05})
BEFORE = date(2014, 3, 15)

errors = st.floats(min_value=0.001, max_value=1e6)
margins = st.floats(min_value=0, max_value=0.5)
wild = st.sampled_from([float("nan"), float("inf"), float("-inf")])
fields = st.sampled_from(["mae", "rmse", "mase", "rmsse", "rel_mae", "bias", "bias_ratio"])


def scored(mae: float, reference: float = 300.0) -> Metrics:
    return Metrics(
        mae=mae, rmse=mae * 1.3, mase=mae / 280, rmsse=mae / 400, rel_mae=mae / reference, bias=-mae / 10,
        bias_ratio=-0.05,
    )  # fmt: skip


def figures(challenger: float, champion: float | None = None, reference: float = 300.0, /, **more: Any) -> Figures:
    theirs = None if champion is None else scored(champion, reference)
    plain = Figures(
        metric="mae", challenger=scored(challenger, reference), champion=theirs,
        reference=scored(reference, reference), simple={}, interval=None, champion_interval=None, segments=(),
        series=1, worse=None, better=None, largest=1.0, age=None,
    )  # fmt: skip
    return replace(plain, **more)


def outcome(found: Figures, policy: GatePolicy = POLICY) -> tuple[str, str]:
    verdict, _ = decide(found, policy)
    return verdict.outcome, verdict.reason


@pytest.mark.parametrize(
    ("challenger", "champion", "expected"),
    [
        (246.7, None, ("accepted", "first-model")),
        (300.0, None, ("failed", "floor")),
        (310.0, None, ("failed", "floor")),
        (310.0, 320.0, ("failed", "floor")),
        (246.7, 246.7, ("kept", "tie")),
        (243.3, 246.7, ("kept", "margin")),
        (267.4, 246.7, ("kept", "margin")),
        (98.0, 100.0, ("accepted", "margin")),
        (98.01, 100.0, ("kept", "margin")),
        (210.4, 246.7, ("accepted", "margin")),
        (0.0, 0.0, ("kept", "tie")),
        (1.0, 0.0, ("kept", "margin")),
    ],
)
def test_floor_margin_and_tie(challenger: float, champion: float | None, expected: tuple[str, str]) -> None:
    assert outcome(figures(challenger, champion)) == expected


GUARDS: list[tuple[str, dict[str, Any]]] = [
    ("maximum", {"largest": 3.1}),
    ("bias", {"challenger": replace(scored(90.0), bias_ratio=0.201)}),
    ("bias", {"challenger": replace(scored(90.0), bias_ratio=-0.201)}),
    ("coverage", {"interval": IntervalScore(0.59, 4.0)}),
    ("coverage", {"interval": IntervalScore(0.99, 4.0)}),
    ("simpler", {"simple": {"window_mean(days=56)": scored(91.0)}}),
]
AGAINST: list[tuple[str, dict[str, Any]]] = [
    ("winkler", {"interval": IntervalScore(0.8, 4.3), "champion_interval": IntervalScore(0.8, 4.0)}),
    ("secondary", {"challenger": replace(scored(90.0), rmse=133.0)}),
    ("segment", {"segments": (Segment("weekday", "Sun", 100, 1.21, 1.0, 1.0),)}),
    ("series", {"worse": 0.51, "better": 0.99}),
]


@pytest.mark.parametrize(("code", "more"), [*GUARDS, *AGAINST])
def test_a_guard_keeps_the_champion_though_the_challenger_is_better(code: str, more: dict[str, Any]) -> None:
    found = figures(90.0, 100.0, **more)
    verdict, table = decide(found, POLICY)
    assert (verdict.outcome, verdict.reason) == ("kept", code)
    assert "better by at least" in verdict.sentence
    assert [rule.code for rule in table if rule.status == "failed"] == [code]


@pytest.mark.parametrize(("code", "more"), GUARDS)
def test_a_guard_stops_a_first_model_as_well(code: str, more: dict[str, Any]) -> None:
    assert outcome(figures(90.0, None, **more)) == ("failed", code)


@pytest.mark.parametrize(("code", "more"), AGAINST)
def test_a_guard_that_is_switched_off_stops_nothing(code: str, more: dict[str, Any]) -> None:
    name = {"series": "series_worse"}.get(code, code)
    policy = POLICY.model_copy(update={"guards": POLICY.guards.model_copy(update={name: None})})
    assert outcome(figures(90.0, 100.0, **more), policy) == ("accepted", "margin")


def test_bias_may_be_large_where_the_champions_is_no_smaller() -> None:
    biased = replace(scored(90.0), bias_ratio=-0.3)
    assert outcome(figures(90.0, 100.0, challenger=biased)) == ("kept", "bias")
    worse = replace(scored(100.0), bias_ratio=0.35)
    assert outcome(figures(90.0, 100.0, challenger=biased, champion=worse)) == ("accepted", "margin")


def test_a_segment_with_few_points_is_shown_and_not_judged() -> None:
    few = Segment("weekday", "Sun", 99, 9.0, 1.0, 1.0)
    assert outcome(figures(90.0, 100.0, segments=(few,))) == ("accepted", "margin")


def test_a_segment_where_next_to_nothing_happens_stops_nobody() -> None:
    """Three times the error of a quiet Sunday is a twentieth of the usual error; of a busy one it is a fault."""
    quiet = Segment("weekday", "Sun", 100, 0.075, 0.025, 1.0)
    assert quiet.change == pytest.approx(0.05)
    assert outcome(figures(90.0, 100.0, segments=(quiet,))) == ("accepted", "margin")
    busy = Segment("weekday", "Mon", 100, 2.5, 2.0, 1.0)
    assert busy.change == pytest.approx(0.25)
    assert outcome(figures(90.0, 100.0, segments=(busy,))) == ("kept", "segment")


def test_many_series_must_agree_on_the_gain() -> None:
    assert outcome(figures(90.0, 100.0, better=0.94, worse=0.4)) == ("kept", "significance")
    assert outcome(figures(90.0, 100.0, better=0.95, worse=0.4)) == ("accepted", "margin")


OLD, YOUNG = Age(36, 0, None, False), Age(35, 8, None, False)


@pytest.mark.parametrize(
    ("challenger", "age", "expected"),
    [
        (100.0, OLD, ("accepted", "refresh")),
        (99.0, OLD, ("accepted", "refresh")),
        (100.1, OLD, ("kept", "margin")),
        (90.0, OLD, ("accepted", "margin")),
        (100.0, YOUNG, ("kept", "tie")),
        (100.0, replace(YOUNG, staleness=0.02), ("accepted", "refresh")),
        (100.0, replace(YOUNG, staleness=0.019), ("kept", "tie")),
        (101.0, replace(YOUNG, staleness=0.5), ("kept", "margin")),
        (100.0, replace(OLD, parameter_free=True), ("accepted", "refresh")),
    ],
)
def test_an_old_champion_is_renewed_by_one_that_is_not_worse(
    challenger: float, age: Age, expected: tuple[str, str]
) -> None:
    assert outcome(figures(challenger, 100.0, age=age)) == expected


def test_renewal_needs_every_guard_and_may_be_switched_off_where_nothing_ages() -> None:
    biased = replace(scored(100.0), bias_ratio=0.3)
    assert outcome(figures(100.0, 100.0, age=OLD, challenger=biased)) == ("kept", "bias")
    off = POLICY.model_copy(update={"refresh": POLICY.refresh.model_copy(update={"parameter_free": False})})
    assert outcome(figures(100.0, 100.0, age=replace(OLD, parameter_free=True)), off) == ("kept", "tie")


@given(challenger=errors, champion=st.none() | errors, who=st.integers(0, 2), field=fields, value=wild)
def test_a_metric_that_is_not_finite_never_promotes(
    challenger: float, champion: float | None, who: int, field: str, value: float
) -> None:
    found = figures(challenger, champion)
    side = ("challenger", "reference" if champion is None else "champion", "reference")[who]
    broken = replace(found, **{side: replace(getattr(found, side), **{field: value})})
    verdict, _ = decide(broken, POLICY)
    assert (verdict.outcome, verdict.reason) == ("failed", "nan")
    assert field in verdict.sentence


@given(value=wild, where=st.sampled_from(["interval", "champion_interval", "segments", "worse", "better", "largest"]))
def test_no_other_figure_that_is_not_finite_promotes(value: float, where: str) -> None:
    broken: Any = value
    if where.endswith("interval"):
        broken = IntervalScore(0.8, value)
    elif where == "segments":
        broken = (Segment("weekday", "Sun", 100, value, 1.0, 1.0),)
    assert outcome(figures(90.0, 100.0, **{where: broken})) == ("failed", "nan")
    aged = figures(100.0, 100.0, age=replace(OLD, staleness=value))
    assert outcome(aged) == ("failed", "nan")


@given(challenger=errors, champion=st.none() | errors, power=st.integers(-20, 20))
def test_the_unit_of_the_series_does_not_matter(challenger: float, champion: float | None, power: int) -> None:
    unit = 2.0**power
    scaled = figures(challenger * unit, None if champion is None else champion * unit, 300.0 * unit)
    assert outcome(scaled) == outcome(figures(challenger, champion))


@given(one=errors, other=errors, margin=margins, days=st.integers(0, 100))
def test_of_two_models_at_most_one_can_beat_the_other(one: float, other: float, margin: float, days: int) -> None:
    policy = POLICY.model_copy(update={"margin": margin})
    forth, back = (
        decide(figures(first, second, 1e7, age=Age(days, 0, None, False)), policy)[0]
        for first, second in ((one, other), (other, one))
    )
    both = {(forth.outcome, forth.reason), (back.outcome, back.reason)}
    assert both != {("accepted", "margin")}
    # Equal models may each renew the other once it is old; then neither has beaten the other.
    if forth.outcome == back.outcome == "accepted":
        assert one == other
        assert days > 35


@given(champion=errors, better=errors, worse=errors)
def test_a_better_challenger_is_never_treated_worse(champion: float, better: float, worse: float) -> None:
    better, worse = sorted((better, worse))
    order = {"failed": 0, "kept": 1, "accepted": 2}
    assert order[outcome(figures(better, champion))[0]] >= order[outcome(figures(worse, champion))[0]]


# ---- from forecasts to figures -------------------------------------------------------------------------------


def windows_of(seed: int, series: int) -> tuple[Ground, Side, Side, Setting]:
    chance = np.random.default_rng(seed)
    actuals = chance.gamma(2, 50, (series, 8, 28))
    naive = actuals + chance.normal(0, 60, actuals.shape)
    ours, theirs = (actuals + chance.normal(0, spread, actuals.shape) for spread in (30, 34))
    scale = chance.uniform(40, 60, (series, 8))
    days = 16_000 + 7 * np.arange(8)[:, None] + np.arange(28)
    highest = actuals.max(axis=(1, 2))
    groups = {"kind": ["SP"[number % 2] for number in range(series)]}
    setting = Setting("rmsse", days, 7, highest, None, groups if series > 1 else {})
    return Ground(actuals, naive, scale, scale**2), Side(ours, (1.0, 2.0)), Side(theirs, (1.0, 2.0)), setting


@given(seed=st.integers(0, 50), series=st.sampled_from([1, 3, 30]), power=st.integers(-10, 10))
def test_scaling_every_series_by_its_own_factor_changes_no_decision(seed: int, series: int, power: int) -> None:
    ground, ours, theirs, setting = windows_of(seed, series)
    unit = (2.0 ** (power * np.arange(1, series + 1) / series).round())[:, None, None]
    flat = unit[:, :, 0]
    scaled = Ground(ground.actuals * unit, ground.naive * unit, ground.scales * flat, ground.squares * flat**2)
    verdicts = [
        decide(compare(where, challenger=one, champion=two, simple={}, setting=about, policy=POLICY), POLICY)[0]
        for where, one, two, about in (
            (ground, ours, theirs, setting),
            (
                scaled, Side(ours.track * unit, ours.radii), Side(theirs.track * unit, theirs.radii),
                replace(setting, highest=setting.highest * flat[:, 0]),
            ),
        )
    ]  # fmt: skip
    assert (verdicts[0].outcome, verdicts[0].reason) == (verdicts[1].outcome, verdicts[1].reason)


@given(seed=st.integers(0, 50))
def test_the_order_of_the_series_changes_no_figure(seed: int) -> None:
    ground, ours, theirs, setting = windows_of(seed, 12)
    turn = np.random.default_rng(seed).permutation(12)
    groups = {"kind": [setting.groups["kind"][place] for place in turn]}
    about = replace(setting, highest=setting.highest[turn], groups=groups)
    one = compare(ground, challenger=ours, champion=theirs, simple={}, setting=setting, policy=POLICY)
    other = compare(
        ground.rows(turn), challenger=Side(ours.track[turn], ours.radii),
        champion=Side(theirs.track[turn], theirs.radii), simple={}, setting=about, policy=POLICY,
    )  # fmt: skip
    for mine, yours in zip(one.challenger.items(), other.challenger.items(), strict=True):
        assert mine == pytest.approx(yours)
    assert [part.name for part in one.segments] == [part.name for part in other.segments]
    assert decide(one, POLICY)[0].reason == decide(other, POLICY)[0].reason


@given(place=st.tuples(st.integers(0, 2), st.integers(0, 7), st.integers(0, 27)), who=st.integers(0, 2), value=wild)
def test_a_forecast_that_is_not_finite_anywhere_never_promotes(
    place: tuple[int, int, int], who: int, value: float
) -> None:
    ground, ours, theirs, setting = windows_of(1, 3)
    track = (ours.track, theirs.track, ground.naive)[who]
    track[place] = value
    for champion in (theirs, None):
        if who == 1 and champion is None:
            continue
        found = compare(ground, challenger=ours, champion=champion, simple={}, setting=setting, policy=POLICY)
        assert outcome(found) == ("failed", "nan")


def test_segments_are_weekday_week_ahead_activity_and_group() -> None:
    ground, ours, theirs, setting = windows_of(2, 12)
    found = compare(ground, challenger=ours, champion=theirs, simple={}, setting=setting, policy=POLICY).segments
    points = {(part.kind, part.name): part.points for part in found}
    assert points[("weekday", "Mon")] == 12 * 8 * 4
    assert points[("ahead", "4")] == 12 * 8 * 7
    assert points[("activity", "dense")] == 12 * 8 * 28
    assert points[("kind", "S")] == points[("kind", "P")] == 6 * 8 * 28
    alone = windows_of(2, 1)
    few = compare(
        alone[0], challenger=alone[1], champion=alone[2], simple={}, setting=alone[3], policy=POLICY
    ).segments
    assert {part.kind for part in few} == {"weekday", "ahead"}
    assert max(part.points for part in few) < POLICY.guards.segment_points


def test_the_bootstrap_asks_whether_the_gain_is_that_of_a_few_series() -> None:
    ground, ours, _, setting = windows_of(3, 40)
    same = ours.track.copy()
    same[0] += 500  # one series makes the champion bad; the other 39 are equal
    found = compare(ground, challenger=ours, champion=Side(same), simple={}, setting=setting, policy=POLICY)
    assert found.better == pytest.approx(1 - (39 / 40) ** 40, abs=0.05)
    assert outcome(found) == ("kept", "significance")
    again = compare(ground, challenger=ours, champion=Side(same), simple={}, setting=setting, policy=POLICY)
    assert again == found


# ---- the worked example --------------------------------------------------------------------------------------


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
    failed = {rule.code for rule in ridge.rules if rule.status == "failed"}
    assert failed == {"simpler", "secondary", "margin"}


def against(panel: Panel, problem: Problem, challenger: Recipe, champion: Recipe | None) -> Judgement:
    incumbent = Incumbent(fit(champion, History(panel.values, panel.last, 7, 28))) if champion else None
    return judge(panel, Contest(challenger, incumbent, BEFORE), problem.training, problem.gate, 0.0)


def gain(judged: Judgement) -> float:
    assert judged.figures is not None
    assert judged.figures.champion is not None
    return 1 - judged.figures.challenger.mae / judged.figures.champion.mae


def recorded(panel: Panel, problem: Problem, origins: int, horizon: int) -> tuple[Ground, Side, Side, Setting]:
    """ARIMA(2,0,2) as statsmodels 0.15.0 forecast it at the last origins, and the eight-week mean beside it."""
    track = np.loadtxt(Path(__file__).with_name("arima_202_forecasts.csv"), delimiter=",")[None, -origins:, :horizon]
    windows = Windows(tuple(range(305 - 28 - 7 * (origins - 1), 305 - 27, 7)), horizon)
    history = history_of(panel, problem.training, 0.0)
    ground = ground_of(history, windows)
    days = 15_900 + np.array(windows.origins)[:, None] + np.arange(horizon)
    weekly = Side(backtest(history, [WEEKLY], windows)[WEEKLY.label])
    return ground, Side(track), weekly, Setting("mae", days, 7, panel.values.max(axis=1), 0.0, {})


@pytest.mark.parametrize(("horizon", "relative"), [(7, 1.18), (14, 1.14), (28, 1.06)])
def test_the_originals_arima_is_refused_by_the_floor(
    panel: Panel, problem: Problem, horizon: int, relative: float
) -> None:
    """Over twenty origins it loses to seasonal naive at every horizon."""
    ground, arima, weekly, setting = recorded(panel, problem, 20, horizon)
    for champion in (None, weekly):
        found = compare(ground, challenger=arima, champion=champion, simple={}, setting=setting, policy=POLICY)
        verdict, _ = decide(found, POLICY)
        assert (verdict.outcome, verdict.reason) == ("failed", "floor")
        assert found.challenger.rel_mae == pytest.approx(relative, abs=0.005)


def test_where_the_originals_arima_passes_the_floor_simpler_first_and_margin_stop_it(
    panel: Panel, problem: Problem
) -> None:
    """On the last eight origins it is 3 % better than seasonal naive and 22 % worse than the eight-week mean."""
    ground, arima, weekly, setting = recorded(panel, problem, 8, 28)
    found = compare(
        ground, challenger=arima, champion=weekly, simple={WEEKLY.label: weekly.track}, setting=setting, policy=POLICY
    )
    assert found.challenger.rel_mae == pytest.approx(0.967, abs=0.003)
    verdict, table = decide(found, POLICY)
    assert (verdict.outcome, verdict.reason) == ("kept", "margin")
    assert next(rule for rule in table if rule.code == "simpler").value == pytest.approx(-0.22, abs=0.005)
    assert outcome(replace(found, champion=None, segments=())) == ("failed", "simpler")


def test_a_fitted_first_model_must_beat_the_candidates_that_need_no_fit(panel: Panel, problem: Problem) -> None:
    verdict = against(panel, problem, RIDGE, None).verdict
    assert (verdict.outcome, verdict.reason) == ("failed", "simpler")
    assert WEEKLY.label in verdict.sentence


def test_the_same_recipe_again_is_a_tie_and_the_first_model_needs_no_champion(panel: Panel, problem: Problem) -> None:
    assert against(panel, problem, WEEKLY, WEEKLY).verdict.reason == "tie"
    alone = against(panel, problem, WEEKLY, None).verdict
    assert (alone.outcome, alone.reason) == ("accepted", "first-model")


def test_the_same_recipe_on_the_same_data_is_nothing_new(panel: Panel, problem: Problem) -> None:
    champion = Incumbent(fit(WEEKLY, History(panel.values, panel.last, 7, 28)))
    for challenger, expected in ((WEEKLY, "no-new-data"), (RIDGE, "margin")):
        contest = Contest(challenger, champion, BEFORE, same_data=True)
        verdict = judge(panel, contest, problem.training, problem.gate, 0.0).verdict
        assert (verdict.outcome, verdict.reason) == ("kept", expected)


def test_seasonal_naive_cannot_pass_its_own_floor(panel: Panel, problem: Problem) -> None:
    assert against(panel, problem, NAIVE, None).verdict.reason == "floor"


def aged(panel: Panel, problem: Problem, recipe: Recipe, days: int) -> Judgement:
    """The champion was trained `days` before the end of the data, with its parameters frozen since."""
    training = only(problem.training, Candidate(recipe=recipe.name, parameters=dict(recipe.parameters)))
    old = Incumbent(fit(recipe, History(panel.values, panel.last, 7, 28).until(panel.days - days)))
    return judge(panel, Contest(recipe, old, BEFORE), training, problem.gate, 0.0)


def only(training: Training, *candidates: Candidate) -> Training:
    return training.model_copy(update={"candidates": candidates})


@pytest.mark.parametrize(("days", "clean"), [(77, 8), (76, 7), (49, 4), (48, 3), (28, 1), (27, 0), (0, 0)])
def test_the_frozen_champion_is_scored_only_on_origins_after_its_cutoff(
    panel: Panel, problem: Problem, days: int, clean: int
) -> None:
    """A champion of age A has (A - h) / 7 + 1 clean origins; with fewer than four nothing is said about its age."""
    age = ages(aged(panel, problem, RIDGE, days))
    assert (age.days, age.clean) == (days, clean)
    assert (age.staleness is None) == (clean < 4)


def ages(judged: Judgement) -> Age:
    assert judged.figures is not None
    assert judged.figures.age is not None
    return judged.figures.age


def test_a_leak_would_flatter_the_champion_and_is_not_looked_at(panel: Panel, problem: Problem) -> None:
    """The artefact trained to the last day would score far better on these windows than any honest fit."""
    judged = aged(panel, problem, BOOSTING, 0)
    assert judged.windows is not None
    assert judged.ground is not None
    assert ages(judged).staleness is None
    assert judged.figures is not None
    leaky = fit(BOOSTING, History(panel.values, panel.last, 7, 28))
    tracks = [
        forecast(update(leaky, History(panel.values, panel.last, 7, 28).until(origin)), 28)
        for origin in judged.windows.origins
    ]
    flattered = float(np.abs(np.stack(tracks, axis=1) - judged.ground.actuals).mean())
    assert flattered == pytest.approx(210.4, rel=0.01)
    assert judged.figures.challenger.mae == pytest.approx(243.3, rel=0.01)


def test_a_champion_without_parameters_never_goes_stale(panel: Panel, problem: Problem) -> None:
    judged = aged(panel, problem, WEEKLY, 77)
    assert ages(judged) == Age(77, 8, None, True)
    assert (judged.verdict.outcome, judged.verdict.reason) == ("accepted", "refresh")
    assert aged(panel, problem, WEEKLY, 35).verdict.reason == "tie"


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
    old = Incumbent(fit(choice.recipe, History(many.values[:20, :200], many.day(199), 7, 28)))
    contest = Contest(choice.recipe, old, many.day(choice.windows.last_day), choice.radii, ("kind", "product"))
    judged = judge(many, contest, training, problem.gate, 0.0)
    assert judged.figures is not None
    assert (judged.figures.series, judged.figures.age and judged.figures.age.clean) == (40, 8)
    assert {part.kind for part in judged.figures.segments} == {"weekday", "ahead", "activity", "kind"}
    assert judged.figures.champion == judged.figures.challenger
    assert (judged.verdict.outcome, judged.verdict.reason) == ("accepted", "refresh"), judged.verdict.sentence


def test_the_champions_intervals_are_calibrated_on_the_challengers_windows(panel: Panel, problem: Problem) -> None:
    choice = choose(panel, problem.training, 0.0)
    champion = Incumbent(fit(RIDGE, History(panel.values, panel.last, 7, 28)))
    contest = Contest(choice.recipe, champion, panel.day(choice.windows.last_day), choice.radii)
    judged = judge(panel, contest, problem.training, problem.gate, 0.0)
    assert judged.figures is not None
    assert judged.figures.interval is not None
    assert judged.figures.champion_interval is not None
    assert 0.7 < judged.figures.interval.coverage < 0.95
    later = History(panel.values * np.where(np.arange(305) < 228, 1.0, 3.0), panel.last, 7, 28)
    wild = Panel(panel.first, later.values, panel.keys)
    other = judge(wild, contest, problem.training, problem.gate, 0.0)
    assert other.figures is not None
    assert other.figures.champion_interval is not None
    assert other.figures.champion_interval.coverage < judged.figures.champion_interval.coverage


# ---- overrides -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("reason", ["margin", "tie", "floor", "bias", "segment", "significance", "simpler"])
def test_a_person_with_a_reason_may_decide_against_a_judgement_of_quality(reason: str) -> None:
    kept = Verdict("failed" if reason == "floor" else "kept", reason, "said the gate.")
    verdict = overridden(kept, "A. Turing", "the new tariff starts on Monday")
    assert (verdict.outcome, verdict.reason) == ("accepted", "override")
    assert verdict.sentence == "A. Turing decides against the gate: the new tariff starts on Monday"


@pytest.mark.parametrize(
    ("verdict", "person", "why", "part"),
    [
        (Verdict("kept", "margin", ""), " ", "because", "a person and a reason"),
        (Verdict("kept", "margin", ""), "A. Turing", "", "a person and a reason"),
        (Verdict("accepted", "margin", ""), "A. Turing", "because", "nothing to override"),
        (Verdict("failed", "nan", ""), "A. Turing", "because", "no judgement of quality"),
        (Verdict("failed", "error", ""), "A. Turing", "because", "no judgement of quality"),
        (Verdict("failed", "too-few-origins", ""), "A. Turing", "because", "no judgement of quality"),
    ],
)
def test_nobody_overrides_what_was_never_judged(verdict: Verdict, person: str, why: str, part: str) -> None:
    with pytest.raises(ValueError, match=part):
        overridden(verdict, person, why)


def test_a_backtest_of_a_recipe_that_is_both_sides_is_made_once(panel: Panel, problem: Problem) -> None:
    judged = against(panel, problem, WEEKLY, WEEKLY)
    assert judged.windows is not None
    history = History(panel.values, panel.last, 7, 28)
    assert set(judged.tracks) == {WEEKLY.label, NAIVE.label}
    again = backtest(history, [WEEKLY], judged.windows)[WEEKLY.label]
    assert np.array_equal(again, judged.tracks[WEEKLY.label])
