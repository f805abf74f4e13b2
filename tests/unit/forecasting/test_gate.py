"""The gate promotes only what is finite, under the floor and better by the margin, in any unit."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops_code.forecasting.candidates import make_recipe
from mlops_code.forecasting.gate import Contest, decide, judge
from mlops_code.forecasting.metrics import Metrics
from mlops_code.forecasting.problem import GatePolicy, Problem
from mlops_code.forecasting.series import Series

POLICY = GatePolicy(origins=8, step=7, floor=1.0, margin=0.02)
WEEKLY = make_recipe("same_weekday_mean", {"weeks": 8})
NAIVE = make_recipe("seasonal_naive", {})
RIDGE = make_recipe("ridge_direct", {"alpha": 1.0})
BEFORE = date(2014, 3, 15)

errors = st.floats(min_value=0.001, max_value=1e6)
margins = st.floats(min_value=0, max_value=0.5)
wild = st.sampled_from([float("nan"), float("inf"), float("-inf")])
fields = st.sampled_from(["mae", "rmse", "mase", "rel_mae", "bias"])


def scored(mae: float, reference: float = 300.0) -> Metrics:
    return Metrics(mae=mae, rmse=mae * 1.3, mase=mae / 280, rel_mae=mae / reference, bias=-mae / 10)


def outcome(challenger: float, champion: float | None, reference: float = 300.0) -> tuple[str, str]:
    theirs = None if champion is None else scored(champion, reference)
    verdict = decide(scored(challenger, reference), theirs, scored(reference, reference), POLICY)
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
def test_the_rules_one_by_one(challenger: float, champion: float | None, expected: tuple[str, str]) -> None:
    assert outcome(challenger, champion) == expected


@given(challenger=errors, champion=st.none() | errors, who=st.integers(0, 2), field=fields, value=wild)
def test_a_number_that_is_not_finite_never_promotes(
    challenger: float, champion: float | None, who: int, field: str, value: float
) -> None:
    ours, theirs, reference = scored(challenger), None if champion is None else scored(champion), scored(300.0)
    if who == 0 or (who == 1 and theirs is None):
        ours = replace(ours, **{field: value})
    elif who == 1 and theirs is not None:
        theirs = replace(theirs, **{field: value})
    else:
        reference = replace(reference, **{field: value})
    verdict = decide(ours, theirs, reference, POLICY)
    assert (verdict.outcome, verdict.reason) == ("failed", "nan")
    assert field in verdict.sentence


@given(challenger=errors, champion=st.none() | errors, power=st.integers(-20, 20))
def test_the_unit_of_the_series_does_not_matter(challenger: float, champion: float | None, power: int) -> None:
    unit = 2.0**power
    scaled = outcome(challenger * unit, None if champion is None else champion * unit, 300.0 * unit)
    assert scaled == outcome(challenger, champion)


@given(one=errors, other=errors, margin=margins)
def test_of_two_models_at_most_one_can_replace_the_other(one: float, other: float, margin: float) -> None:
    policy = replace(POLICY, margin=margin)
    first, second = scored(one, 1e7), scored(other, 1e7)
    forth = decide(first, second, scored(1e7, 1e7), policy)
    back = decide(second, first, scored(1e7, 1e7), policy)
    assert (forth.outcome, back.outcome) != ("accepted", "accepted")


@given(champion=errors, better=errors, worse=errors)
def test_a_better_challenger_is_never_treated_worse(champion: float, better: float, worse: float) -> None:
    better, worse = sorted((better, worse))
    order = {"failed": 0, "kept": 1, "accepted": 2}
    assert order[outcome(better, champion)[0]] >= order[outcome(worse, champion)[0]]


def test_the_worked_example(series: Series, problem: Problem) -> None:
    """Champion seasonal naive: the weekday mean is 20.9 % better. Champion weekday mean: ridge is worse."""
    first = judge(series, Contest(WEEKLY, NAIVE, BEFORE), problem.training, problem.gate)
    assert (first.verdict.outcome, first.verdict.reason) == ("accepted", "margin")
    assert first.challenger is not None
    assert first.champion is not None
    assert 1 - first.challenger.mae / first.champion.mae == pytest.approx(0.209, rel=0.01)
    second = judge(series, Contest(RIDGE, WEEKLY, BEFORE), problem.training, problem.gate)
    assert (second.verdict.outcome, second.verdict.reason) == ("kept", "margin")


def test_the_same_recipe_again_is_a_tie_and_the_first_model_needs_no_champion(
    series: Series, problem: Problem
) -> None:
    again = judge(series, Contest(WEEKLY, WEEKLY, BEFORE), problem.training, problem.gate)
    assert (again.verdict.outcome, again.verdict.reason) == ("kept", "tie")
    alone = judge(series, Contest(WEEKLY, None, BEFORE), problem.training, problem.gate)
    assert (alone.verdict.outcome, alone.verdict.reason) == ("accepted", "first-model")


def test_seasonal_naive_cannot_pass_its_own_floor(series: Series, problem: Problem) -> None:
    verdict = judge(series, Contest(NAIVE, None, BEFORE), problem.training, problem.gate).verdict
    assert (verdict.outcome, verdict.reason) == ("failed", "floor")


def test_a_challenger_chosen_on_the_gates_days_is_refused(series: Series, problem: Problem) -> None:
    verdict = judge(series, Contest(WEEKLY, None, date(2014, 3, 16)), problem.training, problem.gate).verdict
    assert (verdict.outcome, verdict.reason) == ("failed", "error")
    assert "flatter" in verdict.sentence


def test_too_few_origins_and_constant_series_are_named_failures(series: Series, problem: Problem) -> None:
    short = Series(series.first, series.values[:130])
    judged = judge(short, Contest(WEEKLY, None, BEFORE), problem.training, problem.gate)
    assert (judged.verdict.outcome, judged.verdict.reason) == ("failed", "too-few-origins")
    assert judged.windows is None
    flat = Series(series.first, np.full(305, 3.0))
    verdict = judge(flat, Contest(WEEKLY, WEEKLY, BEFORE), problem.training, problem.gate).verdict
    assert (verdict.outcome, verdict.reason) == ("failed", "nan")
