"""Exponential smoothing with an additive season, each series with the weights that fitted its past best.

Two recipes: damped Holt-Winters, with a trend, and one without, which has a season only where it is worth its
parameters. The weights come from a small grid instead of an optimizer. All series and all weights of the grid are
filtered together, and one pass over the days serves every cutoff of a backtest. Error correction form of Hyndman,
Koehler, Ord and Snyder (2008), Forecasting with Exponential Smoothing, models ETS(A, Ad, A), (A, N, A) and (A, N, N).
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from forecasting.calendars import Calendar
from forecasting.models.direct import has_year, is_enabled, year_changes
from forecasting.models.recipe import (
    SEASON,
    TREND,
    YEAR,
    Array,
    FittedModel,
    History,
    Recipe,
    RecipeFamily,
    Shapes,
    bounded,
    demand_names,
    demand_switch,
    steps_of_year,
)

# How fast level, trend and season follow. On 500 and 302 real series a grid of twice the size gains nothing.
GRID = np.array(list(itertools.product((0.02, 0.06, 0.15, 0.35), (0.0, 0.1), (0.02, 0.1))))
# Without a trend; a season that never follows stands for none. One that follows by 1 is almost the seasonal naive
# forecast: timetables change at once, and only 0.6 and 1 have learned the new one after a few weeks.
TRENDLESS = np.array(list(itertools.product((0.02, 0.06, 0.15, 0.35, 0.7), (0.0,), (0.0, 0.02, 0.1, 0.3, 0.6, 1.0))))
DAMPING = 0.98
START_SEASONS = 2  # whose means are the first level and season
SEASONS_NEEDED = 4
YEAR_SHARE = 0.5  # of last year's change that is expected again: one year is one observation (bench/forecasting)
BLOCK = 2048  # series at a time, so that memory does not grow with their number


@dataclass(frozen=True)
class State:
    """What a filter knows at a cutoff, for each weights and series. error: sum of squares one step ahead.

    profile: shape (season, weights, series), the day after the cutoff first. scored: number of steps in error.
    """

    level: Array
    trend: Array
    profile: Array
    error: Array
    scored: int

    def of(self, row: NDArray[np.int64], weights: Array) -> dict[str, Array]:
        """The state of one row of the weights for each series. weights: shape (number of them, series or 1, 3)."""
        series = np.arange(self.error.shape[1])
        every = np.broadcast_to(weights, (*self.error.shape, weights.shape[2]))
        return {
            "weights": every[row, series],
            "level": self.level[row, series],
            "trend": self.trend[row, series],
            "profile": self.profile[:, row, series].T.copy(),
        }


class HoltWinters(RecipeFamily):
    """No parameters; the weights of the grid are chosen by the squared error one step ahead."""

    grid = GRID

    def serves_others(self, _recipe: Recipe) -> bool:
        return False

    def learns(self, _recipe: Recipe) -> frozenset[str]:
        return frozenset({TREND, SEASON})

    def check(self, recipe: Recipe) -> None:
        demand_names(recipe, ())

    def days_needed(self, _recipe: Recipe, season: int, _horizon: int, calendar: Calendar) -> int:
        return min(SEASONS_NEEDED, calendar.lags.seasons + 1) * season  # of long seasons few are there

    def shapes(self, _recipe: Recipe, season: int, series: int, _calendar: Calendar) -> Shapes:
        weights = GRID.shape[1]
        return {"weights": (series, weights), "level": (series,), "trend": (series,), "profile": (series, season)}

    def fits(self, _recipe: Recipe, history: History, cutoffs: Sequence[int]) -> Iterator[dict[str, Array]]:
        starts = range(BLOCK, len(history.values), BLOCK)
        blocks = [self._best_fits(block, history.season, cutoffs) for block in np.array_split(history.values, starts)]
        for parts in zip(*blocks, strict=True):
            columns = zip(*(part.values() for part in parts), strict=True)
            yield {name: np.concatenate(column) for name, column in zip(parts[0], columns, strict=True)}

    def _best_fits(self, values: Array, season: int, cutoffs: Sequence[int]) -> list[dict[str, Array]]:
        weights = self.grid[:, None]
        states = _filtered(values, season, weights, cutoffs)
        return [state.of(self.loss(state, season).argmin(axis=0), weights) for state in states]

    def loss(self, state: State, _season: int) -> Array:
        """What the chosen weights have least of, shape (weights, series)."""
        return state.error

    def update(self, recipe: Recipe, arrays: Mapping[str, Array], history: History) -> dict[str, Array]:
        weights = arrays["weights"]
        if len(weights) != len(history.values):
            raise ValueError(f"{recipe.name} has weights for each series, and the series have changed")
        (state,) = _filtered(history.values, history.season, weights[None], [history.days])
        return state.of(np.zeros(len(weights), dtype=np.int64), weights[None])

    def forecast(self, model: FittedModel, horizon: int) -> Array:
        arrays, ahead = model.arrays, np.arange(horizon)
        slopes = np.cumsum(DAMPING ** (ahead + 1.0))
        made = arrays["level"][:, None] + arrays["trend"][:, None] * slopes
        return bounded(made + arrays["profile"][:, ahead % model.season], model.lower)


class ExponentialSmoothing(HoltWinters):
    """No trend, and a season only where it lowers Akaike's criterion: few sales show none and are blurred by one.

    year: whether the level follows that of all series together in the year before.
    """

    grid = TRENDLESS

    def serves_others(self, _recipe: Recipe) -> bool:
        return True

    def learns(self, recipe: Recipe) -> frozenset[str]:
        return frozenset({SEASON} | ({YEAR} if is_enabled(recipe, "year") else set()))

    def check(self, recipe: Recipe) -> None:
        demand_names(recipe, (), ("year",))
        demand_switch(recipe, "year")

    def shapes(self, recipe: Recipe, season: int, series: int, calendar: Calendar) -> Shapes:
        shapes = super().shapes(recipe, season, series, calendar)
        if has_year(recipe, season, calendar):
            shapes["changes"] = (steps_of_year(calendar, season) // season,)
        return shapes

    def fits(self, recipe: Recipe, history: History, cutoffs: Sequence[int]) -> Iterator[dict[str, Array]]:
        for days, fitted in zip(cutoffs, super().fits(recipe, history, cutoffs), strict=True):
            yield {**fitted, **_changes(recipe, history.until(days))}

    def update(self, recipe: Recipe, arrays: Mapping[str, Array], history: History) -> dict[str, Array]:
        """The weights of an unknown series come from its history."""
        updated = super().update(recipe, arrays, history)
        unknown = np.isnan(arrays["weights"]).any(axis=1)
        if unknown.any():
            (fitted,) = self._best_fits(history.values[unknown], history.season, [history.days])
            for name, array in fitted.items():
                updated[name][unknown] = array
        return {**updated, **_changes(recipe, history)}

    def forecast(self, model: FittedModel, horizon: int) -> Array:
        made, changes = super().forecast(model, horizon), model.arrays.get("changes")
        if changes is None:
            return made
        ahead = changes[np.arange(horizon) // model.season % len(changes)]
        return np.asarray(made * (1 + YEAR_SHARE * (ahead - 1)))

    def loss(self, state: State, season: int) -> Array:
        """Akaike's criterion, corrected for few values (Hurvich, Tsai 1989); infinite where there are too few."""
        free = 2.0 + season * (self.grid[:, 2:] > 0)  # level and its weight; season and its weight
        left = state.scored - free - 1
        penalty = np.where(left > 0, 2 * free * state.scored / np.maximum(left, 1), np.inf)
        error = np.maximum(state.error, np.finfo(np.float64).tiny)  # a constant series has none
        return np.asarray(state.scored * np.log(error / state.scored) + penalty)


def _changes(recipe: Recipe, history: History) -> dict[str, Array]:
    """How the level of all series together changed in the year before, where a recipe looks at it.

    One series alone says too little about a week, so each is divided by its size and all are averaged.
    """
    season, calendar, values = history.season, history.calendar, history.values
    if not has_year(recipe, season, calendar):
        return {}
    size = np.abs(values).mean(axis=1, keepdims=True)
    common = (values / np.where(size > 0, size, 1.0)).mean(axis=0, keepdims=True)
    return {"changes": year_changes(common, season, steps_of_year(calendar, season), calendar.lags.seasons)[0]}


def _filtered(values: Array, season: int, weights: Array, cutoffs: Sequence[int]) -> Iterator[State]:
    """The state at each cutoff, ascending numbers of days. values: shape (series, days)."""
    alpha, beta, gamma = np.moveaxis(weights, 2, 0)
    shape = (len(weights), len(values))
    start = values[:, : START_SEASONS * season].reshape(len(values), START_SEASONS, season).mean(axis=1)
    level = np.broadcast_to(start.mean(axis=1), shape)
    places = (start - start.mean(axis=1, keepdims=True)).T[:, None]
    profile = places * (gamma > 0)
    profile = np.broadcast_to(profile, (season, *shape)).copy()
    trend, error = np.zeros(shape), np.zeros(shape)
    days = 0
    for cutoff in cutoffs:
        for day in range(days, cutoff):
            place = day % season
            expected = level + DAMPING * trend
            missed = values[:, day] - expected - profile[place]
            level = expected + alpha * missed
            trend = DAMPING * trend + alpha * beta * missed
            profile[place] += gamma * (1 - alpha) * missed
            if day >= START_SEASONS * season:
                error = error + np.square(missed)
        days = cutoff
        yield State(
            level, trend, np.roll(profile, -(cutoff % season), axis=0), error, cutoff - START_SEASONS * season
        )
