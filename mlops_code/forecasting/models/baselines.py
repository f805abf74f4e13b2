"""Recipes that estimate nothing: means of recent days. They are legitimate candidates and hard to beat."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

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
    demand_switch,
    demand_whole,
    steps_of_year,
)

MAX_WEEKS = 104
SKIP = "skip_holidays"
SPARE = 4  # seasons that may stand in for holidays: no more follow each other at the same weekday


class ParameterFree(RecipeFamily):
    """A family that estimates nothing: a fit reads the last days."""

    def parameter_free(self, _recipe: Recipe) -> bool:
        return True

    def fits(self, recipe: Recipe, history: History, cutoffs: Sequence[int]) -> Iterator[dict[str, Array]]:
        for days in cutoffs:
            yield self.update(recipe, {}, history.until(days))


class SamePlaceMean(ParameterFree):
    """The mean of the last seasons at the same place of the season; of one season the seasonal naive forecast.

    counted: the parameter with the number of seasons, which for days are weeks; None: one season, no parameters.
    skip_holidays, where parameters are taken: earlier days stand in for known holidays and the days next to them.
    """

    def __init__(self, counted: str | None = "weeks") -> None:
        self._counted = counted

    def learns(self, _recipe: Recipe) -> frozenset[str]:
        return frozenset({SEASON})

    def _seasons(self, recipe: Recipe) -> int:
        return int(recipe.parameters[self._counted]) if self._counted else 1

    def check(self, recipe: Recipe) -> None:
        if not self._counted:
            return demand_names(recipe, ())
        demand_names(recipe, (self._counted,), (SKIP,))
        demand_whole(recipe, self._counted, 1, MAX_WEEKS)
        return demand_switch(recipe, SKIP)

    def _seen(self, recipe: Recipe) -> int:
        """How many seasons back the recipe looks."""
        return self._seasons(recipe) + (SPARE if recipe.parameters.get(SKIP) else 0)

    def days_needed(self, recipe: Recipe, season: int, _horizon: int, _calendar: Calendar) -> int:
        return self._seen(recipe) * season

    def shapes(self, _recipe: Recipe, season: int, series: int, _calendar: Calendar) -> Shapes:
        return {"profile": (series, season)}

    def update(self, recipe: Recipe, _arrays: Mapping[str, Array], history: History) -> dict[str, Array]:
        seen, season = self._seen(recipe), history.season
        recent = history.values[:, history.days - seen * season :].reshape(-1, seen, season)
        if recipe.parameters.get(SKIP):
            # Seasons back at each place: the newest first, holidays behind all others.
            ages = np.argsort(_near_holidays(history, seen)[::-1], axis=0, kind="stable")
            recent = recent[:, seen - 1 - ages[: self._seasons(recipe)], np.arange(season)]
        return {"profile": recent.mean(axis=1)}

    def forecast(self, model: FittedModel, horizon: int) -> Array:
        profile = model.arrays["profile"]
        return profile[:, np.arange(horizon) % model.season]


def _near_holidays(history: History, seasons: int) -> NDArray[np.bool_]:
    """Which of the last days are holidays or next to one, shape (seasons, season)."""
    days, shape = seasons * history.season, (seasons, history.season)
    holidays = history.known.holidays if history.known else None
    if holidays is None:
        return np.zeros(shape, dtype=np.bool_)
    dates = history.calendar.dates(history.cutoff, np.arange(1 - days, 1))
    return np.array(holidays.near(dates.tolist())).reshape(shape)


class WindowMean(ParameterFree):
    """The mean of the last steps, the same for every step ahead: strong where most values are zero.

    days or steps: how many; two names of one thing, because a step may be a week.
    """

    def learns(self, _recipe: Recipe) -> frozenset[str]:
        return frozenset()

    def check(self, recipe: Recipe) -> None:
        counted = "steps" if "steps" in recipe.parameters else "days"
        demand_names(recipe, (counted,))
        demand_whole(recipe, counted, 1, MAX_WEEKS * 7)

    def days_needed(self, recipe: Recipe, _season: int, _horizon: int, _calendar: Calendar) -> int:
        return _window(recipe)

    def shapes(self, _recipe: Recipe, _season: int, series: int, _calendar: Calendar) -> Shapes:
        return {"level": (series,)}

    def update(self, recipe: Recipe, _arrays: Mapping[str, Array], history: History) -> dict[str, Array]:
        return {"level": history.values[:, history.days - _window(recipe) :].mean(axis=1)}

    def forecast(self, model: FittedModel, horizon: int) -> Array:
        return np.repeat(model.arrays["level"][:, None], horizon, axis=1)


def _window(recipe: Recipe) -> int:
    (steps,) = recipe.parameters.values()
    return int(steps)


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
