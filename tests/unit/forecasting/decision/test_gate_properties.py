"""What must hold of the gate whatever the numbers are: unit, order, NaN, ties and swapped sides."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from forecasting.decision.gate import ASKED, OLDER, OVERRIDABLE, decide, overridden
from forecasting.evaluation.calibration import IntervalScore
from forecasting.evaluation.comparison import Age, Comparison, Segment, Setting, Side, compare
from forecasting.evaluation.metrics import Actuals
from tests.unit.forecasting.decision.gate_cases import (
    POLICY,
    comparison,
    errors,
    fields,
    margins,
    outcome,
    wild,
    windows_of,
)

OLD = Age(36, 0, None, False)
NEVER = {"nan", "error", "contract", "too-few-origins"}
metrics = st.sampled_from(["mae", "mase", "rmsse"])
sizes = st.sampled_from([1, 3, 30])


@given(challenger=errors, champion=st.none() | errors, who=st.integers(0, 2), field=fields, value=wild)
def test_a_metric_that_is_not_finite_never_promotes(
    challenger: float, champion: float | None, who: int, field: str, value: float
) -> None:
    found = comparison(challenger, champion)
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
    assert outcome(comparison(90.0, 100.0, **{where: broken})) == ("failed", "nan")
    aged = comparison(100.0, 100.0, age=replace(OLD, staleness=value))
    assert outcome(aged) == ("failed", "nan")


@given(challenger=errors, champion=st.none() | errors, power=st.integers(-20, 20))
def test_the_unit_of_the_series_does_not_matter(challenger: float, champion: float | None, power: int) -> None:
    unit = 2.0**power
    scaled = comparison(challenger * unit, None if champion is None else champion * unit, 300.0 * unit)
    assert outcome(scaled) == outcome(comparison(challenger, champion))


@given(one=errors, other=errors, margin=margins, days=st.integers(0, 100))
def test_of_two_models_at_most_one_can_beat_the_other(one: float, other: float, margin: float, days: int) -> None:
    policy = POLICY.model_copy(update={"margin": margin})
    forth, back = (
        decide(comparison(first, second, 1e7, age=Age(days, 0, None, False)), policy)[0]
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
    assert order[outcome(comparison(better, champion))[0]] >= order[outcome(comparison(worse, champion))[0]]


@given(seed=st.integers(0, 50), series=st.sampled_from([1, 3, 30]), power=st.integers(-10, 10))
def test_scaling_every_series_by_its_own_factor_changes_no_decision(seed: int, series: int, power: int) -> None:
    actuals, ours, theirs, setting = windows_of(seed, series)
    unit = (2.0 ** (power * np.arange(1, series + 1) / series).round())[:, None, None]
    flat = unit[:, :, 0]
    scaled = replace(
        actuals,
        values=actuals.values * unit,
        naive=actuals.naive * unit,
        scales=actuals.scales * flat,
        squares=actuals.squares * flat**2,
    )
    verdicts = [
        decide(compare(where, challenger=one, champion=two, simple={}, setting=about, policy=POLICY), POLICY)[0]
        for where, one, two, about in (
            (actuals, ours, theirs, setting),
            (
                scaled,
                Side(ours.predictions * unit, ours.half_widths),
                Side(theirs.predictions * unit, theirs.half_widths),
                replace(setting, highest=setting.highest * flat),
            ),
        )
    ]  # fmt: skip
    assert (verdicts[0].outcome, verdicts[0].reason) == (verdicts[1].outcome, verdicts[1].reason)


def compared(actuals: Actuals, ours: Side, theirs: Side | None, setting: Setting) -> Comparison:
    return compare(actuals, challenger=ours, champion=theirs, simple={}, setting=setting, policy=POLICY)


@given(seed=st.integers(0, 50), metric=metrics, series=st.sampled_from([2, 12, 30]))
def test_the_order_of_the_series_changes_no_decision(seed: int, metric: str, series: int) -> None:
    """Not even where the probability stands exactly at its limit: the draws know no order either."""
    actuals, ours, theirs, setting = windows_of(seed, series)
    chance = np.random.default_rng(seed)
    turn, setting = chance.permutation(series), replace(setting, metric=metric)
    ours = Side(
        np.where(chance.random((series, 1, 1)) < 0.6, ours.predictions, theirs.predictions + 9), ours.half_widths
    )
    groups = {"kind": [setting.groups["kind"][place] for place in turn]}
    one = compared(actuals, ours, theirs, setting)
    other = compared(
        actuals.rows(turn),
        Side(ours.predictions[turn], ours.half_widths),
        Side(theirs.predictions[turn], theirs.half_widths),
        replace(setting, highest=setting.highest[turn], groups=groups),
    )
    for mine, yours in zip(one.challenger.items(), other.challenger.items(), strict=True):
        assert mine == pytest.approx(yours)
    assert [part.name for part in one.segments] == [part.name for part in other.segments]
    assert (one.better, one.worse) == (other.better, other.worse)
    rule = POLICY.bootstrap.model_copy(update={"probability": one.better or 0.0})
    for policy in (POLICY, POLICY.model_copy(update={"bootstrap": rule})):
        assert outcome(one, policy) == outcome(other, policy)


@given(seed=st.integers(0, 50), metric=metrics, series=sizes, margin=margins, lead=st.floats(0.5, 1.5))
def test_swapped_sides_are_never_both_promoted(
    seed: int, metric: str, series: int, margin: float, lead: float
) -> None:
    actuals, ours, theirs, setting = windows_of(seed, series)
    setting = replace(setting, metric=metric)
    nearer = Side(actuals.values + lead * (ours.predictions - actuals.values), ours.half_widths)
    policy = POLICY.model_copy(update={"margin": margin, "floor": 1e6})
    forth, back = (
        outcome(compared(actuals, one, two, setting), policy) for one, two in ((nearer, theirs), (theirs, nearer))
    )
    assert [forth[0], back[0]].count("accepted") <= 1


@given(seed=st.integers(0, 50), metric=metrics, series=sizes, margin=margins, days=st.integers(-400, 35))
def test_a_tie_keeps_the_champion_whatever_the_policy(
    seed: int, metric: str, series: int, margin: float, days: int
) -> None:
    actuals, ours, _, setting = windows_of(seed, series)
    found = compared(actuals, ours, Side(ours.predictions.copy(), ours.half_widths), replace(setting, metric=metric))
    policy = POLICY.model_copy(update={"margin": margin, "floor": 1e6})
    assert outcome(found, policy) == ("kept", "tie")
    assert outcome(replace(found, age=Age(days, 0, None, False)), policy) == ("kept", "tie")


@given(place=st.integers(0, 9), value=wild, challenger=errors, champion=st.none() | errors)
def test_no_person_can_answer_for_figures_that_are_not_finite(
    place: int, value: float, challenger: float, champion: float | None
) -> None:
    sides = ["challenger", "reference"] if champion is None else ["challenger", "reference", "champion"]
    side, field = sides[place % len(sides)], ("mae", "rmse", "rel_mae", "bias")[place % 4]
    found = comparison(challenger, champion, age=OLD if champion else None)
    verdict, _ = decide(replace(found, **{side: replace(getattr(found, side), **{field: value})}), POLICY)
    with pytest.raises(ValueError, match="not a judgement of quality"):
        overridden(verdict, "A. Turing", "because")


def test_what_may_be_overridden_is_every_rule_of_quality_and_nothing_else() -> None:
    _, table = decide(comparison(90.0, 100.0), POLICY)
    judged = {rule.code for rule in table} - {"nan", "simpler", "drift"}
    assert judged == OVERRIDABLE - {"tie", "no-new-data", *ASKED, OLDER}
    assert NEVER.isdisjoint(OVERRIDABLE)


@given(place=st.tuples(st.integers(0, 2), st.integers(0, 7), st.integers(0, 27)), who=st.integers(0, 2), value=wild)
def test_a_forecast_that_is_not_finite_anywhere_never_promotes(
    place: tuple[int, int, int], who: int, value: float
) -> None:
    actuals, ours, theirs, setting = windows_of(1, 3)
    forecasts = (ours.predictions, theirs.predictions, actuals.naive)[who]
    forecasts[place] = value
    for champion in (theirs, None):
        if who == 1 and champion is None:
            continue
        found = compare(actuals, challenger=ours, champion=champion, simple={}, setting=setting, policy=POLICY)
        assert outcome(found) == ("failed", "nan")
