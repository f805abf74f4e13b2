"""ARIMA(2,0,2), for comparison with the original workshop only: it needs the extra statsmodels and never wins here.

A fit keeps its parameters and the filtered state at the cutoff; the forecast is that state carried on, so scoring
needs numpy only.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from forecasting.calendars import Calendar
from forecasting.errors import UsageError
from forecasting.models.recipe import Array, FittedModel, History, Recipe, RecipeFamily, Shapes, bounded, demand_names

ORDER = (2, 0, 2)
PARAMETERS = 6  # constant, two autoregressive, two moving average, variance
STATE = 3
DAYS_NEEDED = 60


class Arima202(RecipeFamily):
    """The same ARIMA(2,0,2) for every series, each fitted by itself."""

    def serves_others(self, _recipe: Recipe) -> bool:
        return False

    def learns(self, _recipe: Recipe) -> frozenset[str]:
        return frozenset()

    def check(self, recipe: Recipe) -> None:
        demand_names(recipe, ())

    def days_needed(self, _recipe: Recipe, _season: int, _horizon: int, _calendar: Calendar) -> int:
        return DAYS_NEEDED

    def shapes(self, _recipe: Recipe, _season: int, series: int, _calendar: Calendar) -> Shapes:
        return {"parameters": (series, PARAMETERS), "state": (series, STATE)}

    def fits(self, _recipe: Recipe, history: History, cutoffs: Sequence[int]) -> Iterator[dict[str, Array]]:
        for days in cutoffs:
            with warnings.catch_warnings():
                # The likelihood has several optima, so "converged" says nothing: the backtest judges.
                warnings.simplefilter("ignore")
                results = [_model(values).fit() for values in history.until(days).values]
            yield {
                "parameters": np.stack([result.params for result in results]),
                "state": np.stack([_state(result) for result in results]),
            }

    def update(self, _recipe: Recipe, arrays: Mapping[str, Array], history: History) -> dict[str, Array]:
        parameters = arrays["parameters"]
        if len(parameters) != len(history.values):
            raise ValueError("arima_202 has parameters for each series, and the series have changed")
        filtered = zip(history.values, parameters, strict=True)
        return {**arrays, "state": np.stack([_state(_model(values).filter(given)) for values, given in filtered])}

    def forecast(self, model: FittedModel, horizon: int) -> Array:
        parameters, state = model.arrays["parameters"], model.arrays["state"].copy()
        made = np.empty((len(state), horizon))
        for ahead in range(horizon):
            made[:, ahead] = parameters[:, 0] + state[:, 0]
            carried = parameters[:, 1:3] * state[:, :1]
            state = np.column_stack([carried + state[:, 1:], np.zeros(len(state))])
        return bounded(made, model.lower)


def _model(values: Array) -> Any:
    try:
        from statsmodels.tsa.arima.model import ARIMA  # type: ignore[import-not-found, import-untyped, unused-ignore]
    except ImportError:
        raise UsageError(
            "The recipe arima_202 needs statsmodels, which is not installed: it is an extra, for comparison with the "
            "original only. Install requirements/arima.txt, or remove the candidate from the problem file."
        ) from None
    return ARIMA(values, order=ORDER)


def _state(result: Any) -> Array:
    """The predicted state of the day after the cutoff, shape (3,)."""
    return np.asarray(result.filter_results.predicted_state[:, -1], dtype=np.float64)
