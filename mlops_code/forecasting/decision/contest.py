"""Who is compared: all are refitted at the same origins and scored on the same windows.

Two different objects are told apart. A *recipe* is refitted at every origin and can be scored on any window; recipes
decide. A *model*, the registered champion with its parameters frozen, is scored only on origins after its own cutoff,
and only to see whether it has aged.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import numpy as np

from forecasting.data.series import KEY_SEPARATOR, Panel
from forecasting.evaluation.backtest import Windows, actuals_of, backtest, history_of
from forecasting.evaluation.calibration import half_widths_of
from forecasting.evaluation.comparison import Age, Comparison, Setting, Side, compare
from forecasting.evaluation.metrics import Actuals, score
from forecasting.evaluation.selection import recipes_of
from forecasting.models.catalog import forecast, parameter_free, update
from forecasting.models.recipe import Array, FittedModel, History, Recipe
from forecasting.problem.sections import GatePolicy, Training


@dataclass(frozen=True)
class Contest:
    """Who is compared; champion None means that the registry has said so, not that it could not be asked.

    chosen_until: the last day on which training compared recipes; it must lie before the gate's first day.
    half_widths: of the challenger's intervals, calibrated up to that day; empty where it serves none. key_columns: of
    the series. same_data: challenger and champion were trained on the same bytes.
    """

    challenger: Recipe
    champion: FittedModel | None
    chosen_until: date
    half_widths: tuple[float, ...] = ()
    key_columns: tuple[str, ...] = ()
    same_data: bool = False


def recipes_in(contest: Contest, training: Training) -> list[Recipe]:
    """Everything that is refitted beside the baseline."""
    champion = [contest.champion.recipe] if contest.champion else []
    return [contest.challenger, *champion, *_simple(contest.challenger, training)]


def refit(
    panel: Panel, windows: Windows, contest: Contest, *, training: Training, policy: GatePolicy, lower: float | None
) -> tuple[Comparison, Actuals, dict[str, Array]]:
    """Refit everybody at the same origins and compare. lower: bound of the values.

    Returns also the actual values and all predictions by the label of their recipe.
    Raises: ValueError, ArithmeticError (a fit is impossible), UsageError (a recipe needs an extra).
    """
    history = history_of(panel, training, lower)
    actuals, predictions = actuals_of(history, windows), backtest(history, recipes_in(contest, training), windows)
    age, champion = None, None
    if contest.champion:
        refitted = predictions[contest.champion.recipe.label]
        champion = Side(refitted, _champion_half_widths(contest.champion.recipe, contest, history, training))
        age = _age(
            contest.champion, history=history, windows=windows, refitted=refitted, actuals=actuals,
            metric=training.metric, enough=policy.refresh.clean_origins,
        )  # fmt: skip
    comparison = compare(
        actuals,
        challenger=Side(predictions[contest.challenger.label], contest.half_widths),
        champion=champion,
        simple={recipe.label: predictions[recipe.label] for recipe in _simple(contest.challenger, training)},
        setting=_setting(panel, windows, training, lower, contest.key_columns),
        policy=policy,
        age=age,
    )
    return comparison, actuals, predictions


def _simple(challenger: Recipe, training: Training) -> list[Recipe]:
    """The parameter-free candidates of the problem, which a fitted challenger must beat."""
    if parameter_free(challenger):
        return []
    return [recipe for recipe in recipes_of(training) if parameter_free(recipe)]


def _champion_half_widths(
    champion: Recipe, contest: Contest, history: History, training: Training
) -> tuple[float, ...]:
    """Intervals of the champion's recipe, calibrated on the windows that the challenger's were calibrated on."""
    if not contest.half_widths:
        return ()
    if champion == contest.challenger:
        return contest.half_widths
    rule = training.selection
    known = history.until(history.days - rule.held_back)
    last = known.days - training.horizon
    windows = Windows(tuple(range(last - (rule.origins - 1) * rule.step, last + 1, rule.step)), training.horizon)
    try:
        return half_widths_of(backtest(known, [champion], windows)[champion.label], actuals_of(known, windows))
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
    part = slice(clean[0], None)
    frozen = np.stack([forecast(old, windows.horizon) for old in models], axis=1)
    ours = score(frozen, actuals.origins(part)).value(metric)
    recipe = score(refitted[:, part], actuals.origins(part)).value(metric)
    return Age(days, len(clean), ours / recipe - 1 if recipe else None, free)


def _setting(
    panel: Panel, windows: Windows, training: Training, lower: float | None, columns: tuple[str, ...]
) -> Setting:
    dates = panel.calendar.dates(panel.first, np.array(windows.origins)[:, None] + np.arange(windows.horizon))
    groups = {}
    for place, column in enumerate(columns):
        groups[column] = [key.split(KEY_SEPARATOR)[place] for key in panel.keys]
    highest = panel.values[:, : windows.first_day].max(axis=1)
    days = dates.astype(np.int64)  # since 1970-01-01
    return Setting(training.metric, days, training.season, highest, lower, groups, panel.calendar)
