"""Choose a recipe on windows that end before the gate's: the judge must not have seen the choice being made.

Simplest first, because a fitted model must earn its upkeep.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from forecasting.data.series import Panel
from forecasting.errors import RefusedError, UsageError
from forecasting.evaluation.backtest import (
    Plan,
    Windows,
    actuals_of,
    backtest,
    history_of,
    last_windows,
)
from forecasting.evaluation.calibration import half_widths_of, served_intervals
from forecasting.evaluation.metrics import Metrics, scales_of, score
from forecasting.models.catalog import BASELINE, fit, make_recipe, parameter_free
from forecasting.models.recipe import FittedModel, Recipe
from forecasting.problem.sections import Candidate, Training


@dataclass(frozen=True)
class Choice:
    """The recipe that training chose, the windows it was chosen on and what every recipe scored there.

    half_widths: of its prediction intervals, calibrated on the same windows; unusable: series too constant to score.
    """

    recipe: Recipe
    windows: Windows
    scores: Mapping[str, Metrics]
    why: str
    half_widths: tuple[float, ...]
    unusable: int


def recipes_of(training: Training) -> list[Recipe]:
    """The candidates of a problem as recipes. Raises: UsageError (unknown recipe, wild parameter, the baseline)."""
    recipes = [_recipe_of(candidate) for candidate in training.candidates]
    if any(recipe.name == BASELINE.name for recipe in recipes):
        raise UsageError(f"training.candidates: {BASELINE.name} is the baseline of every backtest; remove it.")
    return recipes


def choose(panel: Panel, training: Training, lower: float | None) -> Choice:
    """Choose a recipe on windows that end before the days held back for the gate.

    The best parameter-free recipe is chosen unless a fitted one beats it by the margin. lower: bound of the values.
    Raises: UsageError (a recipe of the problem file), HistoryError, RefusedError (a score is not finite).
    """
    recipes, rule = recipes_of(training), training.selection
    windows = last_windows(panel, recipes, training, Plan(rule.origins, rule.step, rule.held_back))
    history = history_of(panel, training, lower)
    actuals = actuals_of(history, windows)
    predictions = {BASELINE.label: actuals.naive, **backtest(history, recipes, windows)}
    scores = {label: score(forecasts, actuals) for label, forecasts in predictions.items()}
    wild = [label for label, metrics in scores.items() if metrics.not_finite()]
    if wild:
        raise RefusedError(
            f"The backtest of {', '.join(wild)} gives a metric that is not finite. Expected a series that varies "
            f"from week to week between {panel.day(windows.first_day)} and {panel.day(windows.last_day)}."
        )
    recipe, why = _simplest_first(recipes, scores, training.metric, rule.margin)
    unusable = int((~actuals.usable).sum())
    return Choice(recipe, windows, scores, why, half_widths_of(predictions[recipe.label], actuals), unusable)


def fit_choice(panel: Panel, training: Training, choice: Choice, lower: float | None) -> FittedModel:
    """Fit the chosen recipe on the whole panel and give it its intervals."""
    model = fit(choice.recipe, history_of(panel, training, lower), panel.keys)
    scales, _ = scales_of(panel.values, (panel.days,), training.season)
    intervals = served_intervals(choice.half_widths, scales[:, 0])
    return replace(model, intervals=intervals)


def _recipe_of(candidate: Candidate) -> Recipe:
    try:
        return make_recipe(candidate.recipe, candidate.parameters, [_recipe_of(part) for part in candidate.of])
    except ValueError as mistake:
        raise UsageError(f"training.candidates: {mistake}.") from None


def _simplest_first(
    recipes: Sequence[Recipe], scores: Mapping[str, Metrics], metric: str, margin: float
) -> tuple[Recipe, str]:
    def error(recipe: Recipe) -> float:
        return scores[recipe.label].value(metric)

    def best(free: bool) -> Recipe | None:
        return min((recipe for recipe in recipes if parameter_free(recipe) == free), key=error, default=None)

    simple, fitted = best(free=True), best(free=False)
    if fitted is None or simple is None:
        only = simple or fitted
        assert only is not None  # noqa: S101 - the problem file is refused when it lists no candidate
        return only, f"{only.label} has the smallest {metric.upper()}"
    gain = 1 - error(fitted) / error(simple) if error(simple) else 0.0
    if gain >= margin:
        return fitted, f"{fitted.label} beats {simple.label} by {gain:.1%}, at least {margin:.1%}"
    return simple, f"{fitted.label} does not beat {simple.label} by {margin:.1%} (gain {gain:.1%})"
