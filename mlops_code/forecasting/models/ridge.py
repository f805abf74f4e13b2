"""Ridge regression on direct features: one global model for all series and all days ahead, solved in closed form.

Only sums over the training rows are kept, so memory does not grow with rows, and a backtest that moves on by a week
adds a week of rows instead of starting again. The result equals scikit-learn's StandardScaler and Ridge.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from forecasting.calendars import Calendar
from forecasting.models.direct import (
    DirectRecipe,
    Layout,
    features_of_model,
    first_origin,
    lag_features,
    layout_of,
    recent_of_model,
    training_rows,
)
from forecasting.models.recipe import (
    Array,
    FittedModel,
    History,
    Recipe,
    Shapes,
    bounded,
    demand_between,
    demand_names,
)

CONSTANT = 1e-12  # variance of a feature relative to its mean square below which it counts as constant


class _Sums:
    """Sums over training rows of one, x, y and their products; unscaled values are shifted first."""

    def __init__(self, history: History, layout: Layout) -> None:
        self._layout = layout
        # Variances are differences of sums: a large level would eat their digits.
        start = history.calendar.lags.seasons * history.season
        self._level = 0.0 if layout.scaled else float(history.values[:, :start].mean())
        self._shift = np.zeros(layout.count)
        self._shift[: lag_features(history.calendar)] = self._level
        self._start = start
        self._clear()

    def _clear(self) -> None:
        wide = self._layout.count + 1
        self._seen = self._rows = 0
        self._sums, self._products = np.zeros(wide), np.zeros((wide, wide))

    def extend(self, history: History) -> None:
        """Add the rows whose targets lie on the days that were not seen yet."""
        from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

        start = first_origin(history, self._layout)
        if start != self._start:
            self._start = start
            self._clear()
        stride = history.season if self._layout.scaled else 1
        # Of matrices so narrow, threads only wait for each other: on a busy machine for five times the work. And one
        # thread gives the same bits on every machine.
        with threadpool_limits(1, user_api="blas"):
            for features, targets in training_rows(history, self._layout, self._seen, stride):
                self._add(np.column_stack([features - self._shift, targets - self._level]))
        self._seen = history.days

    def _add(self, both: Array) -> None:
        self._rows += len(both)
        self._sums += both.sum(axis=0)
        self._products += both.T @ both

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


class RidgeDirect(DirectRecipe):
    """alpha: strength of the shrinkage; scaled: 1 for many series, each divided by its own scale."""

    def check(self, recipe: Recipe) -> None:
        demand_names(recipe, ("alpha",), ("scaled", "year"))
        demand_between(recipe, "alpha", 0, 1e9)
        super().check(recipe)

    def shapes(self, recipe: Recipe, season: int, series: int, calendar: Calendar) -> Shapes:
        weights = dict.fromkeys(("centre", "scale", "weights"), (None,))
        return {**self.lag_shapes(recipe, season, series, calendar), **weights, "intercept": (1,)}

    def fits(self, recipe: Recipe, history: History, cutoffs: Sequence[int]) -> Iterator[dict[str, Array]]:
        sums = _Sums(history, layout_of(recipe, history))
        for days in cutoffs:
            known = history.until(days)
            sums.extend(known)
            yield {**self.lag_arrays(recipe, known), **sums.solve(recipe.parameters["alpha"])}

    def forecast(self, model: FittedModel, horizon: int) -> Array:
        arrays, recent = model.arrays, recent_of_model(model)
        features = features_of_model(model, recent, horizon)
        scaled = (features - arrays["centre"]) / arrays["scale"]
        made: Array = scaled @ arrays["weights"] + arrays["intercept"][0]
        return bounded(made * recent.scale[:, None], model.lower)

    def demand_sound(self, model: FittedModel) -> None:
        wide = layout_of(model.recipe, model).count
        for name in ("centre", "scale", "weights"):
            if len(model.arrays[name]) != wide:
                raise ValueError(f"{name} has {len(model.arrays[name])} numbers, expected {wide}")
