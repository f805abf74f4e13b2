"""What a recipe, a history and a fitted model are, and what a family of recipes implements.

A fitted model is a handful of arrays, so that its file is JSON and scoring needs numpy only. The first axis of an
array is the series wherever a model keeps something of each series.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date

import numpy as np
from numpy.typing import NDArray

from forecasting.calendars import DAILY, Calendar
from forecasting.known import Known

Array = NDArray[np.float64]
Days = NDArray[np.datetime64]
Places = NDArray[np.int64]
"""The place of each date in the season, as an index of `Calendar.part_names`."""
HalfWidth = tuple[float, ...]
"""Of one level of intervals, in units of a series' scale: one number, or one for each place in the season."""
Shapes = dict[str, tuple[int | None, ...]]
"""Shape of each array of a model; None is a length that only the fit knows."""
TREND, SEASON, YEAR, EVENTS = "trend", "season", "year", "events"
"""What a recipe may be able to learn beside the level of a series."""


@dataclass(frozen=True)
class Recipe:
    """How a model is made: a name that `catalog` knows, its parameters, and for a combination its parts."""

    name: str
    parameters: Mapping[str, float] = field(default_factory=dict)
    parts: tuple[Recipe, ...] = ()

    @property
    def label(self) -> str:
        """The recipe in one line, such as same_weekday_mean(weeks=8)."""
        inside = [part.label for part in self.parts]
        inside += [f"{key}={value!r}".removesuffix(".0") for key, value in sorted(self.parameters.items())]
        return f"{self.name}({', '.join(inside)})"


@dataclass(frozen=True)
class History:
    """What a fit may look at. values: shape (series, days), finite; the last column is the cutoff.

    A day stands for a step of the calendar, such as a week. season and horizon: steps. lower: no forecast lies below
    it; None where values may be negative. known: what is known in advance, for all steps and for some ahead.
    """

    values: Array
    cutoff: date
    season: int
    horizon: int
    lower: float | None = 0.0
    calendar: Calendar = DAILY
    known: Known | None = None

    @property
    def days(self) -> int:
        """Number of steps."""
        return int(self.values.shape[1])

    @property
    def first(self) -> date:
        """The date of the first column."""
        return self.calendar.after(self.cutoff, 1 - self.days)

    def until(self, days: int) -> History:
        """The first `days` steps alone; a view, nothing is copied. What is known in advance stays known."""
        cutoff = self.calendar.after(self.cutoff, days - self.days)
        known = self.known.until(days) if self.known else None
        return replace(self, values=self.values[:, :days], cutoff=cutoff, known=known)


@dataclass(frozen=True)
class Intervals:
    """Prediction intervals: half_widths[level] x scales[series] on both sides of a forecast."""

    levels: tuple[float, ...]
    half_widths: tuple[HalfWidth, ...]
    scales: Array


@dataclass(frozen=True)
class FittedModel:
    """A model that can forecast the steps after its cutoff. season: steps. keys: names of the series, by row.

    known: what is known in advance, of the last steps that the recipe looks at and of steps ahead.
    """

    recipe: Recipe
    season: int
    cutoff: date
    keys: tuple[str, ...]
    arrays: Mapping[str, Array]
    lower: float | None = 0.0
    intervals: Intervals | None = None
    calendar: Calendar = DAILY
    known: Known | None = None


class RecipeFamily(ABC):
    """One family of recipes. Every recipe forecasts directly: no forecast is fed back, all lags end at the cutoff."""

    def parameter_free(self, _recipe: Recipe, /) -> bool:
        """Whether nothing is estimated, so that the model has no cutoff that could make its scores dishonest."""
        return False

    def serves_others(self, _recipe: Recipe, /) -> bool:
        """Whether a fit can forecast a series that it has not seen, from the history of that series."""
        return True

    @abstractmethod
    def learns(self, recipe: Recipe, /) -> frozenset[str]:
        """Which of TREND, SEASON, YEAR and EVENTS the recipe can carry on into the future."""

    @abstractmethod
    def check(self, recipe: Recipe, /) -> None:
        """Raises: ValueError, saying which parameter is wrong."""

    @abstractmethod
    def days_needed(self, recipe: Recipe, season: int, horizon: int, calendar: Calendar, /) -> int:
        """Steps of history below which a fit is meaningless."""

    @abstractmethod
    def shapes(self, recipe: Recipe, season: int, series: int, calendar: Calendar, /) -> Shapes:
        """Names and shapes of the arrays of a fitted model."""

    @abstractmethod
    def fits(self, recipe: Recipe, history: History, cutoffs: Sequence[int], /) -> Iterator[dict[str, Array]]:
        """One fit for each cutoff, given as a number of days, ascending: a fit sees the days before it, no others."""

    @abstractmethod
    def update(self, recipe: Recipe, arrays: Mapping[str, Array], history: History, /) -> dict[str, Array]:
        """The same parameters with the lags of another history. NaN where a series is unknown to the model."""

    @abstractmethod
    def forecast(self, model: FittedModel, horizon: int, /) -> Array:
        """Return shape (series, horizon), the days after the cutoff."""

    def demand_sound(self, _model: FittedModel, /) -> None:
        """Raises: ValueError where stored arrays of the right shape cannot come from a fit."""
        return


def steps_of_year(calendar: Calendar, season: int) -> int:
    """Steps of about one year that are whole seasons, so that one a year back has the same place in the season."""
    return max(1, round(calendar.year / season)) * season


def family_of(families: Mapping[str, RecipeFamily], recipe: Recipe) -> RecipeFamily:
    """Look up the family of a recipe. Raises: ValueError where its name is unknown."""
    if recipe.name not in families:
        raise ValueError(f"recipe {recipe.name!r} is unknown, expected one of {', '.join(families)}")
    return families[recipe.name]


def demand_names(recipe: Recipe, required: Sequence[str], optional: Sequence[str] = ()) -> None:
    """Raises: ValueError where a parameter is missing or unknown, or parts are given where there are none."""
    missing = [name for name in required if name not in recipe.parameters]
    unknown = [name for name in recipe.parameters if name not in (*required, *optional)]
    if missing or unknown:
        expected = ", ".join((*required, *optional)) or "none"
        raise ValueError(f"{recipe.name}: expected the parameters {expected}, found {sorted(recipe.parameters)}")
    if recipe.parts:
        raise ValueError(f"{recipe.name}: expected no parts")


def demand_whole(recipe: Recipe, name: str, low: int, high: int) -> None:
    """Raises: ValueError where a parameter is not a whole number from low to high."""
    value = recipe.parameters[name]
    if value != int(value) or not low <= value <= high:
        raise ValueError(f"{recipe.name}: {name} is {value:g}, expected a whole number from {low} to {high}")


def demand_between(recipe: Recipe, name: str, low: float, high: float) -> None:
    """Raises: ValueError where a parameter is not more than low and at most high."""
    value = recipe.parameters[name]
    if not low < value <= high:
        raise ValueError(f"{recipe.name}: {name} is {value:g}, expected more than {low:g} and at most {high:g}")


def demand_switch(recipe: Recipe, name: str) -> None:
    """Raises: ValueError where a parameter is given and is neither true (1) nor false (0)."""
    if recipe.parameters.get(name, 0.0) not in (0.0, 1.0):
        raise ValueError(f"{recipe.name}: {name} is {recipe.parameters[name]:g}, expected true or false")


def day_after(model: FittedModel) -> date:
    """The first date that a model forecasts."""
    return model.calendar.after(model.cutoff, 1)


def bounded(forecasts: Array, lower: float | None) -> Array:
    """Forecasts raised to the lower bound where there is one."""
    return forecasts if lower is None else np.maximum(forecasts, lower)


def bounds(forecasts: Array, reach: Array, lower: float | None) -> tuple[Array, Array]:
    """Lower and upper bounds around forecasts; none lies below `lower`. reach: unit and shape of forecasts."""
    return bounded(forecasts - reach, lower), forecasts + reach


def width_at(half_width: HalfWidth, places: Places) -> Array | float:
    """The half-width at each place, or the one that holds everywhere."""
    return half_width[0] if len(half_width) == 1 else np.array(half_width)[places]


def intervals_of(model: FittedModel, forecasts: Array) -> dict[float, tuple[Array, Array]]:
    """Bounds of each level for forecasts of shape (series, horizon); {} for a model without intervals."""
    served = model.intervals
    if served is None:
        return {}
    scales, calendar = served.scales[:, None], model.calendar
    places = calendar.parts_of(calendar.dates(model.cutoff, np.arange(1, forecasts.shape[1] + 1)))
    return {
        level: bounds(forecasts, width_at(half_width, places) * scales, model.lower)
        for level, half_width in zip(served.levels, served.half_widths, strict=True)
    }
