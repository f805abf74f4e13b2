"""Rolling-origin backtest: every recipe is refitted at every origin on the days before it, and on no others.

Source of the windows and of the rule that picks a recipe: Hyndman and Athanasopoulos, Forecasting: Principles
and Practice, 3rd ed., 5.10; simplest first, because a fitted model must earn its upkeep.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .candidates import KINDS, YARDSTICK, Array, History, Recipe, days_needed, fit, forecast, make_recipe
from .errors import HistoryError, RefusedError, UsageError
from .metrics import Metrics, in_sample_scale, score
from .problem import Training
from .series import Series


@dataclass(frozen=True)
class Windows:
    """Forecast windows. origins: index of the first forecast day of each; horizon: days of each."""

    origins: tuple[int, ...]
    horizon: int

    @property
    def first_day(self) -> int:
        """Index of the earliest day that is forecast."""
        return self.origins[0]

    @property
    def last_day(self) -> int:
        """Index of the latest day that is forecast."""
        return self.origins[-1] + self.horizon - 1


@dataclass(frozen=True)
class Plan:
    """How many origins, how many days apart, and how many days at the end stay out of sight."""

    origins: int
    step: int
    held_back: int = 0


@dataclass(frozen=True)
class Choice:
    """The recipe that training chose, the windows it was chosen on and what every recipe scored there."""

    recipe: Recipe
    windows: Windows
    scores: dict[str, Metrics]
    why: str


def yardstick() -> Recipe:
    """The seasonal naive forecast, which scales every metric and is never a challenger."""
    return make_recipe(YARDSTICK, {})


def last_windows(series: Series, recipes: Sequence[Recipe], training: Training, plan: Plan) -> Windows:
    """The last windows before the days held back; all recipes see the same ones.

    Raises: HistoryError where the earliest origin leaves a recipe too little history. Windows are never
    dropped in silence: fewer origins would be another comparison.
    """
    days, season, horizon = len(series.values), training.season, training.horizon
    last = days - plan.held_back - horizon
    first = last - (plan.origins - 1) * plan.step
    needed = max(days_needed(recipe, season, horizon) for recipe in recipes)
    needed = max(needed, season + 1)
    if first < needed:
        raise HistoryError(
            f"The series has {days} days from {series.first} to {series.last}. "
            f"{plan.origins} origins {plan.step} days apart with a horizon of {horizon} days and "
            f"{plan.held_back} days held back need {days - first + needed}: "
            f"{needed} of history before the first origin. Deliver more days or ask for fewer origins."
        )
    return Windows(tuple(range(first, last + 1, plan.step)), horizon)


def backtest(series: Series, recipes: Sequence[Recipe], windows: Windows, season: int) -> dict[str, Metrics]:
    """Score recipes on the same windows; the yardstick is always among the answers. Keys are recipe labels."""
    values, horizon = series.values, windows.horizon
    actuals = np.stack([values[origin : origin + horizon] for origin in windows.origins])
    scales = np.array([in_sample_scale(values[:origin], season) for origin in windows.origins])
    reference = _forecasts(series, yardstick(), windows, season)
    scores = {yardstick().label: score(reference, actuals, scales, reference)}
    for recipe in recipes:
        if recipe.label not in scores:
            made = _forecasts(series, recipe, windows, season)
            scores[recipe.label] = score(made, actuals, scales, reference)
    return scores


def _forecasts(series: Series, recipe: Recipe, windows: Windows, season: int) -> Array:
    """Forecasts of one recipe, shape (origins, horizon)."""
    made = []
    for origin in windows.origins:
        history = History(series.values[:origin], series.day(origin - 1), season, windows.horizon)
        made.append(forecast(fit(recipe, history), windows.horizon))
    return np.stack(made)


def choose(series: Series, training: Training) -> Choice:
    """Choose a recipe on windows that end before the days held back for the gate.

    Simplest first: the best parameter-free recipe is chosen unless a fitted one beats it by the margin.
    Raises: UsageError (a recipe of the problem file), HistoryError, RefusedError (a score is not finite).
    """
    recipes = [_recipe_of(candidate.recipe, candidate.parameters) for candidate in training.candidates]
    rule = training.selection
    windows = last_windows(series, recipes, training, Plan(rule.origins, rule.step, rule.held_back))
    scores = backtest(series, recipes, windows, training.season)
    wild = [label for label, metrics in scores.items() if metrics.not_finite()]
    if wild:
        raise RefusedError(
            f"The backtest of {', '.join(wild)} gives a metric that is not finite. Expected a series that varies "
            f"from week to week between {series.day(windows.first_day)} and {series.day(windows.last_day)}."
        )
    recipe, why = _simplest_first(recipes, scores, rule.margin)
    return Choice(recipe, windows, scores, why)


def _recipe_of(name: str, parameters: dict[str, float]) -> Recipe:
    try:
        recipe = make_recipe(name, parameters)
    except ValueError as mistake:
        raise UsageError(f"training.candidates: {mistake}.") from None
    if recipe.name == YARDSTICK:
        raise UsageError(f"training.candidates: {YARDSTICK} is the yardstick of every backtest; remove it.")
    return recipe


def _simplest_first(recipes: list[Recipe], scores: dict[str, Metrics], margin: float) -> tuple[Recipe, str]:
    def best(parameter_free: bool) -> Recipe | None:
        group = [recipe for recipe in recipes if KINDS[recipe.name].parameter_free == parameter_free]
        return min(group, key=lambda recipe: scores[recipe.label].mae, default=None)

    simple, fitted = best(parameter_free=True), best(parameter_free=False)
    if fitted is None or simple is None:
        only = simple or fitted
        assert only is not None  # noqa: S101 - the problem file is refused when it lists no candidate
        return only, f"{only.label} has the smallest MAE"
    gain = 1 - scores[fitted.label].mae / scores[simple.label].mae if scores[simple.label].mae else 0.0
    if gain >= margin:
        return fitted, f"{fitted.label} beats {simple.label} by {gain:.1%}, at least {margin:.1%}"
    return simple, f"{fitted.label} does not beat {simple.label} by {margin:.1%} (gain {gain:.1%})"
