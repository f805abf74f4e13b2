"""Figures of a report as people compare them: percent, both bounds of a range, round ticks."""

from __future__ import annotations

from pathlib import Path

import pytest

from forecasting.decision import words
from forecasting.decision.blocks import Rule
from forecasting.decision.charts import Line, histogram, line_chart, ticks
from forecasting.decision.record import parse_decision

POLICY = {"warnings": {"coverage": [0.6, 0.98], "segment": 0.2}, "guards": {"coverage": [0.2, 1.0]}}

GOLDEN = Path(__file__).with_name("golden") / "current"


def rule(code: str, value: float | None, threshold: float | None) -> Rule:
    return Rule(code=code, status="passed", value=value, threshold=threshold, sentence="so it is.")


@pytest.mark.parametrize(
    ("code", "value", "threshold", "shown"),
    [
        ("margin", 0.4762, 0.02, ("+47.6%", "at least 2.0%")),
        ("floor", 0.79149, 1.0, ("79.1%", "at most 100.0%")),
        ("coverage", 0.7589, 0.98, ("75.9%", "60.0% to 98.0%")),
        ("coverage", 0.1, 0.2, ("10.0%", "20.0% to 100.0%")),
        ("coverage", 0.1, 0.3, ("10.0%", "30.0%")),  # of a policy that an earlier version recorded
        ("maximum", 0.61712, 5.0, ("0.62 times", "at most 5 times")),
        ("segment", -0.08431, 0.2, ("-8.4%", "at most +20.0%")),
        ("nan", 0.0, 0.0, (words.NONE, words.NONE)),
        ("drift", None, None, (words.NONE, words.NONE)),
    ],
)
def test_a_rule_shows_what_was_found_and_asked_for(
    code: str, value: float | None, threshold: float | None, shown: tuple[str, str]
) -> None:
    found = rule(code, value, threshold)
    assert (words.found(found), words.limit(found, POLICY)) == shown


def test_gains_and_amounts_are_words_and_four_digits() -> None:
    assert (words.better(0.4762), words.better(-0.012), words.better(1e-5)) == ("47.6% better", "1.2% worse", "equal")
    assert (words.gain(1.0, 2.0), words.gain(1.0, 0.0), words.gain(None, 1.0)) == ("50.0% better", "", "")
    assert (words.amount(246.698), words.amount(17379.4), words.amount(None)) == ("246.7", "17,379", words.NONE)
    assert (words.change(-0.0003), words.percent(None)) == ("+0.0%", words.NONE)


def test_a_policy_of_an_earlier_version_highlights_nothing() -> None:
    assert words.segment_limits(POLICY) == (0.2, None)
    assert words.segment_limits({}) == (None, None)


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0.0, 1271.3, [0, 500, 1000, 1500]),
        (0.0, 0.031, [0, 0.01, 0.02, 0.03, 0.04]),
        (-2.9, 2.4, [-4, -2, 0, 2, 4]),
        (0.0, 0.0, [0, 1]),
    ],
)
def test_ticks_are_round_and_hold_every_value(low: float, high: float, expected: list[float]) -> None:
    assert ticks(low, high) == pytest.approx(expected)


@pytest.mark.parametrize("largest", [1e-300, 0.7, 3.0, 1e300])
def test_ticks_are_few_whatever_the_values_are(largest: float) -> None:
    found = ticks(-largest / 3, largest)
    assert 2 <= len(found) <= 7
    assert found[0] <= -largest / 3
    assert found[-1] >= largest * (1 - 1e-9)


def test_a_chart_of_huge_values_is_left_out_and_one_of_large_ones_is_short() -> None:
    def chart(*values: float) -> str:
        return line_chart("t", ["a", "b"], [Line("actual", "actual", values)])

    assert chart(-1.7e308, 1.7e308) == ""
    assert ">4M</text>" in chart(0.0, 4e6)
    assert ">0</text>" in histogram("t", [-2.13, -0.4, 1.07], [3, 4])


@pytest.mark.parametrize(("name", "champion"), [("accepted", False), ("kept", True)])
def test_a_rule_that_was_off_names_the_one_reason_that_applies(name: str, champion: bool) -> None:
    evidence = parse_decision((GOLDEN / f"{name}.json").read_bytes()).evidence
    assert (evidence.champion is not None) == champion
    told = {rule.code: words.why(rule, evidence) for rule in evidence.rules if rule.status == "off"}
    both = ("or no champion", "or there is no champion", "no champion, or")
    assert not [said for said in told.values() if any(each in said for each in both)]
    series = "fewer than 20 series." if champion else "there was no champion to compare with."
    assert told["significance"] == series


def test_a_series_rule_without_a_limit_says_so() -> None:
    evidence = parse_decision((GOLDEN / "kept.json").read_bytes()).evidence
    policy = {**evidence.policy, "guards": {**evidence.policy["guards"], "series_worse": None}}
    series = next(rule for rule in evidence.rules if rule.code == "series")
    assert words.why(series, evidence.model_copy(update={"policy": policy})) == "the policy sets no limit."
