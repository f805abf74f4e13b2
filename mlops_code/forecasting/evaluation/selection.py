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
    Progress,
    Windows,
    actuals_of,
    backtest,
    history_of,
    last_windows,
    silent,
)
from forecasting.evaluation.calibration import half_widths_of, served_intervals
from forecasting.evaluation.metrics import Metrics, scales_of, score
from forecasting.models.catalog import BASELINE, fit, make_recipe, parameter_free
from forecasting.models.recipe import FittedModel, HalfWidth, Recipe
from forecasting.problem.sections import Candidate, Training

FALLBACKS = ("fallback_1.", "fallback_2.")
"""What the files of a candidate begin with that hold what is proposed where its model loses, simplest last."""


@dataclass(frozen=True)
class Proposal:
    """A recipe that may serve. half_widths: of its intervals, calibrated on the windows that training chose on; empty
    where it serves none.
    """

    recipe: Recipe
    half_widths: tuple[HalfWidth, ...] = ()


@dataclass(frozen=True)
class Choice:
    """The recipe that training chose, the windows it was chosen on and what every recipe scored there.

    half_widths: of its prediction intervals, calibrated on the same windows; unusable: series too constant to score.
    fallbacks: the best recipe that estimates nothing, where a fitted one is chosen, and the baseline.
    """

    recipe: Recipe
    windows: Windows
    scores: Mapping[str, Metrics]
    why: str
    half_widths: tuple[HalfWidth, ...]
    unusable: int
    fallbacks: tuple[Proposal, ...]


def recipes_of(training: Training) -> list[Recipe]:
    """The candidates of a problem as recipes; the baseline may be chosen without being one of them.

    Raises: UsageError (unknown recipe, wild parameter).
    """
    recipes = [_recipe_of(candidate) for candidate in training.candidates]
    return [recipe for recipe in recipes if recipe != BASELINE] or [BASELINE]


def choose(panel: Panel, training: Training, lower: float | None, progress: Progress = silent) -> Choice:
    """Choose a recipe on windows that end before the days held back for the gate.

    The best parameter-free recipe, which may be the baseline, is chosen unless a fitted one beats it by the margin.
    lower: bound of the values. progress: called for each fit. Raises: UsageError (a recipe of the problem file),
    HistoryError, RefusedError (a score is not finite).
    """
    recipes, rule = recipes_of(training), training.selection
    windows = last_windows(panel, recipes, training, Plan(rule.origins, rule.step, rule.held_back))
    history = history_of(panel, training, lower)
    actuals = actuals_of(history, windows)
    predictions = {BASELINE.label: actuals.naive, **backtest(history, recipes, windows, progress)}
    scores = {label: score(forecasts, actuals) for label, forecasts in predictions.items()}
    wild = [label for label, metrics in scores.items() if metrics.not_finite()]
    if wild:
        raise RefusedError(
            f"The backtest of {', '.join(wild)} gives a metric that is not finite. Expected a series that varies "
            f"from week to week between {panel.day(windows.first_day)} and {panel.day(windows.last_day)}."
        )
    simple, chosen, why = _simplest_first(recipes, scores, training.metric, rule.margin)
    unusable, places = int((~actuals.usable).sum()), windows.places(panel.calendar)

    def proposal(recipe: Recipe) -> Proposal:
        return Proposal(recipe, half_widths_of(predictions[recipe.label], actuals, places))

    simpler = {recipe.label: recipe for recipe in (simple, BASELINE) if recipe != chosen}
    fallbacks = tuple(proposal(recipe) for recipe in simpler.values())
    return Choice(chosen, windows, scores, why, proposal(chosen).half_widths, unusable, fallbacks)


def fit_choice(panel: Panel, training: Training, choice: Choice, lower: float | None) -> FittedModel:
    """Fit the chosen recipe on the whole panel and give it its intervals."""
    return _fitted(panel, training, Proposal(choice.recipe, choice.half_widths), lower)


def fit_fallbacks(panel: Panel, training: Training, choice: Choice, lower: float | None) -> list[FittedModel]:
    """The same for what is proposed where the chosen recipe loses, simplest last."""
    return [_fitted(panel, training, proposal, lower) for proposal in choice.fallbacks]


def _fitted(panel: Panel, training: Training, proposal: Proposal, lower: float | None) -> FittedModel:
    model = fit(proposal.recipe, history_of(panel, training, lower), panel.keys)
    scales, _ = scales_of(panel.values, (panel.days,), training.season)
    return replace(model, intervals=served_intervals(proposal.half_widths, scales[:, 0]))


def _recipe_of(candidate: Candidate) -> Recipe:
    try:
        return make_recipe(candidate.recipe, candidate.parameters, [_recipe_of(part) for part in candidate.of])
    except ValueError as mistake:
        raise UsageError(f"training.candidates: {mistake}.") from None


def _simplest_first(
    recipes: Sequence[Recipe], scores: Mapping[str, Metrics], metric: str, margin: float
) -> tuple[Recipe, Recipe, str]:
    """The best recipe that estimates nothing, the one that is chosen, and why."""

    def error(recipe: Recipe) -> float:
        return scores[recipe.label].value(metric)

    simple = min([*(recipe for recipe in recipes if parameter_free(recipe)), BASELINE], key=error)
    fitted = min((recipe for recipe in recipes if not parameter_free(recipe)), key=error, default=None)
    if fitted is None:
        return simple, simple, f"{simple.label} has the smallest {metric.upper()}"
    gain = 1 - error(fitted) / error(simple) if error(simple) else 0.0
    if gain >= margin:
        return simple, fitted, f"{fitted.label} beats {simple.label} by {gain:.1%}, at least {margin:.1%}"
    return simple, simple, f"{fitted.label} does not beat {simple.label} by {margin:.1%} (gain {gain:.1%})"
