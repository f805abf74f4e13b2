"""The promotion gate: may the challenger take the champion's place?

Three outcomes: accepted, kept (the champion stays, which is normal), failed (no trustworthy decision). Every
number is tested for being finite before any is compared, because a comparison with NaN is never true and its
negation always is: the wrong one of the two promotes.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Literal

from .backtest import Plan, Windows, backtest, last_windows, yardstick
from .candidates import Recipe
from .errors import HistoryError
from .metrics import Metrics
from .problem import GatePolicy, Training
from .series import Series

Outcome = Literal["accepted", "kept", "failed"]
Reason = Literal["first-model", "margin", "tie", "floor", "nan", "too-few-origins", "error"]


@dataclass(frozen=True)
class Contest:
    """Who is compared; champion None means that the registry has said so, not that it could not be asked.

    chosen_until: the last day on which training compared recipes; it must lie before the gate's first day.
    """

    challenger: Recipe
    champion: Recipe | None
    chosen_until: date


@dataclass(frozen=True)
class Verdict:
    """What the gate says: the outcome, a reason code for machines and a sentence for people."""

    outcome: Outcome
    reason: Reason
    sentence: str


@dataclass(frozen=True)
class Judgement:
    """A verdict with what it rests on. Without windows there are no scores: the series was too short."""

    verdict: Verdict
    windows: Windows | None
    challenger: Metrics | None
    champion: Metrics | None
    yardstick: Metrics | None


def judge(series: Series, contest: Contest, training: Training, policy: GatePolicy) -> Judgement:
    """Refit challenger, champion and yardstick at the same origins and decide.

    The champion is judged by its recipe, refitted like the challenger: an old artefact and a fresh fit are
    different objects, and the recipe has clean origins at any age.
    """
    challenger, champion = contest.challenger, contest.champion
    recipes = [challenger] if champion is None else [challenger, champion]
    try:
        windows = last_windows(series, recipes, training, Plan(policy.origins, policy.step))
    except HistoryError as short:
        return Judgement(Verdict("failed", "too-few-origins", str(short)), None, None, None, None)
    scores = backtest(series, recipes, windows, training.season)
    ours, reference = scores[challenger.label], scores[yardstick().label]
    theirs = None if champion is None else scores[champion.label]
    if contest.chosen_until >= series.day(windows.first_day):
        leak = (
            f"training chose on days up to {contest.chosen_until}, the gate starts on {series.day(windows.first_day)}"
        )
        verdict = Verdict("failed", "error", f"{leak}: the scores would flatter the challenger.")
    else:
        verdict = decide(ours, theirs, reference, policy)
    return Judgement(verdict, windows, ours, theirs, reference)


def decide(challenger: Metrics, champion: Metrics | None, reference: Metrics, policy: GatePolicy) -> Verdict:
    """Apply the rules in order: finite, floor, first model, tie, margin. reference: seasonal naive."""
    named = {"challenger": challenger, "champion": champion, "seasonal naive": reference}
    wild = [f"{who} {name}" for who, metrics in named.items() if metrics for name in metrics.not_finite()]
    if wild:
        return Verdict("failed", "nan", f"not finite: {', '.join(wild)}; nothing can be compared.")
    if not challenger.rel_mae < policy.floor:
        return Verdict(
            "failed",
            "floor",
            f"the challenger's MAE is {challenger.rel_mae:.3f} of seasonal naive's, not below {policy.floor:.3f}.",
        )
    if champion is None:
        return Verdict(
            "accepted",
            "first-model",
            f"no champion is registered, and the challenger's MAE is {challenger.rel_mae:.3f} of seasonal naive's.",
        )
    if challenger.mae == champion.mae:
        return Verdict("kept", "tie", f"challenger and champion both have MAE {champion.mae:.1f}.")
    compared = f"the challenger's MAE {challenger.mae:.1f} against the champion's {champion.mae:.1f}"
    if challenger.mae < champion.mae and challenger.mae <= (1 - policy.margin) * champion.mae:
        return Verdict("accepted", "margin", f"{compared} is better by at least {policy.margin:.1%}.")
    return Verdict("kept", "margin", f"{compared} is not better by {policy.margin:.1%}.")
