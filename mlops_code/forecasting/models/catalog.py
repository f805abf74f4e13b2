"""The recipes a model can be made by, under the names that a problem file uses, and what can be done with them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date, timedelta

import numpy as np

from forecasting.models.arima import Arima202
from forecasting.models.baselines import SameWeekdayMean, WindowMean
from forecasting.models.boosting import BoostingDirect, demand_forest
from forecasting.models.recipe import Array, FittedModel, History, Kind, Recipe, Shapes
from forecasting.models.ridge import RidgeDirect

MAX_PARTS = 5


class MeanOf:
    """The mean of other recipes' forecasts: the safest way to use a fitted one."""

    def parameter_free(self, recipe: Recipe) -> bool:
        return all(parameter_free(part) for part in recipe.parts)

    def check(self, recipe: Recipe) -> None:
        if recipe.parameters or not 2 <= len(recipe.parts) <= MAX_PARTS:
            raise ValueError(f"{recipe.name}: expected a list `of` with 2 to {MAX_PARTS} recipes and nothing else")
        if any(part.parts for part in recipe.parts):
            raise ValueError(f"{recipe.name}: expected recipes that are no means of recipes themselves")
        for part in recipe.parts:
            check(part)

    def days_needed(self, recipe: Recipe, season: int, horizon: int) -> int:
        return max(days_needed(part, season, horizon) for part in recipe.parts)

    def shapes(self, recipe: Recipe, season: int, series: int) -> Shapes:
        return {
            f"{number}.{name}": shape
            for number, part in enumerate(recipe.parts)
            for name, shape in KINDS[part.name].shapes(part, season, series).items()
        }

    def fits(self, recipe: Recipe, history: History, cutoffs: Sequence[int]) -> Iterator[dict[str, Array]]:
        for fitted in zip(*(KINDS[part.name].fits(part, history, cutoffs) for part in recipe.parts), strict=True):
            yield _joined(fitted)

    def update(self, recipe: Recipe, arrays: Mapping[str, Array], history: History) -> dict[str, Array]:
        return _joined(
            [
                KINDS[part.name].update(part, of, history)
                for part, of in zip(recipe.parts, _split(arrays), strict=True)
            ]
        )

    def forecast(self, model: FittedModel, horizon: int) -> Array:
        return np.asarray(np.mean([forecast(part, horizon) for part in parts_of(model)], axis=0))


YARDSTICK = "seasonal_naive"
KINDS: dict[str, Kind] = {
    YARDSTICK: SameWeekdayMean(fixed_weeks=1),
    "same_weekday_mean": SameWeekdayMean(),
    "window_mean": WindowMean(),
    "ridge_direct": RidgeDirect(),
    "histgb_direct": BoostingDirect(),
    "mean_of": MeanOf(),
    "arima_202": Arima202(),
}


def make_recipe(name: str, parameters: Mapping[str, float], parts: Sequence[Recipe] = ()) -> Recipe:
    """Return a recipe that can be fitted. Raises: ValueError (unknown name, missing or wild parameter)."""
    recipe = Recipe(name, dict(parameters), tuple(parts))
    check(recipe)
    return recipe


def check(recipe: Recipe) -> None:
    """Raises: ValueError (unknown name, missing or wild parameter)."""
    if recipe.name not in KINDS:
        raise ValueError(f"recipe {recipe.name!r} is unknown, expected one of {', '.join(KINDS)}")
    KINDS[recipe.name].check(recipe)


def parameter_free(recipe: Recipe) -> bool:
    """Whether the recipe estimates nothing."""
    return KINDS[recipe.name].parameter_free(recipe)


def days_needed(recipe: Recipe, season: int, horizon: int) -> int:
    """Days of history that a fit of the recipe needs."""
    return KINDS[recipe.name].days_needed(recipe, season, horizon)


def fits(recipe: Recipe, history: History, cutoffs: Sequence[int]) -> Iterator[FittedModel]:
    """One model for each cutoff, a number of days, ascending; each sees the days before its cutoff only.

    Raises: ValueError (fewer days than the recipe needs), UsageError (the recipe needs an extra).
    """
    needed = days_needed(recipe, history.season, history.horizon)
    if cutoffs[0] < needed:
        raise ValueError(f"{recipe.label} needs {needed} days of history, found {cutoffs[0]}")
    keys = tuple(str(number) for number in range(len(history.values)))
    for days, arrays in zip(cutoffs, KINDS[recipe.name].fits(recipe, history, cutoffs), strict=True):
        cutoff = history.until(days).cutoff
        yield FittedModel(recipe, history.season, cutoff, keys, arrays, history.lower)


def fit(recipe: Recipe, history: History, keys: Sequence[str] = ()) -> FittedModel:
    """Fit a recipe on the whole history. keys: names of the series. Raises: as `fits`."""
    (model,) = fits(recipe, history, [history.days])
    return FittedModel(recipe, model.season, model.cutoff, tuple(keys) or model.keys, model.arrays, model.lower)


def update(model: FittedModel, history: History, keys: Sequence[str] = ()) -> FittedModel:
    """The same parameters with another history; the number of series may differ for a global model.

    Raises: ValueError (too little history; parameters that belong to other series).
    """
    needed = days_needed(model.recipe, model.season, 0)
    if history.days < needed:
        raise ValueError(f"{model.recipe.label} needs {needed} days of history, found {history.days}")
    arrays = KINDS[model.recipe.name].update(model.recipe, model.arrays, history)
    return FittedModel(model.recipe, model.season, history.cutoff, tuple(keys) or model.keys, arrays, model.lower)


def forecast(model: FittedModel, horizon: int) -> Array:
    """Forecast the days after the cutoff: shape (series, horizon), unit of the series."""
    return KINDS[model.recipe.name].forecast(model, horizon)


def dated_forecast(model: FittedModel, horizon: int, key: str | None = None) -> list[tuple[date, float]]:
    """Forecast of one series as (day, value) pairs; key may be left out where there is only one.

    Raises: ValueError where a value is not finite or the series is unknown.
    """
    if (key is None and len(model.keys) != 1) or (key is not None and key not in model.keys):
        raise ValueError(f"series {key!r} is unknown; the model has {len(model.keys)}, such as {model.keys[0]}")
    values = forecast(model, horizon)[0 if key is None else model.keys.index(key)]
    if not np.isfinite(values).all():
        raise ValueError("the model forecasts a value that is not finite")
    return [(model.cutoff + timedelta(days=ahead), float(value)) for ahead, value in enumerate(values, 1)]


def parts_of(model: FittedModel) -> list[FittedModel]:
    """The models whose forecasts a mean_of averages."""
    return [
        FittedModel(part, model.season, model.cutoff, model.keys, arrays, model.lower)
        for part, arrays in zip(model.recipe.parts, _split(model.arrays), strict=True)
    ]


def demand_sound(model: FittedModel) -> None:
    """Raises: ValueError where arrays of the right shape cannot come from a fit."""
    if model.recipe.name == "histgb_direct":
        demand_forest(model.recipe, model.arrays)
    for part in parts_of(model) if model.recipe.parts else ():
        demand_sound(part)


def _joined(parts: Sequence[Mapping[str, Array]]) -> dict[str, Array]:
    return {f"{number}.{name}": array for number, arrays in enumerate(parts) for name, array in arrays.items()}


def _split(arrays: Mapping[str, Array]) -> list[dict[str, Array]]:
    parts: dict[int, dict[str, Array]] = {}
    for name, array in arrays.items():
        number, _, inner = name.partition(".")
        parts.setdefault(int(number), {})[inner] = array
    return [parts[number] for number in sorted(parts)]
