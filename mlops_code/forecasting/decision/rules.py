"""The rules of the gate, as a table: each with its value, its threshold and whether it holds.

A rule has two kinds of limits: a guard blocks, a warning is shown to the approver with its meaning. A guard that the
champion breaks as much does not block: refusing the challenger would leave a model in service that is no better.

Every number is tested for being finite before any is compared, because a comparison with NaN is never true and its
negation always is: the wrong one of the two promotes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from forecasting.decision import words
from forecasting.decision.blocks import Rule, Status
from forecasting.evaluation.calibration import IntervalScore
from forecasting.evaluation.comparison import Comparison
from forecasting.evaluation.drift import MEANING as MEANS
from forecasting.evaluation.drift import SHARES
from forecasting.problem.sections import GatePolicy

SECONDARY = {"mae": "rmse", "mase": "rmsse", "rmsse": "mase"}
MEANING = {
    "bias": "sums over the horizon, such as a stock or a budget, will be off by as much",
    "coverage": "the intervals promise another certainty than they give",
    "simpler": "the fit may not be worth its upkeep",
    "winkler": "the intervals are wider, or miss by more",
    "secondary": "the kind of error that the deciding metric does not see has grown",
    "segment": "the gain is paid for there",
    "floor": "neither is better than repeating the last season",
}
ROUNDING = 1e-12  # of a ratio: a value at its limit is within it


def table(comparison: Comparison, policy: GatePolicy) -> list[Rule]:
    """All rules in the order in which they decide."""
    wild = comparison.not_finite()
    if wild:
        said = f"not finite: {', '.join(wild)}; nothing can be compared."
        return [Rule(code="nan", status="failed", value=None, threshold=None, sentence=said)]
    finite = _rule("nan", 0.0, 0.0, True, "every figure is a finite number.")
    makers: tuple[Callable[[Comparison, GatePolicy], Rule], ...] = (
        _floor, _maximum, _bias, _coverage, _simpler, _winkler, _secondary, _segment, _series, _margin, _significance,
        _drift,
    )  # fmt: skip
    return [finite, *(make(comparison, policy) for make in makers)]


def _rule(code: str, value: float, threshold: float | None, holds: bool, sentence: str) -> Rule:
    status: Status = "passed" if holds else "failed"
    return Rule(code=code, status=status, value=value, threshold=threshold, sentence=sentence)


def _off(code: str, why: str) -> Rule:
    return Rule(code=code, status="off", value=None, threshold=None, sentence=why)


def _warned(code: str, value: float, threshold: float | None, sentence: str) -> Rule:
    said = f"{sentence}: {MEANING[code]}."
    return Rule(code=code, status="warning", value=value, threshold=threshold, sentence=said)


def _floor(comparison: Comparison, policy: GatePolicy) -> Rule:
    """The baseline itself passes: it may be served."""
    name, metric = comparison.metric.upper(), comparison.metric
    ours, theirs = comparison.challenger.value(metric), comparison.reference.value(metric)
    value = ours / theirs if theirs else 0.0
    holds = ours <= policy.floor * theirs
    most = f"at most {policy.floor:.1%}"
    said = f"the challenger's {name} is {value:.1%} of seasonal naive's, {'' if holds else 'not '}{most}"
    champion = comparison.champion
    if not holds and champion and champion.value(metric) >= ours:
        return _warned("floor", value, policy.floor, f"{said}; the champion's is no smaller")
    return _rule("floor", value, policy.floor, holds, f"{said}.")


def _maximum(comparison: Comparison, policy: GatePolicy) -> Rule:
    """Whether values are sane; blocks even where the champion's are as large."""
    limit = policy.guards.maximum
    if limit is None:
        return _off("maximum", "the policy sets no largest forecast.")
    said = f"the largest forecast is {comparison.largest:.2f} times the largest value before, at most {limit:.2f}."
    return _rule("maximum", comparison.largest, limit, comparison.largest <= limit, said)


@dataclass(frozen=True)
class _Limit:
    """How far a value lies beyond a guard or a warning, at most 0 within it. theirs: the champion's; None where the
    value is relative to the champion already. said: the sentence without its end.
    """

    threshold: float
    excess: float
    said: str
    theirs: float | None = None


def _bias(comparison: Comparison, policy: GatePolicy) -> Rule:
    value = abs(comparison.challenger.bias_ratio)
    theirs = abs(comparison.champion.bias_ratio) if comparison.champion else None
    ours = words.change(comparison.challenger.bias_ratio)
    said = f"the mean error is {ours} of the level, at most {{:.1%}} either way"
    return _limited("bias", value, *_scalars("bias", value, theirs, policy, said))


def _coverage(comparison: Comparison, policy: GatePolicy) -> Rule:
    ours, theirs = comparison.interval, comparison.champion_interval
    if ours is None:
        return _off("coverage", "no intervals are judged.")

    def limit(band: tuple[float, float] | None) -> _Limit | None:
        if band is None:
            return None
        said = f"the 80% interval covers {ours.coverage:.1%}, expected {band[0]:.0%} to {band[1]:.0%}"
        threshold = band[0] if ours.coverage < band[0] else band[1]
        return _Limit(threshold, _outside(ours, band), said, None if theirs is None else _outside(theirs, band))

    return _limited("coverage", ours.coverage, limit(policy.guards.coverage), limit(policy.warnings.coverage))


def _outside(score: IntervalScore, band: tuple[float, float]) -> float:
    """How far a coverage lies outside a band."""
    return max(band[0] - score.coverage, score.coverage - band[1])


def _scalars(
    code: str, value: float, theirs: float | None, policy: GatePolicy, said: str
) -> tuple[_Limit | None, _Limit | None]:
    """Guard and warning of a value that may not exceed them. said: with a place for the limit."""

    def limit(most: float | None) -> _Limit | None:
        if most is None:
            return None
        return _Limit(most, value - most, said.format(most), None if theirs is None else theirs - most)

    return limit(getattr(policy.guards, code)), limit(getattr(policy.warnings, code))


def _limited(code: str, value: float, guard: _Limit | None, warning: _Limit | None) -> Rule:
    """Failed beyond the guard, unless the champion is as far beyond it; a warning beyond the warning."""
    if guard and guard.excess > ROUNDING:
        if guard.theirs is None or guard.theirs < guard.excess - ROUNDING:
            return _rule(code, value, guard.threshold, False, f"{guard.said}.")
        return _warned(code, value, guard.threshold, f"{guard.said}; the champion's is no better")
    if warning and warning.excess > ROUNDING:
        return _warned(code, value, warning.threshold, warning.said)
    limit = warning or guard
    if limit is None:
        return _off(code, "the policy sets no limit.")
    return _rule(code, value, limit.threshold, True, f"{limit.said}.")


def _simpler(comparison: Comparison, _policy: GatePolicy) -> Rule:
    """Never blocks: of the simple candidates training has chosen one, on windows that end before these."""
    if not comparison.simple:
        return _off("simpler", "the challenger estimates nothing, or there is no simpler candidate.")
    label, best = min(comparison.simple.items(), key=lambda item: item[1].value(comparison.metric))
    ours, theirs = comparison.challenger.value(comparison.metric), best.value(comparison.metric)
    gain = 1 - ours / theirs if theirs else 0.0
    said = f"the fitted challenger is {gain:+.1%} better than {label}, which needs no fit"
    if ours < theirs:
        return _rule("simpler", gain, 0.0, True, f"{said}.")
    return _warned("simpler", gain, 0.0, said)


def _winkler(comparison: Comparison, policy: GatePolicy) -> Rule:
    ours, theirs = comparison.interval, comparison.champion_interval
    if ours is None or theirs is None:
        return _off("winkler", "no two intervals to compare.")
    return _relative("winkler", "interval score", ours.winkler, theirs.winkler, policy)


def _secondary(comparison: Comparison, policy: GatePolicy) -> Rule:
    name = SECONDARY[comparison.metric]
    if comparison.champion is None:
        return _off("secondary", "no champion to compare with.")
    ours, theirs = comparison.challenger.value(name), comparison.champion.value(name)
    return _relative("secondary", name.upper(), ours, theirs, policy)


def _relative(code: str, name: str, ours: float, theirs: float, policy: GatePolicy) -> Rule:
    """How much worse than the champion."""
    change = ours / theirs - 1 if theirs else float(ours > 0)
    said = f"the challenger's {name} is {change:+.1%} against the champion's, at most {{:.1%}} more"
    return _limited(code, change, *_scalars(code, change, None, policy, said))


def _segment(comparison: Comparison, policy: GatePolicy) -> Rule:
    judged = [(part, part.change) for part in comparison.segments if part.points >= policy.guards.segment_points]
    compared = [(part, change) for part, change in judged if change is not None]
    if not compared:
        few = f"no segment has {policy.guards.segment_points} forecasts, or there is no champion."
        return _off("segment", few)
    worst, change = max(compared, key=lambda item: item[1])
    where = f"the worst segment, {worst.kind} {worst.name}"
    said = f"{where}, is {change:+.1%} against the champion, at most {{:.1%}} more"
    return _limited("segment", change, *_scalars("segment", change, None, policy, said))


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
    compared = f"the challenger's {name} is {_short(ours)}, the champion's {_short(theirs)}"
    said = f"{compared}: {words.better(gain)}; the gate asks for at least {policy.margin:.1%}."
    return _rule("margin", gain, policy.margin, holds, said)


def _significance(comparison: Comparison, policy: GatePolicy) -> Rule:
    value, limit = comparison.better, policy.bootstrap.probability
    if value is None:
        return _off("significance", f"fewer than {policy.bootstrap.min_series} series, or no champion.")
    said = f"in {value:.1%} of the draws of series the challenger is better, at least {limit:.0%}."
    return _rule("significance", value, limit, value >= limit, said)


def _drift(comparison: Comparison, _policy: GatePolicy) -> Rule:
    """Never blocks: what has changed speaks of the data, not of the challenger."""
    drift = comparison.drift
    if drift is None:
        return _off("drift", "no champion, or no window that ends before the newest one.")
    if not drift.alarms:
        name = max(drift.shares, key=lambda statistic: drift.shares[statistic] / SHARES[statistic])
        return _rule("drift", drift.shares[name], SHARES[name], True, f"{drift.sentence}.")
    name = drift.alarms[0]
    why = "; ".join(f"{MEANS[alarm]} ({drift.shares[alarm]:.0%} of the series)" for alarm in drift.alarms)
    said = f"{drift.sentence}: {why}."
    return Rule(code="drift", status="warning", value=drift.shares[name], threshold=SHARES[name], sentence=said)


def _short(value: float) -> str:
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.4f}"
