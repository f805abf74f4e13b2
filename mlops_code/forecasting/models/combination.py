"""The mean or the median of other recipes' forecasts: the safest way to use a fitted one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Protocol, TypeVar

import numpy as np

from forecasting.calendars import Calendar
from forecasting.models.recipe import Array, FittedModel, History, Recipe, RecipeFamily, Shapes, family_of

MAX_PARTS = 5
_T = TypeVar("_T")


class Statistic(Protocol):
    """`numpy.mean` or `numpy.median`."""

    def __call__(self, forecasts: Sequence[Array], /, *, axis: int) -> Array: ...


class Combination(RecipeFamily):
    """families: the catalog, which knows the parts. Arrays are named by part: 0.profile, 1.weights.

    statistic: what is taken of the forecasts; fewest: parts that it needs.
    """

    def __init__(self, families: Mapping[str, RecipeFamily], statistic: Statistic, fewest: int) -> None:
        self._families = families
        self._statistic = statistic
        self._fewest = fewest

    def combined(self, forecasts: Sequence[Array]) -> Array:
        """The forecasts of the parts as one."""
        return np.asarray(self._statistic(forecasts, axis=0))

    def parameter_free(self, recipe: Recipe) -> bool:
        return all(family_of(self._families, part).parameter_free(part) for part in recipe.parts)

    def serves_others(self, recipe: Recipe) -> bool:
        return all(family_of(self._families, part).serves_others(part) for part in recipe.parts)

    def learns(self, recipe: Recipe) -> frozenset[str]:
        return frozenset().union(*(family_of(self._families, part).learns(part) for part in recipe.parts))

    def check(self, recipe: Recipe) -> None:
        if recipe.parameters or not self._fewest <= len(recipe.parts) <= MAX_PARTS:
            expected = f"a list `of` with {self._fewest} to {MAX_PARTS} recipes and nothing else"
            raise ValueError(f"{recipe.name}: expected {expected}")
        if any(part.parts for part in recipe.parts):
            raise ValueError(f"{recipe.name}: expected recipes that are not means or medians of recipes themselves")
        for part in recipe.parts:
            family_of(self._families, part).check(part)

    def days_needed(self, recipe: Recipe, season: int, horizon: int, calendar: Calendar) -> int:
        parts = recipe.parts
        return max(family_of(self._families, part).days_needed(part, season, horizon, calendar) for part in parts)

    def shapes(self, recipe: Recipe, season: int, series: int, calendar: Calendar) -> Shapes:
        parts = recipe.parts
        return _joined([family_of(self._families, part).shapes(part, season, series, calendar) for part in parts])

    def fits(self, recipe: Recipe, history: History, cutoffs: Sequence[int]) -> Iterator[dict[str, Array]]:
        for fitted in zip(
            *(family_of(self._families, part).fits(part, history, cutoffs) for part in recipe.parts), strict=True
        ):
            yield _joined(fitted)

    def update(self, recipe: Recipe, arrays: Mapping[str, Array], history: History) -> dict[str, Array]:
        parts = zip(recipe.parts, _split(arrays), strict=True)
        return _joined([family_of(self._families, part).update(part, own, history) for part, own in parts])

    def forecast(self, model: FittedModel, horizon: int) -> Array:
        return self.combined(
            [family_of(self._families, part.recipe).forecast(part, horizon) for part in _parts(model)]
        )

    def demand_sound(self, model: FittedModel) -> None:
        for part in _parts(model):
            family_of(self._families, part.recipe).demand_sound(part)


def _parts(model: FittedModel) -> list[FittedModel]:
    """Each part as a model of its own."""
    parts = zip(model.recipe.parts, _split(model.arrays), strict=True)
    return [replace(model, recipe=part, arrays=arrays, intervals=None) for part, arrays in parts]


def _joined(parts: Sequence[Mapping[str, _T]]) -> dict[str, _T]:
    return {f"{number}.{name}": value for number, values in enumerate(parts) for name, value in values.items()}


def _split(arrays: Mapping[str, Array]) -> list[dict[str, Array]]:
    parts: dict[int, dict[str, Array]] = {}
    for name, array in arrays.items():
        number, _, inner = name.partition(".")
        parts.setdefault(int(number), {})[inner] = array
    return [parts[number] for number in sorted(parts)]
