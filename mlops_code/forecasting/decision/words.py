"""What the rules and metrics of a decision mean to people: names, meanings, and how their numbers are shown.

Shares and changes are shown as percentages, amounts in the unit of the table; both bounds of a range are shown.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from forecasting.decision.blocks import SEASONAL_NAIVE, Evidence, RegisteredChampion, Rule, Scores

NONE = "–"
_ALTERNATIVES = (", or no champion", ", or there is no champion", "no champion, or ")
"""What rules say beside the reason that applies where there was a champion."""
TITLES = {
    "nan": "Every metric is a number",
    "floor": "Better than the baseline",
    "maximum": "No forecast is implausibly large",
    "bias": "Neither too high nor too low on average",
    "coverage": "Intervals hold what they promise",
    "simpler": "Worth fitting",
    "winkler": "Intervals are as narrow as the champion's",
    "secondary": "Large errors do not grow",
    "segment": "No part gets worse",
    "series": "Few series get worse",
    "margin": "Clearly better than the champion",
    "significance": "The gain is not that of a few series",
    "drift": "The newest data is like the data before",
}
STATUS = {"passed": "passed", "warning": "warning", "failed": "not passed", "off": "not asked"}

_OF_CHAMPION = ("winkler", "secondary", "segment", "series", "margin", "significance", "drift")
"""Rules that compare the challenger with the champion."""
_DRIFTED = {
    "accepted": "weigh this before the new model is approved",
    "kept": "look whether the champion, which stays, still serves well",
    "failed": "this may be why no model is good enough",
}
"""What a change of the data means beside a verdict."""


@dataclass(frozen=True)
class Metric:
    """A row of the table of metrics. key: of the decision record's scores."""

    key: str
    name: str
    meaning: str
    show: Callable[[float | None], str]


def why(rule: Rule, evidence: Evidence) -> str:
    """What a rule found; of two reasons that a record names for a rule that was off, the one that applies."""
    if rule.status != "off":
        return rule.sentence
    if rule.code in _OF_CHAMPION and (evidence.champion is None or evidence.champion.metrics is None):
        return "there was no champion to compare with."
    if rule.code == "series" and evidence.policy.get("guards", {}).get("series_worse") is None:
        return "the policy sets no limit."
    said = rule.sentence
    for alternative in _ALTERNATIVES:
        said = said.replace(alternative, "")
    return said


def percent(value: float | None, sign: str = "") -> str:
    """A share or a change; one digit after the point, and no minus before a zero."""
    if value is None:
        return NONE
    return f"{round(100 * value, 1) + 0.0:{sign}.1f}%"


def change(value: float | None) -> str:
    """A change in percent, with its sign."""
    return percent(value, "+")


def sentence(text: str) -> str:
    """A finding of the gate as a sentence of its own."""
    return text[:1].upper() + text[1:]


def drift(evidence: Evidence) -> str:
    """One sentence to read beside the verdict where the newest data is not like the data before; else empty.

    The verdict itself does not speak of it, because drift decides nothing.
    """
    rule = next((rule for rule in evidence.rules if rule.code == "drift" and rule.status == "warning"), None)
    if rule is None:
        return ""
    _, _, why = rule.sentence.rstrip(".").rpartition(": ")  # before it are the counts of series
    return f"The newest data is not like the data before: {why}; {_DRIFTED[evidence.outcome]}."


def better(gain: float) -> str:
    """How much better or worse, in words. gain: share of the other's error that is saved."""
    if round(abs(gain), 3) == 0:
        return "equal"
    return f"{percent(abs(gain))} {'better' if gain > 0 else 'worse'}"


def amount(value: float | None) -> str:
    """A number in the unit of the table, with four digits that count."""
    if value is None:
        return NONE
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def metrics(unit: str, season: str) -> list[Metric]:
    """The rows of the table of metrics. unit: of the table's values; season: such as "7 days"."""
    return [
        Metric("mae", "Mean absolute error (MAE)", f"how far a forecast is off on average, in {unit}", amount),
        Metric("rmse", "Root mean square error (RMSE)", f"the same, but large errors weigh more, in {unit}", amount),
        Metric(
            "rel_mae",
            "Error against the baseline",
            f"share of the error of repeating the value of {season} before; below 100% is better",
            percent,
        ),
        Metric(
            "mase", "Scaled error (MASE)", f"error over the usual change within {season}; below 1 is good", amount
        ),
        Metric("rmsse", "Scaled square error (RMSSE)", "the same, but large errors weigh more", amount),
        Metric("bias_ratio", "Bias", "mean error over mean level: + is too high, - too low", change),
    ]


def deciding(evidence: Evidence, scores: Scores | None) -> float | None:
    """The value of the metric that decides."""
    value: float | None = getattr(scores, evidence.metric) if scores else None
    return value


def error(evidence: Evidence, champion: RegisteredChampion | None) -> str:
    """The candidate's error beside that of the champion it was compared with; empty where it was not scored."""
    ours = deciding(evidence, evidence.challenger.metrics)
    if ours is None:
        return ""
    rival = evidence.champion or evidence.baselines.get(SEASONAL_NAIVE)
    theirs = deciding(evidence, rival.metrics if rival else None)
    told = f"{evidence.metric.upper()} {amount(ours)}"
    if theirs is None:
        return told
    name = "the seasonal naive forecast"
    if evidence.champion:
        name = f"{(champion.label if champion else '') or 'a model'}, the champion then"
    return f"{told} against {amount(theirs)} of {name}: {gain(ours, theirs)}"


def gain(ours: float | None, theirs: float | None) -> str:
    """How much better one error is than another one; empty where there is nothing to compare."""
    return "" if ours is None or not theirs else better(1 - ours / theirs)


def title(rule: Rule) -> str:
    """What a rule asks for, in a few words."""
    return TITLES.get(rule.code, rule.code)


def found(rule: Rule) -> str:
    """The value of a rule as people compare it."""
    if rule.value is None or rule.code == "nan":
        return NONE
    if rule.code == "maximum":
        return f"{rule.value:.2f} times"
    return change(rule.value) if rule.code in _RELATIVE else percent(rule.value)


def limit(rule: Rule, policy: Mapping[str, Any]) -> str:
    """The limit of a rule; of a range both bounds."""
    if rule.threshold is None or rule.code == "nan":
        return NONE
    if rule.code == "maximum":
        return f"at most {rule.threshold:g} times"
    if rule.code == "coverage":
        return _range(rule, policy)
    if rule.code in _AT_LEAST:
        return f"at least {percent(rule.threshold)}"
    return f"at most {change(rule.threshold) if rule.code in _RELATIVE else percent(rule.threshold)}"


def segment_limits(policy: Mapping[str, Any]) -> tuple[float | None, float | None]:
    """Changes from which a part is highlighted as a warning and as refused; None where the policy sets none."""
    warnings, guards = (policy.get(section) or {} for section in ("warnings", "guards"))
    return warnings.get("segment"), guards.get("segment")


_RELATIVE = frozenset(("simpler", "winkler", "secondary", "segment", "margin"))
_AT_LEAST = frozenset(("simpler", "margin", "significance"))


def _range(rule: Rule, policy: Mapping[str, Any]) -> str:
    """Both bounds of the range that a rule names one bound of."""
    for section in ("warnings", "guards"):
        bounds = (policy.get(section) or {}).get(rule.code)
        if bounds and rule.threshold in bounds:
            return f"{percent(bounds[0])} to {percent(bounds[1])}"
    return percent(rule.threshold)
