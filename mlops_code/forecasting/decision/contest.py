"""Who is compared: all are refitted at the same origins and scored on the same windows.

Two different objects are told apart. A *recipe* is refitted at every origin and can be scored on any window; recipes
decide. A *model*, the registered champion with its parameters frozen, is scored only on origins after its own cutoff,
and only to see whether it has aged.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date

import numpy as np

from forecasting.calendars import Calendar
from forecasting.data.series import KEY_SEPARATOR, Panel
from forecasting.evaluation.backtest import Progress, Windows, actuals_of, backtest, history_of, silent
from forecasting.evaluation.calibration import JUDGED, LEVELS, covered, half_widths_of
from forecasting.evaluation.comparison import Age, Comparison, Setting, Side, compare
from forecasting.evaluation.drift import Drift, drift_of
from forecasting.evaluation.metrics import Actuals, score
from forecasting.evaluation.selection import Proposal, recipes_of
from forecasting.models.catalog import BASELINE, days_needed, forecast, parameter_free, update
from forecasting.models.recipe import Array, FittedModel, HalfWidth, History, Recipe
from forecasting.problem.sections import GatePolicy, Training


@dataclass(frozen=True)
class Contest:
    """Who is compared; champion None means that the registry has said so, not that it could not be asked.

    challenger: what training proposes. fallbacks: what is proposed where that loses, simplest last, and chosen on the
    same windows. chosen_from, chosen_until: first and last day on which training compared recipes; None as the first
    means that it is unknown. half_widths: of the challenger's intervals, calibrated up to that day; empty where it
    serves none. key_columns: of the series. same_data: challenger and champion were trained on the same bytes.
    """

    challenger: Recipe
    champion: FittedModel | None
    chosen_until: date
    half_widths: tuple[HalfWidth, ...] = ()
    key_columns: tuple[str, ...] = ()
    same_data: bool = False
    fallbacks: tuple[Proposal, ...] = ()
    chosen_from: date | None = None

    @property
    def proposals(self) -> tuple[Proposal, ...]:
        """Everything that may be proposed, in order."""
        return (Proposal(self.challenger, self.half_widths), *self.fallbacks)

    @property
    def recipes(self) -> list[Recipe]:
        """Everything that must be refitted at every origin."""
        champion = [self.champion.recipe] if self.champion else []
        return [*(proposal.recipe for proposal in self.proposals), *champion]


@dataclass(frozen=True)
class Refitted:
    """Everybody refitted at the same origins. predictions: by the label of the recipe."""

    contest: Contest
    training: Training
    policy: GatePolicy
    actuals: Actuals
    predictions: Mapping[str, Array]
    champion: Side | None
    age: Age | None
    setting: Setting
    simple: tuple[Recipe, ...]
    drift: Drift | None = None

    def error(self, recipe: Recipe) -> float:
        """The problem's own metric of a recipe."""
        return score(self.predictions[recipe.label], self.actuals).value(self.training.metric)

    def comparison(self, proposal: Proposal) -> Comparison:
        """Compare one proposal with the champion, the baseline and the simple candidates."""
        found = compare(
            self.actuals,
            challenger=Side(self.predictions[proposal.recipe.label], proposal.half_widths),
            champion=self.champion,
            simple={
                recipe.label: self.predictions[recipe.label]
                for recipe in self.simple
                if not parameter_free(proposal.recipe)
            },
            setting=self.setting,
            policy=self.policy,
            age=self.age,
        )
        return replace(found, drift=self.drift)


def refit(
    panel: Panel,
    windows: Windows,
    contest: Contest,
    *,
    training: Training,
    policy: GatePolicy,
    lower: float | None,
    progress: Progress = silent,
) -> Refitted:
    """Refit all models at the same origins. lower: bound of the values. progress: called for each fit.

    Raises: ValueError, ArithmeticError (a fit is impossible), UsageError (a recipe needs an extra).
    """
    history = history_of(panel, training, lower)
    simple = simple_candidates(contest.challenger, training, panel.calendar, windows.origins[0])
    actuals = actuals_of(history, windows)
    predictions = backtest(history, [*contest.recipes, *simple], windows, progress)
    age, champion = None, None
    if contest.champion:
        refitted = predictions[contest.champion.recipe.label]
        champion = Side(
            refitted, _champion_half_widths(contest.champion.recipe, contest, history, training, progress)
        )
        age = _age(
            contest.champion, history=history, windows=windows, refitted=refitted, actuals=actuals,
            metric=training.metric, enough=policy.refresh.clean_origins,
        )  # fmt: skip
    setting = _setting(panel, windows, training, lower, contest.key_columns)
    return Refitted(
        contest=contest,
        training=training,
        policy=policy,
        actuals=actuals,
        predictions={BASELINE.label: actuals.naive, **predictions},
        champion=champion,
        age=age,
        setting=setting,
        simple=tuple(simple),
        drift=_drift(panel, windows, champion, actuals) if champion else None,
    )


def _drift(panel: Panel, windows: Windows, champion: Side, actuals: Actuals) -> Drift | None:
    """How the newest window differs from earlier ones, by the champion's forecasts; None where there are none."""
    *origins, newest = windows.origins
    earlier = [place for place, origin in enumerate(origins) if origin + windows.horizon <= newest]
    if not earlier:
        return None
    usable = actuals.usable
    known, made = actuals.scored(champion.predictions)
    errors = np.abs(made - known.values).mean(axis=2)[:, [*earlier, len(origins)]]
    coverage = covered(made, known, champion.half_widths[LEVELS.index(JUDGED)]) if champion.half_widths else None
    values = panel.values[usable, : newest + windows.horizon]
    return drift_of(values, windows.horizon, panel.calendar.season, errors, coverage)


def proposal_of(refitted: Refitted) -> tuple[Proposal, str]:
    """Whom to judge, and why it is not what training has chosen; the reason is empty where it is.

    Where a fitted recipe loses to the simple one that training would have chosen without it, that one is proposed.
    Without a champion, so is a fallback that keeps the floor; as the last is the baseline, there is a first model.
    """
    first, *others = refitted.contest.proposals
    proposed, why = first, ""
    if (
        others
        and not parameter_free(first.recipe)
        and refitted.error(others[0].recipe) < refitted.error(first.recipe)
    ):
        proposed = others.pop(0)
        why = f"{first.recipe.label}, which training has chosen, loses to {proposed.recipe.label} on these windows"
    limit = refitted.policy.floor * refitted.error(BASELINE)
    if refitted.contest.champion is None and refitted.error(proposed.recipe) > limit:
        for other in others:
            if refitted.error(other.recipe) <= limit:
                return other, f"{first.recipe.label}, which training has chosen, is not below the floor"
    return proposed, why


def simple_candidates(challenger: Recipe, training: Training, calendar: Calendar, steps: int) -> list[Recipe]:
    """The parameter-free candidates that a fitted challenger should beat, if so many steps are enough for them."""
    if parameter_free(challenger):
        return []
    season, horizon = training.season, training.horizon
    return [
        recipe
        for recipe in recipes_of(training)
        if parameter_free(recipe) and days_needed(recipe, season, horizon, calendar) <= steps
    ]


def _champion_half_widths(
    champion: Recipe, contest: Contest, history: History, training: Training, progress: Progress
) -> tuple[HalfWidth, ...]:
    """Intervals of the champion's recipe, calibrated on the windows that the challenger's were calibrated on."""
    if not contest.half_widths:
        return ()
    for proposal in contest.proposals:
        if champion == proposal.recipe:
            return proposal.half_widths
    rule = training.selection
    known = history.until(history.days - rule.held_back)
    last = known.days - training.horizon
    windows = Windows(tuple(range(last - (rule.origins - 1) * rule.step, last + 1, rule.step)), training.horizon)
    try:
        made = backtest(known, [champion], windows, progress)[champion.label]
        return half_widths_of(made, actuals_of(known, windows), windows.places(known.calendar))
    except ValueError:
        return ()  # the champion's recipe has no earlier windows to be calibrated on: intervals are not compared


def _age(
    model: FittedModel,
    *,
    history: History,
    windows: Windows,
    refitted: Array,
    actuals: Actuals,
    metric: str,
    enough: int,
) -> Age:
    """Score the frozen model on the origins after its cutoff, never on one that its fit has seen.

    refitted: the forecasts of the champion's recipe. enough: clean origins below which no comparison is reported.
    """
    free = parameter_free(model.recipe)
    seen = history.calendar.between(history.first, model.cutoff)  # index of the last step that the fit has seen
    clean = [index for index, origin in enumerate(windows.origins) if origin > seen]
    days = (history.cutoff - model.cutoff).days
    if free or len(clean) < enough:
        return Age(days, len(clean), None, free)
    try:
        models = [update(model, history.until(windows.origins[index])) for index in clean]
    except ValueError:
        return Age(days, len(clean), None, free)
    frozen = np.stack([forecast(old, windows.horizon) for old in models], axis=1)
    ours = score(frozen, actuals.since(clean[0])).value(metric)
    recipe = score(refitted[:, clean[0] :], actuals.since(clean[0])).value(metric)
    return Age(days, len(clean), ours / recipe - 1 if recipe else None, free)


def _setting(
    panel: Panel, windows: Windows, training: Training, lower: float | None, columns: tuple[str, ...]
) -> Setting:
    dates = panel.calendar.dates(panel.first, np.array(windows.origins)[:, None] + np.arange(windows.horizon))
    groups = {}
    for place, column in enumerate(columns):
        groups[column] = [key.split(KEY_SEPARATOR)[place] for key in panel.keys]
    highest = np.maximum.accumulate(panel.values, axis=1)[:, np.array(windows.origins) - 1]
    days = dates.astype(np.int64)  # since 1970-01-01
    return Setting(training.metric, days, training.season, highest, lower, groups, panel.calendar)
