"""Ridge regression on direct features: one global model for all series and all days ahead, solved in closed form.

Only sums over the training rows are kept, so memory does not grow with rows, and a backtest that moves on by a week
adds a week of rows instead of starting again. The result equals scikit-learn's StandardScaler and Ridge.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from forecasting.calendars import Calendar
from forecasting.models.direct import (
    Recent,
    feature_count,
    lag_features,
    lag_shape,
    recent_of,
    training_rows,
)
from forecasting.models.recipe import (
    SEASON,
    Array,
    FittedModel,
    History,
    Recipe,
    RecipeFamily,
    Shapes,
    bounded,
    day_after,
    demand_between,
    demand_names,
    demand_switch,
)

CONSTANT = 1e-12  # variance of a feature relative to its mean square below which it counts as constant


class _Sums:
    """Sums over training rows of one, x, y and their products; unscaled values are shifted first."""

    def __init__(self, history: History, scaled: bool) -> None:
        self._scaled = scaled
        self._seen = 0
        # Variances are differences of sums: a large level would eat their digits.
        start = history.calendar.lags.seasons * history.season
        self._level = 0.0 if scaled else float(history.values[:, :start].mean())
        self._shift = np.zeros(feature_count(scaled, history.calendar))
        self._shift[: lag_features(history.calendar)] = self._level
        wide = len(self._shift) + 1
        self._rows = 0
        self._sums, self._products = np.zeros(wide), np.zeros((wide, wide))

    def extend(self, history: History) -> None:
        """Add the rows whose targets lie on the days that were not seen yet."""
        stride = history.season if self._scaled else 1
        for features, targets in training_rows(history, self._scaled, self._seen, stride):
            both = np.column_stack([features - self._shift, targets - self._level])
            self._rows += len(both)
            self._sums += both.sum(axis=0)
            self._products += both.T @ both
        self._seen = history.days

    def solve(self, alpha: float) -> dict[str, Array]:
        """Centre, scale, weights and intercept of the ridge on standardised features."""
        if not self._rows:
            wide = len(self._shift)
            return {
                "centre": np.zeros(wide), "scale": np.ones(wide), "weights": np.zeros(wide), "intercept": np.zeros(1),
            }  # fmt: skip
        mean = self._sums / self._rows
        moments = self._products / self._rows
        covariance = moments - np.outer(mean, mean)
        variance = np.diag(covariance)[:-1]
        scale = np.where(variance > CONSTANT * np.diag(moments)[:-1], np.sqrt(np.maximum(variance, 0)), 1.0)
        gram = self._rows * covariance[:-1, :-1] / np.outer(scale, scale)
        target = self._rows * covariance[:-1, -1] / scale
        weights = np.linalg.solve(gram + alpha * np.eye(len(scale)), target)
        return {
            "centre": mean[:-1] + self._shift,
            "scale": scale,
            "weights": weights,
            "intercept": np.array([mean[-1] + self._level]),
        }


class RidgeDirect(RecipeFamily):
    """alpha: strength of the shrinkage; scaled: 1 for many series, each divided by its own size."""

    def learns(self, _recipe: Recipe) -> frozenset[str]:
        return frozenset({SEASON})

    def check(self, recipe: Recipe) -> None:
        demand_names(recipe, ("alpha",), ("scaled",))
        demand_between(recipe, "alpha", 0, 1e9)
        demand_switch(recipe, "scaled")

    def days_needed(self, _recipe: Recipe, season: int, horizon: int, calendar: Calendar) -> int:
        return calendar.lags.seasons * season + horizon

    def shapes(self, recipe: Recipe, season: int, series: int, calendar: Calendar) -> Shapes:
        wide = (feature_count(_scaled(recipe), calendar),)
        lags = lag_shape(calendar, season, series)
        return {"lags": lags, "centre": wide, "scale": wide, "weights": wide, "intercept": (1,)}

    def fits(self, recipe: Recipe, history: History, cutoffs: Sequence[int]) -> Iterator[dict[str, Array]]:
        sums = _Sums(history, _scaled(recipe))
        for days in cutoffs:
            known = history.until(days)
            sums.extend(known)
            yield {"lags": recent_of(known, _scaled(recipe)).lags, **sums.solve(recipe.parameters["alpha"])}

    def update(self, recipe: Recipe, arrays: Mapping[str, Array], history: History) -> dict[str, Array]:
        return {**arrays, "lags": recent_of(history, _scaled(recipe)).lags}

    def forecast(self, model: FittedModel, horizon: int) -> Array:
        arrays = model.arrays
        recent = Recent(arrays["lags"], _scaled(model.recipe), model.calendar)
        features = recent.features(day_after(model), slice(0, horizon))
        scaled = (features - arrays["centre"]) / arrays["scale"]
        made: Array = scaled @ arrays["weights"] + arrays["intercept"][0]
        return bounded(made * recent.size[:, None], model.lower)


def _scaled(recipe: Recipe) -> bool:
    return bool(recipe.parameters.get("scaled", 0.0))
