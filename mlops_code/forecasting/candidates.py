"""The recipes a model can be made by, and the fitted models they give.

A fitted model is a handful of arrays, so that its file is JSON and scoring needs numpy only; scikit-learn is
imported where a fit needs it. Every recipe forecasts directly: no forecast is fed back, all lags end at the cutoff.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Days = NDArray[np.datetime64]

MAX_WEEKS = 104
LAG_SEASONS = 8  # same weekdays that the ridge sees: four one by one, and the means of four and of eight
SINGLE_LAGS = 4
WEEKDAYS = 7
RIDGE_FEATURES = SINGLE_LAGS + 2 + WEEKDAYS + 1


@dataclass(frozen=True)
class Recipe:
    """How a model is made: a name known to this module and its parameters."""

    name: str
    parameters: Mapping[str, float]

    @property
    def label(self) -> str:
        """The recipe in one line, such as same_weekday_mean(weeks=8)."""
        inside = ", ".join(f"{key}={value!r}".removesuffix(".0") for key, value in sorted(self.parameters.items()))
        return f"{self.name}({inside})"


@dataclass(frozen=True)
class FittedModel:
    """A model that can forecast the days after its cutoff. season: days. arrays: as the recipe's shapes say."""

    recipe: Recipe
    season: int
    cutoff: date
    arrays: Mapping[str, Array]


@dataclass(frozen=True)
class History:
    """What a fit may look at. values: shape (days,), the last one is the cutoff day; horizon and season: days."""

    values: Array
    cutoff: date
    season: int
    horizon: int


class Kind(Protocol):
    """One family of recipes."""

    parameter_free: bool

    def check(self, parameters: Mapping[str, float], /) -> None:
        """Raises: ValueError, saying which parameter is wrong."""

    def days_needed(self, parameters: Mapping[str, float], season: int, horizon: int, /) -> int:
        """Days of history below which a fit is meaningless."""

    def shapes(self, parameters: Mapping[str, float], season: int, /) -> dict[str, tuple[int, ...]]:
        """Names and shapes of the arrays of a fitted model."""

    def fit(self, history: History, parameters: Mapping[str, float], /) -> dict[str, Array]:
        """Return the arrays."""

    def forecast(self, model: FittedModel, horizon: int, /) -> Array:
        """Return shape (horizon,), the days after the cutoff."""


class SameWeekdayMean:
    """The mean of the last weeks at the same place of the season; with one week the seasonal naive forecast."""

    parameter_free = True

    def __init__(self, fixed_weeks: int | None = None) -> None:
        self._fixed_weeks = fixed_weeks

    def _weeks(self, parameters: Mapping[str, float]) -> int:
        return self._fixed_weeks or int(parameters["weeks"])

    def check(self, parameters: Mapping[str, float]) -> None:
        _exact_names(parameters, () if self._fixed_weeks else ("weeks",))
        weeks = self._fixed_weeks or parameters["weeks"]
        if weeks != int(weeks) or not 1 <= weeks <= MAX_WEEKS:
            raise ValueError(f"weeks is {weeks:g}, expected a whole number from 1 to {MAX_WEEKS}")

    def days_needed(self, parameters: Mapping[str, float], season: int, _horizon: int) -> int:
        return self._weeks(parameters) * season

    def shapes(self, _parameters: Mapping[str, float], season: int) -> dict[str, tuple[int, ...]]:
        return {"profile": (season,)}

    def fit(self, history: History, parameters: Mapping[str, float]) -> dict[str, Array]:
        weeks, season = self._weeks(parameters), history.season
        recent = history.values[len(history.values) - weeks * season :].reshape(weeks, season)
        return {"profile": recent.mean(axis=0)}

    def forecast(self, model: FittedModel, horizon: int) -> Array:
        return np.resize(model.arrays["profile"], horizon)


class RidgeDirect:
    """Ridge regression on lags of the same weekday, the weekday and the end of the month, one model for all steps.

    Features are standardised; forecasts below zero become zero, because the contract admits no negative value.
    """

    parameter_free = False

    def check(self, parameters: Mapping[str, float]) -> None:
        _exact_names(parameters, ("alpha",))
        if not 0 < parameters["alpha"] <= 1e9:
            raise ValueError(f"alpha is {parameters['alpha']:g}, expected more than 0 and at most 1e9")

    def days_needed(self, _parameters: Mapping[str, float], season: int, horizon: int) -> int:
        return LAG_SEASONS * season + horizon

    def shapes(self, _parameters: Mapping[str, float], season: int) -> dict[str, tuple[int, ...]]:
        wide = (RIDGE_FEATURES,)
        return {"lags": (LAG_SEASONS, season), "centre": wide, "scale": wide, "weights": wide, "intercept": (1,)}

    def fit(self, history: History, parameters: Mapping[str, float]) -> dict[str, Array]:
        from sklearn.linear_model import Ridge
        from sklearn.preprocessing import StandardScaler

        values, season = history.values, history.season
        start = LAG_SEASONS * season
        origin = np.arange(start, len(values))[:, None]
        ahead = np.arange(history.horizon)[None, :]
        known = origin + ahead < len(values)
        rows, steps = np.broadcast_to(origin, known.shape)[known], np.broadcast_to(ahead, known.shape)[known]
        seasons_back = season * np.arange(1, LAG_SEASONS + 1)
        lags = values[rows[:, None] - seasons_back + (steps % season)[:, None]]
        first = np.datetime64(history.cutoff) - (len(values) - 1)
        scaler = StandardScaler()
        scaled = scaler.fit_transform(_ridge_features(lags, first + rows + steps))
        ridge = Ridge(alpha=parameters["alpha"]).fit(scaled, values[rows + steps])
        recent = values[len(values) - start :].reshape(LAG_SEASONS, season)[::-1]
        return {
            "lags": np.ascontiguousarray(recent),
            "centre": np.asarray(scaler.mean_, dtype=np.float64),
            "scale": np.asarray(scaler.scale_, dtype=np.float64),
            "weights": np.asarray(ridge.coef_, dtype=np.float64),
            "intercept": np.array([float(ridge.intercept_)]),
        }

    def forecast(self, model: FittedModel, horizon: int) -> Array:
        arrays = model.arrays
        steps = np.arange(horizon)
        lags = arrays["lags"][:, steps % model.season].T
        features = _ridge_features(lags, np.datetime64(model.cutoff) + 1 + steps)
        scaled = (features - arrays["centre"]) / arrays["scale"]
        made: Array = scaled @ arrays["weights"] + arrays["intercept"][0]
        return np.maximum(made, 0.0)


YARDSTICK = "seasonal_naive"
KINDS: dict[str, Kind] = {
    YARDSTICK: SameWeekdayMean(fixed_weeks=1),
    "same_weekday_mean": SameWeekdayMean(),
    "ridge_direct": RidgeDirect(),
}


def make_recipe(name: str, parameters: Mapping[str, float]) -> Recipe:
    """Return a recipe that can be fitted. Raises: ValueError (unknown name, missing or wild parameter)."""
    if name not in KINDS:
        raise ValueError(f"recipe {name!r} is unknown, expected one of {', '.join(KINDS)}")
    KINDS[name].check(parameters)
    return Recipe(name, dict(parameters))


def fit(recipe: Recipe, history: History) -> FittedModel:
    """Fit a recipe on the whole history. Raises: ValueError (fewer days than the recipe needs)."""
    needed = days_needed(recipe, history.season, history.horizon)
    if len(history.values) < needed:
        raise ValueError(f"{recipe.label} needs {needed} days of history, found {len(history.values)}")
    arrays = KINDS[recipe.name].fit(history, recipe.parameters)
    return FittedModel(recipe, history.season, history.cutoff, arrays)


def days_needed(recipe: Recipe, season: int, horizon: int) -> int:
    """Days of history that a fit of the recipe needs."""
    return KINDS[recipe.name].days_needed(recipe.parameters, season, horizon)


def forecast(model: FittedModel, horizon: int) -> Array:
    """Forecast the days after the cutoff: shape (horizon,), unit of the series."""
    return KINDS[model.recipe.name].forecast(model, horizon)


def dated_forecast(model: FittedModel, horizon: int) -> list[tuple[date, float]]:
    """Forecast as (day, value) pairs. Raises: ValueError where a value is not finite."""
    values = forecast(model, horizon)
    if not np.isfinite(values).all():
        raise ValueError("the model forecasts a value that is not finite")
    return [(model.cutoff + timedelta(days=ahead), float(value)) for ahead, value in enumerate(values, 1)]


def _exact_names(parameters: Mapping[str, float], names: tuple[str, ...]) -> None:
    if set(parameters) != set(names):
        raise ValueError(f"parameters are {sorted(parameters)}, expected {sorted(names)}")


def _ridge_features(lags: Array, days: Days) -> Array:
    """Features of target days. lags: shape (n, 8), newest first; days: shape (n,). Returns (n, RIDGE_FEATURES)."""
    weekday = (days.astype("datetime64[D]").astype(np.int64) + 3) % WEEKDAYS  # day 0 of the epoch is a Thursday
    month_end = (days + 1).astype("datetime64[M]") != days.astype("datetime64[M]")
    return np.column_stack(
        [
            lags[:, :SINGLE_LAGS],
            lags[:, :SINGLE_LAGS].mean(axis=1),
            lags.mean(axis=1),
            np.eye(WEEKDAYS)[weekday],
            month_end.astype(np.float64),
        ]
    )
