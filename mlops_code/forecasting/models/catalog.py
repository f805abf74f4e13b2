"""The recipes a model can be made by, under the names that a problem file uses, and what can be done with them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np

from forecasting.calendars import Calendar
from forecasting.known import Known
from forecasting.models.arima import Arima202
from forecasting.models.baselines import LastYear, SamePlaceMean, WindowMean
from forecasting.models.boosting import BoostingDirect
from forecasting.models.combination import Combination
from forecasting.models.recipe import Array, FittedModel, History, Recipe, RecipeFamily, family_of
from forecasting.models.ridge import RidgeDirect
from forecasting.models.smoothing import ExponentialSmoothing, HoltWinters

BASELINE = Recipe("seasonal_naive")
"""What scales every metric and is never a challenger."""

FAMILIES: dict[str, RecipeFamily] = {
    "seasonal_naive": SamePlaceMean(counted=None),
    "same_weekday_mean": SamePlaceMean(),
    "season_mean": SamePlaceMean(counted="seasons"),
    "window_mean": WindowMean(),
    "last_year": LastYear(),
    "exponential_smoothing": ExponentialSmoothing(),
    "holt_winters": HoltWinters(),
    "ridge_direct": RidgeDirect(),
    "histgb_direct": BoostingDirect(),
    "arima_202": Arima202(),
}
COMBINATIONS = {"mean_of": Combination(FAMILIES, np.mean, 2), "median_of": Combination(FAMILIES, np.median, 3)}
FAMILIES.update(COMBINATIONS)


def make_recipe(name: str, parameters: Mapping[str, float], parts: Sequence[Recipe] = ()) -> Recipe:
    """Return a recipe that can be fitted. Raises: ValueError (unknown name, missing or wild parameter)."""
    recipe = Recipe(name, dict(parameters), tuple(parts))
    family_of(FAMILIES, recipe).check(recipe)
    return recipe


def parameter_free(recipe: Recipe) -> bool:
    """Whether the recipe estimates nothing."""
    return FAMILIES[recipe.name].parameter_free(recipe)


def learns(recipe: Recipe) -> frozenset[str]:
    """Which kinds of patterns (`SEASON`, `TREND`, ... of recipe.py) the recipe can extrapolate."""
    return FAMILIES[recipe.name].learns(recipe)


def combined(recipe: Recipe, forecasts: Sequence[Array]) -> Array:
    """The forecasts of a recipe's parts as the recipe's own."""
    return COMBINATIONS[recipe.name].combined(forecasts)


def days_needed(recipe: Recipe, season: int, horizon: int, calendar: Calendar) -> int:
    """Steps of history that a fit of the recipe needs."""
    return FAMILIES[recipe.name].days_needed(recipe, season, horizon, calendar)


def fits(recipe: Recipe, history: History, cutoffs: Sequence[int]) -> Iterator[FittedModel]:
    """One model for each cutoff, a number of steps, ascending; each sees the steps before its cutoff only.

    Raises: ValueError (fewer steps than the recipe needs), UsageError (the recipe needs an extra).
    """
    calendar = history.calendar
    needed = days_needed(recipe, history.season, history.horizon, calendar)
    if cutoffs[0] < needed:
        raise ValueError(f"{recipe.label} needs {calendar.count(needed)} of history, found {cutoffs[0]}")
    keys = tuple(str(number) for number in range(len(history.values)))
    for days, arrays in zip(cutoffs, FAMILIES[recipe.name].fits(recipe, history, cutoffs), strict=True):
        seen = history.until(days)
        yield FittedModel(
            recipe, history.season, seen.cutoff, keys, arrays, history.lower, calendar=calendar, known=seen.known
        )


def fit(recipe: Recipe, history: History, keys: Sequence[str] = ()) -> FittedModel:
    """Fit a recipe on the whole history. keys: names of the series. Raises: as `fits`."""
    (model,) = fits(recipe, history, [history.days])
    return replace(model, keys=tuple(keys) or model.keys, known=_seen(recipe, history))


def update(model: FittedModel, history: History, keys: Sequence[str] = ()) -> FittedModel:
    """The same parameters with another history; the number of series may differ for a global model.

    Raises: ValueError (too little history; parameters that belong to other series).
    """
    needed = days_needed(model.recipe, model.season, 0, model.calendar)
    if history.days < needed:
        raise ValueError(
            f"{model.recipe.label} needs {model.calendar.count(needed)} of history, found {history.days}"
        )
    arrays = FAMILIES[model.recipe.name].update(model.recipe, model.arrays, history)
    return replace(
        model,
        cutoff=history.cutoff,
        keys=tuple(keys) or model.keys,
        arrays=arrays,
        intervals=None,
        known=_seen(model.recipe, history),
    )


def _seen(recipe: Recipe, history: History) -> Known | None:
    """What is known in advance, without the steps that the recipe does not look at."""
    needed = days_needed(recipe, history.season, 0, history.calendar)
    return history.known.last(needed) if history.known else None


def forecast(model: FittedModel, horizon: int) -> Array:
    """Forecast the steps after the cutoff: shape (series, horizon), unit of the series."""
    return FAMILIES[model.recipe.name].forecast(model, horizon)


def demand_sound(model: FittedModel) -> None:
    """Raises: ValueError where arrays of the right shape cannot come from a fit."""
    FAMILIES[model.recipe.name].demand_sound(model)
