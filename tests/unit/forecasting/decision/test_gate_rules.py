"""Each rule of the gate at its threshold, alone and against the others; no series and no forecast."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from forecasting.decision import words
from forecasting.decision.gate import decide
from forecasting.decision.rules import MEANING
from forecasting.evaluation.calibration import IntervalScore
from forecasting.evaluation.comparison import Age, Segment
from forecasting.evaluation.drift import Drift
from tests.unit.forecasting.decision.gate_cases import EARLIER, POLICY, comparison, outcome, scored
from tests.unit.ml_service.decisions import evidence


@pytest.mark.parametrize(
    ("challenger", "champion", "expected"),
    [
        (246.7, None, ("accepted", "first-model")),
        (300.0, None, ("accepted", "first-model")),
        (300.1, None, ("failed", "floor")),
        (310.0, 250.0, ("failed", "floor")),
        (310.0, 320.0, ("accepted", "margin")),
        (310.0, 310.0, ("kept", "tie")),
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
    assert outcome(comparison(challenger, champion)) == expected


OLD, YOUNG = Age(36, 0, None, False), Age(35, 8, None, False)
BLOCKING = {"maximum", "series"}  # also in a policy that says nothing
GUARDS: list[tuple[str, dict[str, Any]]] = [
    ("maximum", {"largest": 3.1}),
    ("bias", {"challenger": replace(scored(90.0), bias_ratio=0.201)}),
    ("bias", {"challenger": replace(scored(90.0), bias_ratio=-0.201)}),
    ("coverage", {"interval": IntervalScore(0.59, 4.0)}),
    ("coverage", {"interval": IntervalScore(0.99, 4.0)}),
]
AGAINST: list[tuple[str, dict[str, Any]]] = [
    ("winkler", {"interval": IntervalScore(0.8, 4.3), "champion_interval": IntervalScore(0.8, 4.0)}),
    ("secondary", {"challenger": replace(scored(90.0), rmse=133.0)}),
    ("segment", {"segments": (Segment("weekday", "Sun", 100, 1.21, 1.0, 1.0),)}),
    ("series", {"worse": 0.51, "better": 0.99}),
]


@pytest.mark.parametrize(("code", "more"), [*GUARDS, *AGAINST])
def test_a_guard_that_a_policy_sets_keeps_the_champion_though_the_challenger_is_better(
    code: str, more: dict[str, Any]
) -> None:
    found = comparison(90.0, 100.0, **more)
    verdict, table = decide(found, EARLIER)
    assert (verdict.outcome, verdict.reason) == ("kept", code)
    assert "% better; the gate asks for at least 2.0%. But " in verdict.sentence
    assert [rule.code for rule in table if rule.status == "failed"] == [code]


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize("other", [10.0, 200.0])
def test_a_simple_candidate_that_is_not_finite_is_no_candidate_that_was_beaten(value: float, other: float) -> None:
    simple = {"window_mean(days=56)": replace(scored(other), mae=value), "same_weekday_mean(weeks=8)": scored(200.0)}
    for champion in (None, 100.0):
        assert outcome(comparison(90.0, champion, simple=simple)) == ("failed", "nan")


@pytest.mark.parametrize("order", [1, -1])
def test_a_fitted_challenger_that_loses_to_the_best_simple_one_is_pointed_out(order: int) -> None:
    simple = dict([("window_mean(days=56)", scored(200.0)), ("same_weekday_mean(weeks=8)", scored(89.0))][::order])
    verdict, table = decide(comparison(90.0, 100.0, simple=simple), POLICY)
    assert (verdict.outcome, verdict.reason) == ("accepted", "margin")
    simpler = next(rule for rule in table if rule.code == "simpler")
    assert simpler.status == "warning"
    assert "-1.1% better than same_weekday_mean(weeks=8)" in simpler.sentence


def test_without_a_margin_equal_is_still_not_better() -> None:
    policy = POLICY.model_copy(update={"margin": 0.0})
    assert outcome(comparison(100.0, 100.0), policy) == ("kept", "tie")
    assert outcome(comparison(99.9, 100.0), policy) == ("accepted", "margin")


@pytest.mark.parametrize(("code", "more"), [entry for entry in [*GUARDS, *AGAINST] if entry[0] not in BLOCKING])
def test_by_default_such_a_rule_warns_and_says_what_it_means(code: str, more: dict[str, Any]) -> None:
    verdict, table = decide(comparison(90.0, 100.0, **more), POLICY)
    assert (verdict.outcome, verdict.reason) == ("accepted", "margin")
    (warning,) = [rule for rule in table if rule.status == "warning"]
    assert warning.code == code
    assert warning.sentence.endswith(f": {MEANING[code]}.")
    quiet = POLICY.model_copy(update={"warnings": POLICY.warnings.model_copy(update={code: None})})
    assert not [rule for rule in decide(comparison(90.0, 100.0, **more), quiet)[1] if rule.status == "warning"]


@pytest.mark.parametrize(
    ("code", "more"),
    [
        ("maximum", {"largest": 5.1}),
        ("bias", {"challenger": replace(scored(90.0), bias_ratio=3.01)}),
        ("coverage", {"interval": IntervalScore(0.19, 4.0)}),
        ("series", {"worse": 0.61, "better": 0.99}),
        ("significance", {"worse": 0.4, "better": 0.59}),
    ],
)
def test_what_is_far_outside_normal_values_blocks_by_default(code: str, more: dict[str, Any]) -> None:
    assert outcome(comparison(90.0, 100.0, **more)) == ("kept", code)


def test_a_guard_that_both_sides_break_equally_blocks_neither_a_refresh_nor_a_better_challenger() -> None:
    both: dict[str, Any] = {
        "interval": IntervalScore(0.1, 4.0),
        "champion_interval": IntervalScore(0.1, 4.0),
        "challenger": replace(scored(320.0), bias_ratio=4.0),
        "champion": replace(scored(320.0), bias_ratio=-4.0),
    }
    verdict, table = decide(comparison(320.0, 320.0, age=OLD, **both), POLICY)
    assert (verdict.outcome, verdict.reason) == ("accepted", "refresh")
    assert {rule.code for rule in table if rule.status == "warning"} == {"floor", "bias", "coverage"}
    better = both | {"challenger": replace(scored(310.0), bias_ratio=4.0)}
    assert outcome(comparison(310.0, 320.0, **better)) == ("accepted", "margin")
    worse = both | {"interval": IntervalScore(0.09, 4.0)}
    assert outcome(comparison(320.0, 320.0, age=OLD, **worse)) == ("kept", "coverage")
    assert outcome(comparison(320.0, 320.0, age=OLD, largest=5.1, **both)) == ("kept", "maximum")


@pytest.mark.parametrize("metric", ["mase", "rmsse"])
def test_the_floor_is_in_the_problems_own_metric(metric: str) -> None:
    """Sixty per cent of seasonal naive's MAE and yet a larger metric of the problem's own."""
    worse = replace(scored(180.0), **{metric: 1.01 * scored(300.0).value(metric)})
    verdict, table = decide(comparison(180.0, None, metric=metric, challenger=worse), POLICY)
    assert (verdict.outcome, verdict.reason) == ("failed", "floor")
    assert next(rule.value for rule in table if rule.code == "floor") == pytest.approx(1.01)
    assert metric.upper() in verdict.sentence


AT_LIMIT: list[tuple[str, dict[str, Any]]] = [
    ("maximum", {"largest": 3.0}),
    ("bias", {"challenger": replace(scored(90.0), bias_ratio=0.2)}),
    ("bias", {"challenger": replace(scored(90.0), bias_ratio=-0.2)}),
    ("coverage", {"interval": IntervalScore(0.6, 4.0)}),
    ("coverage", {"interval": IntervalScore(0.98, 4.0)}),
    ("winkler", {"interval": IntervalScore(0.8, 1.05 * 4), "champion_interval": IntervalScore(0.8, 4.0)}),
    ("secondary", {"challenger": replace(scored(90.0), rmse=1.02 * 130.0)}),
    ("segment", {"segments": (Segment("weekday", "Sun", 100, 12.0, 10.0, 10.0),)}),
    ("series", {"worse": 0.5, "better": 0.95}),
]


@pytest.mark.parametrize(("code", "more"), AT_LIMIT)
def test_at_its_limit_a_guard_holds(code: str, more: dict[str, Any]) -> None:
    verdict, table = decide(comparison(90.0, 100.0, **more), EARLIER)
    assert next(rule for rule in table if rule.code == code).status == "passed"
    assert (verdict.outcome, verdict.reason) == ("accepted", "margin")


@pytest.mark.parametrize(("code", "more"), GUARDS)
def test_a_guard_stops_a_first_model_as_well(code: str, more: dict[str, Any]) -> None:
    assert outcome(comparison(90.0, None, **more), EARLIER) == ("failed", code)


@pytest.mark.parametrize(("code", "more"), AGAINST)
def test_a_guard_that_is_switched_off_stops_nothing(code: str, more: dict[str, Any]) -> None:
    name = {"series": "series_worse"}.get(code, code)
    policy = EARLIER.model_copy(update={"guards": EARLIER.guards.model_copy(update={name: None})})
    assert outcome(comparison(90.0, 100.0, **more), policy) == ("accepted", "margin")


@pytest.mark.parametrize(("metric", "other"), [("mae", "rmse"), ("mase", "rmsse"), ("rmsse", "mase")])
def test_the_secondary_metric_is_the_other_view_of_the_same_errors(metric: str, other: str) -> None:
    """Absolute errors where squared ones decide, squared ones where absolute ones do."""
    theirs = scored(100.0)
    worse = replace(scored(90.0), **{other: 1.021 * theirs.value(other)})
    assert outcome(comparison(90.0, 100.0, metric=metric, challenger=worse), EARLIER) == ("kept", "secondary")
    equal = replace(scored(90.0), **{other: 1.019 * theirs.value(other)})
    assert outcome(comparison(90.0, 100.0, metric=metric, challenger=equal)) == ("accepted", "margin")


def test_bias_may_be_large_where_the_champions_is_no_smaller() -> None:
    biased = replace(scored(90.0), bias_ratio=-0.3)
    assert outcome(comparison(90.0, 100.0, challenger=biased), EARLIER) == ("kept", "bias")
    worse = replace(scored(100.0), bias_ratio=0.35)
    assert outcome(comparison(90.0, 100.0, challenger=biased, champion=worse), EARLIER) == ("accepted", "margin")


def test_a_segment_with_few_points_is_shown_and_not_judged() -> None:
    few = Segment("weekday", "Sun", 99, 9.0, 1.0, 1.0)
    assert outcome(comparison(90.0, 100.0, segments=(few,)), EARLIER) == ("accepted", "margin")


@pytest.mark.parametrize("place", [0, 1, 2])
def test_the_worst_segment_counts_wherever_it_stands(place: int) -> None:
    parts = [Segment("weekday", "Mon", 100, 1.0, 2.0, 2.0), Segment("ahead", "1", 100, 2.0, 2.0, 2.0)]
    parts.insert(place, Segment("kind", "S", 100, 3.0, 2.0, 2.0))
    verdict, _ = decide(comparison(90.0, 100.0, segments=tuple(parts)), EARLIER)
    assert (verdict.outcome, verdict.reason) == ("kept", "segment")
    assert "the worst segment, kind S, is +50.0%" in verdict.sentence


def test_a_segment_where_next_to_nothing_happens_stops_nobody() -> None:
    """Three times the error of a quiet Sunday is a twentieth of the usual error; of a busy one it is a fault."""
    quiet = Segment("weekday", "Sun", 100, 0.075, 0.025, 1.0)
    assert quiet.change == pytest.approx(0.05)
    assert outcome(comparison(90.0, 100.0, segments=(quiet,)), EARLIER) == ("accepted", "margin")
    busy = Segment("weekday", "Mon", 100, 2.5, 2.0, 1.0)
    assert busy.change == pytest.approx(0.25)
    assert outcome(comparison(90.0, 100.0, segments=(busy,)), EARLIER) == ("kept", "segment")


def test_many_series_must_agree_on_the_gain() -> None:
    assert outcome(comparison(90.0, 100.0, better=0.94, worse=0.4), EARLIER) == ("kept", "significance")
    assert outcome(comparison(90.0, 100.0, better=0.95, worse=0.4), EARLIER) == ("accepted", "margin")


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
    assert outcome(comparison(challenger, 100.0, age=age)) == expected


def test_renewal_needs_every_guard_and_may_be_switched_off_where_nothing_ages() -> None:
    biased = replace(scored(100.0), bias_ratio=0.3)
    assert outcome(comparison(100.0, 100.0, age=OLD, challenger=biased), EARLIER) == ("kept", "bias")
    off = POLICY.model_copy(update={"refresh": POLICY.refresh.model_copy(update={"parameter_free": False})})
    assert outcome(comparison(100.0, 100.0, age=replace(OLD, parameter_free=True)), off) == ("kept", "tie")


@pytest.mark.parametrize(("flagged", "status"), [(0, "passed"), (1, "passed"), (2, "warning")])
def test_drift_of_the_data_is_pointed_out_and_blocks_nothing(flagged: int, status: str) -> None:
    level = np.where(np.arange(10) < flagged, 5.0, 0.0)
    drift = Drift(np.ones(10), level, np.full(10, 0.8), np.zeros(10, dtype=bool))
    verdict, table = decide(comparison(90.0, 100.0, drift=drift), POLICY)
    rule = table[-1]
    assert (verdict.reason, rule.code, rule.status) == ("margin", "drift", status)
    assert f"{flagged} by level" in rule.sentence
    beside = words.drift(evidence("kept", rules=tuple(table)))
    look = "look whether the champion, which stays, still serves well"
    plain = f"The newest data is not like the data before: the level has moved (20% of the series); {look}."
    assert beside == (plain if status == "warning" else "")
    assert ("the level has moved (20% of the series)" in rule.sentence) == (status == "warning")
