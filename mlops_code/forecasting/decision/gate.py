"""The promotion gate: may the challenger take the champion's place?

Three outcomes: accepted, kept (the champion stays, which is normal), failed (no trustworthy decision, or no model
that is worth having).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from forecasting.data.series import Panel
from forecasting.decision import rules
from forecasting.decision.blocks import Outcome, Rule, Verdict
from forecasting.decision.contest import Contest, proposal_of, refit
from forecasting.errors import HistoryError
from forecasting.evaluation.backtest import Plan, Progress, Windows, last_windows, silent, with_year_ago
from forecasting.evaluation.comparison import Age, Comparison
from forecasting.evaluation.metrics import Actuals
from forecasting.evaluation.selection import Proposal
from forecasting.models.recipe import Array
from forecasting.problem.sections import GatePolicy, Training

GUARDS = ("maximum", "bias", "coverage", "winkler", "secondary", "segment", "series")
ASKED = ("lost-series", "late-series")  # reasons of a verdict that asks a person
OLDER = "older-data"  # of a challenger whose data ends before the champion's
OVERRIDABLE = frozenset({"floor", *GUARDS, "margin", "significance", "tie", "no-new-data", *ASKED, OLDER})


@dataclass(frozen=True)
class Judgement:
    """A verdict with what it rests on. Without windows nothing was compared: the series was too short.

    proposed: whom it is about; None where nothing was compared. instead: why that is not what training has chosen.
    """

    verdict: Verdict
    rules: Sequence[Rule] = ()
    comparison: Comparison | None = None
    windows: Windows | None = None
    actuals: Actuals | None = None
    predictions: Mapping[str, Array] = field(default_factory=dict)
    proposed: Proposal | None = None
    instead: str = ""


def judge(
    panel: Panel,
    contest: Contest,
    training: Training,
    policy: GatePolicy,
    lower: float | None,
    *,
    progress: Progress = silent,
) -> Judgement:
    """Refit proposals, champion, baseline and the parameter-free candidates at the same origins and decide.

    lower: bound of the values. Raises: UsageError (a recipe needs an extra that is not installed).
    """
    if not np.isfinite(panel.values).all():
        row, column = np.argwhere(~np.isfinite(panel.values))[0].tolist()
        place = f"{panel.keys[row]} on {panel.day(column)}"
        return Judgement(_verdict("failed", "nan", f"the series holds {panel.values[row, column]}: {place}."))
    try:
        windows = _windows(panel, contest, training, policy)
    except HistoryError as short:
        return Judgement(_verdict("failed", "too-few-origins", str(short)))
    first = panel.day(windows.first_day)
    if contest.chosen_until >= first:
        leak = f"training chose on days up to {contest.chosen_until}, the gate starts on {first}"
        verdict = _verdict("failed", "error", f"{leak}: the scores would flatter the challenger.")
        return Judgement(verdict, windows=windows)
    try:
        refitted = refit(panel, windows, contest, training=training, policy=policy, lower=lower, progress=progress)
        proposed, instead = proposal_of(refitted)
        comparison = refitted.comparison(proposed)
    except (ValueError, ArithmeticError) as fault:  # what numpy, scikit-learn and the recipes raise of numbers
        said = f"a model could not be refitted on the gate's windows ({type(fault).__name__}: {fault})."
        return Judgement(_verdict("failed", "error", said), windows=windows)
    verdict, table = decide(comparison, policy)
    if contest.same_data and verdict.reason == "tie":
        said = "the champion was made by the same recipe from the same data: there is nothing new to decide on."
        verdict = _verdict("kept", "no-new-data", said)
    if instead:
        said = f"{proposed.recipe.label} is proposed, because {instead}: {verdict.sentence}"
        verdict = _verdict(verdict.outcome, verdict.reason, said)
    return Judgement(verdict, table, comparison, windows, refitted.actuals, refitted.predictions, proposed, instead)


def _windows(panel: Panel, contest: Contest, training: Training, policy: GatePolicy) -> Windows:
    """The last windows, and those of a year ago that training has not seen."""
    windows = last_windows(panel, contest.recipes, training, Plan(policy.origins, policy.step))
    since = panel.calendar.between(panel.first, contest.chosen_from) if contest.chosen_from else 0
    chosen = (since, panel.calendar.between(panel.first, contest.chosen_until))
    plan = Plan(policy.year_ago, policy.step)
    return with_year_ago(windows, panel, contest.recipes, training, plan=plan, chosen=chosen)


def decide(comparison: Comparison, policy: GatePolicy) -> tuple[Verdict, list[Rule]]:
    """Apply the rules: finite, floor, guards, then first model, margin, tie or refresh."""
    table = rules.table(comparison, policy)
    failed = {rule.code: rule for rule in table if rule.status == "failed"}
    for code in ("nan", "floor"):
        if code in failed:
            return _verdict("failed", code, failed[code].sentence), table
    guard = next((failed[code] for code in GUARDS if code in failed), None)
    floor = next(rule for rule in table if rule.code == "floor")
    if comparison.champion is None:
        if guard:
            return _verdict("failed", guard.code, guard.sentence), table
        said = f"no champion is registered, and {floor.sentence}"
        return _verdict("accepted", "first-model", said), table
    return _against(comparison, comparison.champion.value(comparison.metric), policy, table, guard), table


def overridden(verdict: Verdict, person: str, reason: str) -> Verdict:
    """The verdict of an accountable person. Raises: ValueError where nothing may be overridden.

    Only a judgement of quality can be: where no trustworthy decision was possible, there is none to replace.
    """
    if not person.strip() or not reason.strip():
        raise ValueError("an override needs a person and a reason")
    if verdict.outcome == "accepted":
        raise ValueError("the gate has accepted the challenger: there is nothing to override")
    if verdict.reason not in OVERRIDABLE:
        raise ValueError(f"the gate ended with {verdict.reason}: this is not a judgement of quality, fix its cause")
    return _verdict("accepted", "override", f"{person.strip()} decides against the gate: {reason.strip()}")


def _verdict(outcome: Outcome, reason: str, sentence: str) -> Verdict:
    return Verdict(outcome=outcome, reason=reason, sentence=sentence)


def _against(
    comparison: Comparison, theirs: float, policy: GatePolicy, table: Sequence[Rule], guard: Rule | None
) -> Verdict:
    """The verdict where there is a champion and the floor holds."""
    by_code = {rule.code: rule for rule in table}
    margin, significance = by_code["margin"], by_code["significance"]
    ours = comparison.challenger.value(comparison.metric)
    equal = f"{comparison.metric.upper()} {ours:.6g} against {theirs:.6g}"
    due = _due(comparison.age, policy) if ours <= theirs else None
    better = margin.status == "passed" and significance.status != "failed"
    if better or due:
        why = margin.sentence if better else f"{due} The challenger is not worse: {equal}."
        if guard:
            return _verdict("kept", guard.code, f"{why} But {guard.sentence}")
        return _verdict("accepted", "margin" if better else "refresh", why)
    if ours == theirs:
        return _verdict("kept", "tie", f"challenger and champion are equal: {equal}.")
    if margin.status == "passed":
        return _verdict("kept", "significance", f"{margin.sentence} But {significance.sentence}")
    return _verdict("kept", "margin", margin.sentence)


def _due(age: Age | None, policy: GatePolicy) -> str | None:
    """Why the champion may be renewed without being beaten; None where it may not."""
    if age is None or (age.parameter_free and not policy.refresh.parameter_free):
        return None
    if age.days > policy.refresh.max_age_days:
        return f"the champion's cutoff is {age.days} days old, more than {policy.refresh.max_age_days}."
    if age.staleness is not None and age.staleness >= policy.margin and age.staleness > 0:
        return f"the champion's frozen parameters are {age.staleness:.1%} worse than its recipe fitted anew."
    return None
