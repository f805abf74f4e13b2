"""The rules of the gate, as a table: each with its value, its threshold and whether it holds.

Every number is tested for being finite before any is compared, because a comparison with NaN is never true and its
negation always is: the wrong one of the two promotes.
"""

from __future__ import annotations

from collections.abc import Callable

from forecasting.decision.blocks import Rule, Status
from forecasting.evaluation.comparison import Comparison
from forecasting.problem.sections import GatePolicy

SECONDARY = {"mae": "rmse", "mase": "rmsse", "rmsse": "mase"}


def table(comparison: Comparison, policy: GatePolicy) -> list[Rule]:
    """All rules in the order in which they decide."""
    wild = comparison.not_finite()
    if wild:
        said = f"not finite: {', '.join(wild)}; nothing can be compared."
        return [Rule(code="nan", status="failed", value=None, threshold=None, sentence=said)]
    finite = _rule("nan", 0.0, 0.0, True, "every figure is a finite number.")
    makers: tuple[Callable[[Comparison, GatePolicy], Rule], ...] = (
        _floor, _maximum, _bias, _coverage, _simpler, _winkler, _secondary, _segment, _series, _margin, _significance,
    )  # fmt: skip
    return [finite, *(make(comparison, policy) for make in makers)]


def _rule(code: str, value: float, threshold: float | None, holds: bool, sentence: str) -> Rule:
    status: Status = "passed" if holds else "failed"
    return Rule(code=code, status=status, value=value, threshold=threshold, sentence=sentence)


def _off(code: str, why: str) -> Rule:
    return Rule(code=code, status="off", value=None, threshold=None, sentence=why)


def _floor(comparison: Comparison, policy: GatePolicy) -> Rule:
    value = comparison.challenger.rel_mae
    holds = value < policy.floor
    said = (
        f"the challenger's MAE is {value:.3f} of seasonal naive's, {'' if holds else 'not '}below {policy.floor:.3f}."
    )
    return _rule("floor", value, policy.floor, holds, said)


def _maximum(comparison: Comparison, policy: GatePolicy) -> Rule:
    limit = policy.guards.maximum
    if limit is None:
        return _off("maximum", "the policy sets no largest forecast.")
    said = f"the largest forecast is {comparison.largest:.2f} times the largest value before, at most {limit:.2f}."
    return _rule("maximum", comparison.largest, limit, comparison.largest <= limit, said)


def _bias(comparison: Comparison, policy: GatePolicy) -> Rule:
    limit, value = policy.guards.bias, abs(comparison.challenger.bias_ratio)
    if limit is None:
        return _off("bias", "the policy sets no bias.")
    theirs = abs(comparison.champion.bias_ratio) if comparison.champion else 0.0
    said = f"the mean error is {comparison.challenger.bias_ratio:+.1%} of the level, at most {limit:.1%} either way"
    if value > limit and value <= theirs:
        return _rule("bias", value, limit, True, f"{said}; more, but no more than the champion's {theirs:.1%}.")
    return _rule("bias", value, limit, value <= limit, f"{said}.")


def _coverage(comparison: Comparison, policy: GatePolicy) -> Rule:
    limits, score = policy.guards.coverage, comparison.interval
    if limits is None or score is None:
        return _off("coverage", "no intervals are judged.")
    low, high = limits
    said = f"the 80 % interval covers {score.coverage:.1%}, expected {low:.0%} to {high:.0%}."
    threshold = low if score.coverage < low else high
    return _rule("coverage", score.coverage, threshold, low <= score.coverage <= high, said)


def _simpler(comparison: Comparison, policy: GatePolicy) -> Rule:
    if not comparison.simple:
        return _off("simpler", "the challenger estimates nothing, or there is no simpler candidate.")
    label, best = min(comparison.simple.items(), key=lambda item: item[1].value(comparison.metric))
    ours, theirs = comparison.challenger.value(comparison.metric), best.value(comparison.metric)
    holds = ours < theirs and ours <= (1 - policy.margin) * theirs
    gain = 1 - ours / theirs if theirs else 0.0
    said = (
        f"the fitted challenger is {gain:+.1%} better than {label}, which needs no fit; at least {policy.margin:.1%}."
    )
    return _rule("simpler", gain, policy.margin, holds, said)


def _winkler(comparison: Comparison, policy: GatePolicy) -> Rule:
    limit, ours, theirs = policy.guards.winkler, comparison.interval, comparison.champion_interval
    if limit is None or ours is None or theirs is None:
        return _off("winkler", "no two intervals to compare.")
    return _relative("winkler", "interval score", ours.winkler, theirs.winkler, limit)


def _secondary(comparison: Comparison, policy: GatePolicy) -> Rule:
    limit, name = policy.guards.secondary, SECONDARY[comparison.metric]
    if limit is None or comparison.champion is None:
        return _off("secondary", "no champion to compare with, or the policy sets no limit.")
    ours, theirs = comparison.challenger.value(name), comparison.champion.value(name)
    return _relative("secondary", name.upper(), ours, theirs, limit)


def _relative(code: str, name: str, ours: float, theirs: float, limit: float) -> Rule:
    """Not worse than the champion by more than the limit."""
    change = ours / theirs - 1 if theirs else float(ours > 0)
    said = f"the challenger's {name} is {change:+.1%} against the champion's, at most {limit:+.1%}."
    return _rule(code, change, limit, ours <= (1 + limit) * theirs, said)


def _segment(comparison: Comparison, policy: GatePolicy) -> Rule:
    limit = policy.guards.segment
    judged = [(part, part.change) for part in comparison.segments if part.points >= policy.guards.segment_points]
    compared = [(part, change) for part, change in judged if change is not None]
    if limit is None or not compared:
        few = f"no segment has {policy.guards.segment_points} forecasts, or there is no champion."
        return _off("segment", few)
    worst, change = max(compared, key=lambda item: item[1])
    where = f"the worst segment, {worst.kind} {worst.name}"
    said = f"{where}, is {change:+.1%} against the champion, at most {limit:+.1%}."
    return _rule("segment", change, limit, change <= limit, said)


def _series(comparison: Comparison, policy: GatePolicy) -> Rule:
    limit, value = policy.guards.series_worse, comparison.worse
    if limit is None or value is None:
        return _off("series", f"fewer than {policy.bootstrap.min_series} series, or no champion.")
    said = f"{value:.1%} of the series have a larger error than with the champion, at most {limit:.1%}."
    return _rule("series", value, limit, value <= limit, said)


def _margin(comparison: Comparison, policy: GatePolicy) -> Rule:
    if comparison.champion is None:
        return _off("margin", "no champion is registered.")
    name = comparison.metric.upper()
    ours, theirs = comparison.challenger.value(comparison.metric), comparison.champion.value(comparison.metric)
    gain = 1 - ours / theirs if theirs else 0.0
    holds = ours < theirs and ours <= (1 - policy.margin) * theirs
    compared = f"the challenger's {name} {_short(ours)} against the champion's {_short(theirs)}"
    said = f"{compared} is {'better by at least' if holds else 'not better by'} {policy.margin:.1%}."
    return _rule("margin", gain, policy.margin, holds, said)


def _significance(comparison: Comparison, policy: GatePolicy) -> Rule:
    value, limit = comparison.better, policy.bootstrap.probability
    if value is None:
        return _off("significance", f"fewer than {policy.bootstrap.min_series} series, or no champion.")
    said = f"in {value:.1%} of the draws of series the challenger is better, at least {limit:.0%}."
    return _rule("significance", value, limit, value >= limit, said)


def _short(value: float) -> str:
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.4f}"
