"""Prediction intervals by split conformal calibration, and how well they cover.

The radius of a level is a quantile of earlier absolute backtest residuals, each divided by its series' scale (Vovk,
Gammerman, Shafer 2005; Lei and others 2018). It assumes no distribution and needs no library. Residuals of
overlapping windows are not exchangeable, so coverage is measured on later windows and judged by the gate.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from forecasting.evaluation.metrics import Array, Ground
from forecasting.models.recipe import FittedModel, Intervals, bounded

LEVELS = (0.8, 0.95)
JUDGED = 0.8


@dataclass(frozen=True)
class IntervalScore:
    """coverage: share of values inside; winkler: interval score in units of the series' scale, lower is better."""

    coverage: float
    winkler: float


def radii_of(forecasts: Array, ground: Ground) -> tuple[float, ...]:
    """One radius for each of LEVELS, from windows that end before those on which coverage is measured.

    forecasts: shape (series, origins, horizon). Raises: ValueError where no residual is finite.
    """
    usable = ground.usable
    known = ground.rows(usable)
    with np.errstate(all="ignore"):
        residuals = (np.abs(forecasts[usable] - known.actuals) / known.scales[:, :, None]).ravel()
    if not len(residuals) or not np.isfinite(residuals).all():
        raise ValueError("the residuals that intervals are calibrated on are not finite")
    ranks = [min(len(residuals), math.ceil((len(residuals) + 1) * level)) for level in LEVELS]
    ordered = np.partition(residuals, [rank - 1 for rank in ranks])
    return tuple(float(ordered[rank - 1]) for rank in ranks)


def interval_score(
    forecasts: Array, ground: Ground, radius: float, level: float, lower: float | None
) -> IntervalScore:
    """Coverage and Winkler score of one level over the usable series."""
    usable = ground.usable
    known, made = ground.rows(usable), forecasts[usable]
    with np.errstate(all="ignore"):
        scales = known.scales[:, :, None]
        low, high = bounded(made - radius * scales, lower), made + radius * scales
        inside = (known.actuals >= low) & (known.actuals <= high)
        missed = np.maximum(low - known.actuals, 0) + np.maximum(known.actuals - high, 0)
        winkler = (high - low + 2 / (1 - level) * missed) / scales
        return IntervalScore(float(inside.mean()), float(winkler.mean()))


def interval(model: FittedModel, forecasts: Array) -> dict[float, tuple[Array, Array]]:
    """Lower and upper bound of each level for forecasts of shape (series, horizon); {} without intervals."""
    served = model.intervals
    if served is None:
        return {}
    width = {
        level: radius * served.scales[:, None] for level, radius in zip(served.levels, served.radii, strict=True)
    }
    return {level: (bounded(forecasts - half, model.lower), forecasts + half) for level, half in width.items()}


def served_intervals(radii: tuple[float, ...], scales: Array) -> Intervals:
    """Intervals as a model carries them. scales: shape (series,), of the whole history."""
    return Intervals(LEVELS, radii, scales)
