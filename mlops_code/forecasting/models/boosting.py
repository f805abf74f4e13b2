"""Gradient boosting on direct features: fitted by scikit-learn, kept as plain arrays, read by our own tree walker.

A pickle of the estimator would run code when it is loaded, and its class layout changes between releases. Its trees
are tables: split feature, threshold, two children, value. A walk over them gives scikit-learn's prediction to the
last bit and needs numpy only.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from forecasting.calendars import Calendar
from forecasting.models.direct import (
    DirectRecipe,
    Layout,
    features_of_model,
    is_enabled,
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
    demand_switch,
    demand_whole,
)

MAX_ROWS = 2_000_000  # training rows of one fit: beyond, training origins are thinned evenly
SMALL_FIT = 1_000_000  # rows, of a few seconds on one thread
LEAF = -1.0
NODE_ARRAYS = ("feature", "threshold", "left", "right", "value")


class BoostingDirect(DirectRecipe):
    """rounds, leaves, min_rows, rate as in HistGradientBoostingRegressor; poisson: 1 for that loss, else squared."""

    def check(self, recipe: Recipe) -> None:
        demand_names(recipe, ("rounds", "leaves", "min_rows", "rate"), ("scaled", "poisson", "year"))
        demand_whole(recipe, "rounds", 1, 1000)
        demand_whole(recipe, "leaves", 2, 255)
        demand_whole(recipe, "min_rows", 1, 100_000)
        demand_between(recipe, "rate", 0, 1)
        demand_switch(recipe, "poisson")
        super().check(recipe)

    def shapes(self, recipe: Recipe, season: int, series: int, calendar: Calendar) -> Shapes:
        forest: Shapes = {"roots": (None,), "base": (1,), **dict.fromkeys(NODE_ARRAYS, (None,))}
        return {**self.lag_shapes(recipe, season, series, calendar), **forest}

    def fits(self, recipe: Recipe, history: History, cutoffs: Sequence[int]) -> Iterator[dict[str, Array]]:
        for days in cutoffs:
            known = history.until(days)
            features, targets = _rows(known, layout_of(recipe, history))
            yield {**self.lag_arrays(recipe, known), **_forest(recipe, features, targets)}

    def forecast(self, model: FittedModel, horizon: int) -> Array:
        recent = recent_of_model(model)
        features = features_of_model(model, recent, horizon)
        made = walk(model.arrays, features.reshape(-1, features.shape[2])).reshape(features.shape[:2])
        if is_enabled(model.recipe, "poisson"):
            made = np.exp(made)
        return bounded(made * recent.scale[:, None], model.lower)

    def demand_sound(self, model: FittedModel) -> None:
        # A walk over other trees would not end, or would leave them.
        arrays, count = model.arrays, layout_of(model.recipe, model).count
        roots, nodes = arrays["roots"], len(arrays["feature"])
        if any(len(arrays[name]) != nodes for name in NODE_ARRAYS) or not 0 < len(roots) <= nodes:
            raise ValueError("the trees' arrays have different lengths or are empty")
        if any(
            not np.array_equal(arrays[name], np.floor(arrays[name])) for name in ("roots", "feature", "left", "right")
        ):
            raise ValueError("a root, feature or child is not a whole number")
        feature, place = arrays["feature"], np.arange(nodes)
        if roots.min() < 0 or roots.max() >= nodes or feature.max() >= count:
            raise ValueError("a root or feature does not exist")
        inner = feature != LEAF
        for name in ("left", "right"):
            # A child always stands behind its parent, so every walk ends.
            child = arrays[name][inner]
            if (feature[inner] < 0).any() or (child <= place[inner]).any() or (child >= nodes).any():
                raise ValueError(f"a {name} child does not come after its parent")


def walk(forest: Mapping[str, Array], rows: Array) -> Array:
    """The sum of the base value and of one leaf of every tree; rows: shape (n, features). Returns shape (n,)."""
    feature = forest["feature"].astype(np.int64)
    children = np.stack([forest["left"], forest["right"]]).astype(np.int64)
    threshold, value = forest["threshold"], forest["value"]
    total = np.full(len(rows), forest["base"][0])
    for root in forest["roots"].astype(np.int64):
        node = np.full(len(rows), root)
        walking = np.flatnonzero(feature[node] >= 0)
        while len(walking):
            here = node[walking]
            right = rows[walking, feature[here]] > threshold[here]
            node[walking] = children[right.astype(np.int64), here]
            walking = walking[feature[node[walking]] >= 0]
        total += value[node]
    return total


def _rows(history: History, layout: Layout) -> tuple[Array, Array]:
    stride = history.season if layout.scaled else 1
    origins = max(1, (history.days - history.calendar.lags.seasons * history.season) // stride)
    stride *= -(-origins * history.horizon * len(history.values) // MAX_ROWS)
    blocks = list(training_rows(history, layout, 0, stride))
    return np.concatenate([block[0] for block in blocks]), np.concatenate([block[1] for block in blocks])


def _forest(recipe: Recipe, features: Array, targets: Array) -> dict[str, Array]:
    from sklearn.ensemble import HistGradientBoostingRegressor
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    given = recipe.parameters
    estimator = HistGradientBoostingRegressor(
        loss="poisson" if is_enabled(recipe, "poisson") else "squared_error",
        max_iter=int(given["rounds"]),
        max_leaf_nodes=int(given["leaves"]),
        min_samples_leaf=int(given["min_rows"]),
        learning_rate=given["rate"],
        early_stopping=False,
        random_state=0,
    )
    # Threads that wait for each other cost a small fit ten times its work on a busy machine.
    with threadpool_limits(1 if len(features) < SMALL_FIT else None, user_api="openmp"):
        fitted = estimator.fit(features, targets)
    # Private names of scikit-learn, whose version is pinned; a test compares every forecast with its own.
    trees = [predictor.nodes for round_ in fitted._predictors for predictor in round_]
    sizes = [len(nodes) for nodes in trees]
    roots = np.concatenate([[0], np.cumsum(sizes)[:-1]]).astype(np.float64)
    return {
        "roots": roots,
        "base": np.asarray(fitted._baseline_prediction, dtype=np.float64).reshape(1),
        **_table(np.concatenate(trees), np.repeat(roots, sizes)),
    }


def _table(nodes: NDArray[Any], root: Array) -> dict[str, Array]:
    """The columns of all trees below each other; children are places in the whole table, a leaf has none."""
    leaf = nodes["is_leaf"].astype(bool)
    return {
        "feature": np.where(leaf, LEAF, nodes["feature_idx"]),
        "threshold": np.where(leaf, 0.0, nodes["num_threshold"]),
        "left": np.where(leaf, 0.0, nodes["left"] + root),
        "right": np.where(leaf, 0.0, nodes["right"] + root),
        "value": np.where(leaf, nodes["value"], 0.0),
    }
