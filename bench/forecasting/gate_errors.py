"""Forecasts of all contenders at all weekly origins of a table, reduced to the errors that gates decide by."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bench.forecasting.gate_data import Table
from forecasting.evaluation.backtest import Windows, actuals_of, backtest
from forecasting.evaluation.metrics import Actuals
from forecasting.models.catalog import make_recipe
from forecasting.models.recipe import Array, History

HORIZON, SEASON, STEP = 28, 7, 7
EARLIEST = 84  # days that the ridge needs
NAIVE = make_recipe("seasonal_naive", {})
WINDOW = make_recipe("window_mean", {"days": 56.0})
WEEKLY = make_recipe("same_weekday_mean", {"weeks": 8.0})
RIDGE = make_recipe("ridge_direct", {"alpha": 1.0, "scaled": 1.0})
MIXED = make_recipe("mean_of", {}, [WINDOW, RIDGE])
CONTENDERS = (
    NAIVE,
    *(make_recipe("same_weekday_mean", {"weeks": weeks}) for weeks in (4.0, 8.0, 12.0)),
    *(make_recipe("window_mean", {"days": days}) for days in (28.0, 56.0, 84.0)),
    RIDGE,
    MIXED,
)
SHRUNK = f"{WINDOW.label} x 0.9"  # a contender that is biased on purpose
LABELS = (*(recipe.label for recipe in CONTENDERS), SHRUNK)
SIMPLE = (NAIVE.label, WEEKLY.label, WINDOW.label)  # what training may propose without a fit
FITTED = (RIDGE.label, MIXED.label)

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Errors:
    """Errors at every weekly origin. The axes of parts are contenders, series, origins.

    parts: absolute error, scaled absolute error and scaled root mean square, by the name of the metric; NaN where a
    series has not varied before the origin. bias: mean of forecast minus actual; peaks: largest forecast. level
    (mean actual), scales, highest (largest value before): series, origins. residuals: absolute, in units of scales,
    with the days ahead as the last axis. days: of history at each origin.
    """

    parts: dict[str, Array]
    bias: Array
    peaks: Array
    level: Array
    scales: Array
    highest: Array
    residuals: Floats
    days: NDArray[np.int64]

    def place(self, days: int) -> int:
        """Index of the origin with so many days of history."""
        return int(np.flatnonzero(self.days == days)[0])


def errors_of(table: Table) -> Errors:
    """Refit every contender at every weekly origin from the first that all can be fitted at."""
    days = table.values.shape[1]
    last = days - HORIZON
    origins = tuple(range(EARLIEST + (last - EARLIEST) % STEP, last + 1, STEP))
    windows = Windows(origins, HORIZON)
    history = History(table.values, table.last.date(), SEASON, HORIZON)
    actuals = actuals_of(history, windows)
    made = backtest(history, CONTENDERS, windows)
    made[SHRUNK] = 0.9 * made[WINDOW.label]
    reduced = [_reduced(made.pop(label), actuals) for label in LABELS]
    absolute, squares, bias, peaks, residuals = (np.stack(parts) for parts in zip(*reduced, strict=True))
    with np.errstate(all="ignore"):
        known = (actuals.scales > 0) & (actuals.squares > 0)
        parts = {
            "mae": np.where(known, absolute, np.nan),
            "mase": np.where(known, absolute / actuals.scales, np.nan),
            "rmsse": np.where(known, np.sqrt(squares / actuals.squares), np.nan),
        }
    highest = np.maximum.accumulate(table.values, axis=1)[:, np.array(origins) - 1]
    level = actuals.values.mean(axis=2)
    return Errors(parts, bias, peaks, level, actuals.scales, highest, residuals, np.array(origins))


def _reduced(forecasts: Array, actuals: Actuals) -> tuple[Array, Array, Array, Array, Floats]:
    error = forecasts - actuals.values
    with np.errstate(all="ignore"):
        scaled = (np.abs(error) / actuals.scales[:, :, None]).astype(np.float32)
    absolute, squares = np.abs(error).mean(axis=2), np.square(error).mean(axis=2)
    return absolute, squares, error.mean(axis=2), forecasts.max(axis=2), scaled
