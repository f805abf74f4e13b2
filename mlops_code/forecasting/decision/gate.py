"""The promotion gate: may the challenger take the champion's place?

Three outcomes: accepted, kept (the champion stays, which is normal), failed (no trustworthy decision, or no model
that is worth having). Two different objects are told apart. A *recipe* is refitted at every origin and can be scored
on any window; recipes decide. An *artefact*, the registered champion with its parameters frozen, is scored only on
origins after its own cutoff, and only to see whether it has aged.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date

import numpy as np

from forecasting.data.series import KEY_SEPARATOR, Panel
from forecasting.decision import rules
from forecasting.decision.record import Outcome, Rule, Verdict
from forecasting.errors import HistoryError
from forecasting.evaluation.backtest import (
    Plan,
    Windows,
    backtest,
    ground_of,
    history_of,
    last_windows,
    yardstick,
)
from forecasting.evaluation.comparison import Age, Figures, Setting, Side, compare
from forecasting.evaluation.intervals import radii_of
from forecasting.evaluation.metrics import Ground, score
from forecasting.evaluation.selection import recipes_of
from forecasting.models.catalog import forecast, parameter_free, update
from forecasting.models.recipe import Array, FittedModel, History, Recipe
from forecasting.problem.sections import GatePolicy, Training

NO_CHAMPION_NEEDED = ("floor", "maximum", "bias", "coverage", "simpler")
GUARDS = (*NO_CHAMPION_NEEDED[1:], "winkler", "secondary", "segment", "series")
OVERRIDABLE = frozenset({"floor", *GUARDS, "margin", "significance", "tie", "no-new-data"})


@dataclass(frozen=True)
class Incumbent:
    """The champion: its artefact, whose cutoff limits where it may be scored."""

    model: FittedModel


@dataclass(frozen=True)
class Contest:
    """Who is compared; champion None means that the registry has said so, not that it could not be asked.

    chosen_until: the last day on which training compared recipes; it must lie before the gate's first day. radii: of
    the challenger's intervals, calibrated up to that day; empty where it serves none. key_columns: of the series.
    same_data: challenger and champion were trained on the same bytes.
    """

    challenger: Recipe
    champion: Incumbent | None
    chosen_until: date
    radii: tuple[float, ...] = ()
    key_columns: tuple[str, ...] = ()
    same_data: bool = False


@dataclass(frozen=True)
class Judgement:
    """A verdict with what it rests on. Without windows there are no figures: the series was too short."""

    verdict: Verdict
    rules: Sequence[Rule] = ()
    figures: Figures | None = None
    windows: Windows | None = None
    ground: Ground | None = None
    tracks: Mapping[str, Array] = field(default_factory=dict)


def judge(panel: Panel, contest: Contest, training: Training, policy: GatePolicy, lower: float | None) -> Judgement:
    """Refit challenger, champion, yardstick and the parameter-free candidates at the same origins and decide.

    lower: bound of the values. Raises: UsageError (a recipe needs an extra that is not installed).
    """
    if not np.isfinite(panel.values).all():
        row, column = np.argwhere(~np.isfinite(panel.values))[0].tolist()
        place = f"{panel.keys[row]} on {panel.day(column)}"
        return Judgement(_verdict("failed", "nan", f"the series holds {panel.values[row, column]}: {place}."))
    recipes = _recipes(contest, training)
    try:
        windows = last_windows(panel, recipes, training, Plan(policy.origins, policy.step))
    except HistoryError as short:
        return Judgement(_verdict("failed", "too-few-origins", str(short)))
    if contest.chosen_until >= panel.day(windows.first_day):
        leak = (
            f"training chose on days up to {contest.chosen_until}, the gate starts on {panel.day(windows.first_day)}"
        )
        verdict = _verdict("failed", "error", f"{leak}: the scores would flatter the challenger.")
        return Judgement(verdict, windows=windows)
    try:
        figures, ground, tracks = _figures(panel, windows, contest, training=training, policy=policy, lower=lower)
    except (ValueError, ArithmeticError) as fault:  # what numpy, scikit-learn and the recipes raise of numbers
        said = f"a model could not be refitted on the gate's windows ({type(fault).__name__}: {fault})."
        return Judgement(_verdict("failed", "error", said), windows=windows)
    verdict, table = decide(figures, policy)
    if contest.same_data and verdict.reason == "tie":
        said = "the champion was made by the same recipe from the same data: there is nothing new to decide on."
        verdict = _verdict("kept", "no-new-data", said)
    return Judgement(verdict, table, figures, windows, ground, {yardstick().label: ground.naive, **tracks})


def decide(figures: Figures, policy: GatePolicy) -> tuple[Verdict, list[Rule]]:
    """Apply the rules: finite, floor, guards, then first model, margin, tie or refresh."""
    table = rules.table(figures, policy)
    failed = {rule.code: rule for rule in table if rule.status == "failed"}
    for code in ("nan", "floor"):
        if code in failed:
            return _verdict("failed", code, failed[code].sentence), table
    guard = next((failed[code] for code in GUARDS if code in failed), None)
    floor = next(rule for rule in table if rule.code == "floor")
    if figures.champion is None:
        if guard:
            return _verdict("failed", guard.code, guard.sentence), table
        said = f"no champion is registered, and {floor.sentence}"
        return _verdict("accepted", "first-model", said), table
    return _against(figures, figures.champion.value(figures.metric), policy, table, guard), table


def overridden(verdict: Verdict, person: str, reason: str) -> Verdict:
    """The verdict of a person who answers for it. Raises: ValueError where nothing may be overridden.

    Only a judgement of quality can be: where no trustworthy decision was possible, there is none to replace.
    """
    if not person.strip() or not reason.strip():
        raise ValueError("an override needs a person and a reason")
    if verdict.outcome == "accepted":
        raise ValueError("the gate has accepted the challenger: there is nothing to override")
    if verdict.reason not in OVERRIDABLE:
        raise ValueError(f"the gate ended with {verdict.reason}: that is no judgement of quality, mend its cause")
    return _verdict("accepted", "override", f"{person.strip()} decides against the gate: {reason.strip()}")


def _verdict(outcome: Outcome, reason: str, sentence: str) -> Verdict:
    return Verdict(outcome=outcome, reason=reason, sentence=sentence)


def _against(
    figures: Figures, theirs: float, policy: GatePolicy, table: Sequence[Rule], guard: Rule | None
) -> Verdict:
    """The verdict where there is a champion and the floor holds."""
    by_code = {rule.code: rule for rule in table}
    margin, significance = by_code["margin"], by_code["significance"]
    ours = figures.challenger.value(figures.metric)
    equal = f"{figures.metric.upper()} {ours:.6g} against {theirs:.6g}"
    due = _due(figures.age, policy) if ours <= theirs else None
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


def _recipes(contest: Contest, training: Training) -> list[Recipe]:
    """Everything that is refitted beside the yardstick."""
    champion = [contest.champion.model.recipe] if contest.champion else []
    return [contest.challenger, *champion, *_simple(contest.challenger, training)]


def _figures(
    panel: Panel,
    windows: Windows,
    contest: Contest,
    *,
    training: Training,
    policy: GatePolicy,
    lower: float | None,
) -> tuple[Figures, Ground, dict[str, Array]]:
    """Refit and score all on the same windows. Raises: ValueError, ArithmeticError, UsageError."""
    history = history_of(panel, training, lower)
    ground, tracks = ground_of(history, windows), backtest(history, _recipes(contest, training), windows)
    age, theirs = None, None
    if contest.champion:
        champion = contest.champion.model.recipe
        judged = tracks[champion.label]
        theirs = Side(judged, _radii(champion, contest, history, training))
        age = _age(
            contest.champion, history=history, windows=windows, refitted=judged, ground=ground,
            metric=training.metric, enough=policy.refresh.clean_origins,
        )  # fmt: skip
    figures = compare(
        ground,
        challenger=Side(tracks[contest.challenger.label], contest.radii),
        champion=theirs,
        simple={recipe.label: tracks[recipe.label] for recipe in _simple(contest.challenger, training)},
        setting=_setting(panel, windows, training, lower, contest.key_columns),
        policy=policy,
        age=age,
    )
    return figures, ground, tracks


def _simple(challenger: Recipe, training: Training) -> list[Recipe]:
    """The parameter-free candidates of the problem, which a fitted challenger must beat."""
    if parameter_free(challenger):
        return []
    return [recipe for recipe in recipes_of(training) if parameter_free(recipe)]


def _radii(champion: Recipe, contest: Contest, history: History, training: Training) -> tuple[float, ...]:
    """Intervals of the champion's recipe, calibrated on the windows that the challenger's were calibrated on."""
    if not contest.radii:
        return ()
    if champion == contest.challenger:
        return contest.radii
    rule = training.selection
    known = history.until(history.days - rule.held_back)
    last = known.days - training.horizon
    windows = Windows(tuple(range(last - (rule.origins - 1) * rule.step, last + 1, rule.step)), training.horizon)
    try:
        return radii_of(backtest(known, [champion], windows)[champion.label], ground_of(known, windows))
    except ValueError:
        return ()  # the champion's recipe has no earlier windows to be calibrated on: intervals are not compared


def _age(
    champion: Incumbent,
    *,
    history: History,
    windows: Windows,
    refitted: Array,
    ground: Ground,
    metric: str,
    enough: int,
) -> Age:
    """Score the frozen artefact on the origins after its cutoff, never on one that its fit has seen.

    refitted: the track of the champion's recipe. enough: clean origins below which nothing is said.
    """
    model = champion.model
    free = parameter_free(model.recipe)
    seen = (model.cutoff - history.first).days  # index of the last day that the fit has seen
    clean = [index for index, origin in enumerate(windows.origins) if origin > seen]
    days = (history.cutoff - model.cutoff).days
    if free or len(clean) < enough:
        return Age(days, len(clean), None, free)
    try:
        models = [update(model, history.until(windows.origins[index])) for index in clean]
    except ValueError:
        return Age(days, len(clean), None, free)
    part = slice(clean[0], None)
    frozen = np.stack([forecast(old, windows.horizon) for old in models], axis=1)
    artefact = score(frozen, ground.origins(part)).value(metric)
    recipe = score(refitted[:, part], ground.origins(part)).value(metric)
    return Age(days, len(clean), artefact / recipe - 1 if recipe else None, free)


def _setting(
    panel: Panel, windows: Windows, training: Training, lower: float | None, columns: tuple[str, ...]
) -> Setting:
    first = (panel.first - date(1970, 1, 1)).days
    days = first + np.array(windows.origins)[:, None] + np.arange(windows.horizon)
    parts = [key.split(KEY_SEPARATOR) for key in panel.keys] if columns else []
    groups = {column: [part[place] for part in parts] for place, column in enumerate(columns)}
    highest = panel.values[:, : windows.first_day].max(axis=1)
    return Setting(training.metric, days, training.season, highest, lower, groups)
