"""Calibrate prediction intervals by split conformal prediction, and measure how well they cover.

The half-width of a level is a quantile of earlier absolute backtest residuals, each divided by its series' scale
(Vovk, Gammerman, Shafer 2005; Lei and others 2018). It assumes no distribution and needs no library. Residuals of
overlapping windows are not exchangeable, so coverage is measured on later windows and judged by the gate.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from forecasting.evaluation.metrics import Actuals
from forecasting.models.recipe import Array, Intervals, bounds

LEVELS = (0.8, 0.95)
JUDGED = 0.8


@dataclass(frozen=True)
class IntervalScore:
    """coverage: share of values inside; winkler: interval score in units of the series' scale, lower is better."""

    coverage: float
    winkler: float


def half_widths_of(forecasts: Array, actuals: Actuals) -> tuple[float, ...]:
    """Half-width of each of LEVELS in units of a series' scale.

    forecasts: shape (series, origins, horizon), of windows that end before those on which coverage is measured.
    Raises: ValueError where no residual is finite.
    """
    known, made = actuals.scored(forecasts)
    with np.errstate(all="ignore"):
        residuals = (np.abs(made - known.values) / known.scales[:, :, None]).ravel()
    if not len(residuals) or not np.isfinite(residuals).all():
        raise ValueError("the residuals that intervals are calibrated on are not finite")
    ranks = [min(len(residuals), math.ceil((len(residuals) + 1) * level)) for level in LEVELS]
    ordered = np.partition(residuals, [rank - 1 for rank in ranks])
    return tuple(float(ordered[rank - 1]) for rank in ranks)


def interval_score(
    forecasts: Array, actuals: Actuals, half_width: float, level: float, lower: float | None
) -> IntervalScore:
    """Coverage and Winkler score of one level over the usable series."""
    known, made = actuals.scored(forecasts)
    with np.errstate(all="ignore"):
        scales = known.scales[:, :, None]
        low, high = bounds(made, half_width * scales, lower)
        inside = (known.values >= low) & (known.values <= high)
        missed = np.maximum(low - known.values, 0) + np.maximum(known.values - high, 0)
        winkler = (high - low + 2 / (1 - level) * missed) / scales
        return IntervalScore(float(inside.mean()), float(winkler.mean()))


def covered(forecasts: Array, actuals: Actuals, half_width: float) -> Array:
    """Share of the values of the newest window inside one level's interval, by series."""
    reach = half_width * actuals.scales[:, -1, None]
    return np.asarray((np.abs(forecasts[:, -1] - actuals.values[:, -1]) <= reach).mean(axis=1))


def served_intervals(half_widths: tuple[float, ...], scales: Array) -> Intervals:
    """Intervals as a model carries them. scales: shape (series,), of the whole history."""
    return Intervals(LEVELS, half_widths, scales)
