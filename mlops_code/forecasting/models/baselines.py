"""Recipes that estimate nothing: means of recent days. They are legitimate candidates and hard to beat."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from forecasting.calendars import Calendar
from forecasting.models.recipe import (
    SEASON,
    YEAR,
    Array,
    FittedModel,
    History,
    Recipe,
    RecipeFamily,
    Shapes,
    demand_names,
    demand_whole,
    steps_of_year,
)

MAX_WEEKS = 104


class ParameterFree(RecipeFamily):
    """A family that estimates nothing: a fit is a look at the last days."""

    def parameter_free(self, _recipe: Recipe) -> bool:
        return True

    def fits(self, recipe: Recipe, history: History, cutoffs: Sequence[int]) -> Iterator[dict[str, Array]]:
        for days in cutoffs:
            yield self.update(recipe, {}, history.until(days))


class SameWeekdayMean(ParameterFree):
    """The mean of the last weeks at the same place of the season; with one week the seasonal naive forecast."""

    def __init__(self, fixed_weeks: int | None = None) -> None:
        self._fixed_weeks = fixed_weeks

    def learns(self, _recipe: Recipe) -> frozenset[str]:
        return frozenset({SEASON})

    def _weeks(self, recipe: Recipe) -> int:
        return self._fixed_weeks or int(recipe.parameters["weeks"])

    def check(self, recipe: Recipe) -> None:
        demand_names(recipe, () if self._fixed_weeks else ("weeks",))
        if not self._fixed_weeks:
            demand_whole(recipe, "weeks", 1, MAX_WEEKS)

    def days_needed(self, recipe: Recipe, season: int, _horizon: int, _calendar: Calendar) -> int:
        return self._weeks(recipe) * season

    def shapes(self, _recipe: Recipe, season: int, series: int, _calendar: Calendar) -> Shapes:
        return {"profile": (series, season)}

    def update(self, recipe: Recipe, _arrays: Mapping[str, Array], history: History) -> dict[str, Array]:
        weeks, season = self._weeks(recipe), history.season
        recent = history.values[:, history.days - weeks * season :].reshape(-1, weeks, season)
        return {"profile": recent.mean(axis=1)}

    def forecast(self, model: FittedModel, horizon: int) -> Array:
        profile = model.arrays["profile"]
        return profile[:, np.arange(horizon) % model.season]


class WindowMean(ParameterFree):
    """The mean of the last days, the same for every day ahead: strong where most days are zero."""

    def learns(self, _recipe: Recipe) -> frozenset[str]:
        return frozenset()

    def check(self, recipe: Recipe) -> None:
        demand_names(recipe, ("days",))
        demand_whole(recipe, "days", 1, MAX_WEEKS * 7)

    def days_needed(self, recipe: Recipe, _season: int, _horizon: int, _calendar: Calendar) -> int:
        return int(recipe.parameters["days"])

    def shapes(self, _recipe: Recipe, _season: int, series: int, _calendar: Calendar) -> Shapes:
        return {"level": (series,)}

    def update(self, recipe: Recipe, _arrays: Mapping[str, Array], history: History) -> dict[str, Array]:
        return {"level": history.values[:, history.days - int(recipe.parameters["days"]) :].mean(axis=1)}

    def forecast(self, model: FittedModel, horizon: int) -> Array:
        return np.repeat(model.arrays["level"][:, None], horizon, axis=1)


class LastYear(ParameterFree):
    """The values of one year ago at the same place of the season."""

    def learns(self, _recipe: Recipe) -> frozenset[str]:
        return frozenset({SEASON, YEAR})

    def check(self, recipe: Recipe) -> None:
        demand_names(recipe, ())

    def days_needed(self, _recipe: Recipe, season: int, _horizon: int, calendar: Calendar) -> int:
        return steps_of_year(calendar, season)

    def shapes(self, _recipe: Recipe, season: int, series: int, calendar: Calendar) -> Shapes:
        return {"year": (series, steps_of_year(calendar, season))}

    def update(self, _recipe: Recipe, _arrays: Mapping[str, Array], history: History) -> dict[str, Array]:
        return {"year": history.values[:, history.days - steps_of_year(history.calendar, history.season) :]}

    def forecast(self, model: FittedModel, horizon: int) -> Array:
        year = model.arrays["year"]
        return year[:, np.arange(horizon) % year.shape[1]]
