"""Calibrate prediction intervals by split conformal prediction, and measure how well they cover.

The half-width of a level is a quantile of earlier absolute backtest residuals, each divided by its series' scale
(Vovk, Gammerman, Shafer 2005; Lei and others 2018). It assumes no distribution and needs no library. Where the
windows show enough seasons, each place in the season has its own: a shop's Saturday may be less certain than its
Monday. Residuals of overlapping windows are not exchangeable, so coverage is measured on later windows and judged by
the gate.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from forecasting.evaluation.metrics import Actuals, Mask
from forecasting.models.recipe import Array, HalfWidth, Intervals, bounds, width_at

LEVELS = (0.8, 0.95)
JUDGED = 0.8
HALF_WEIGHT = 100  # residuals of a place at which its own quantile weighs as much as that of all (bench/forecasting)


@dataclass(frozen=True)
class IntervalScore:
    """coverage: share of values inside; winkler: interval score in units of the series' scale, lower is better.

    by_step, by_place: coverage by step ahead and by place in the season, as far as the windows show it.
    """

    coverage: float
    winkler: float
    by_step: tuple[float, ...] = ()
    by_place: dict[int, float] = field(default_factory=dict)


def half_widths_of(forecasts: Array, actuals: Actuals, places: int = 1) -> tuple[HalfWidth, ...]:
    """Half-width of each of LEVELS in units of a series' scale.

    forecasts: shape (series, origins, horizon), of windows that end before those on which coverage is measured.
    places: of the season, each with its own half-width; 1 for one that holds everywhere.
    Raises: ValueError where no residual is finite.
    """
    known, made = actuals.scored(forecasts)
    with np.errstate(all="ignore"):
        residuals = np.abs(made - known.values) / known.scales[:, :, None]
    if not residuals.size or not np.isfinite(residuals).all():
        raise ValueError("the residuals that intervals are calibrated on are not finite")
    overall = _quantiles(residuals.ravel())
    if places == 1:
        return tuple((width,) for width in overall)
    shown = (residuals[:, actuals.places == place].ravel() for place in range(places))
    return tuple(zip(*(_drawn_to(overall, found) for found in shown), strict=True))


def _quantiles(residuals: Array) -> tuple[float, ...]:
    """The quantile of each of LEVELS with the finite-sample correction of split conformal prediction."""
    ranks = [min(len(residuals), math.ceil((len(residuals) + 1) * level)) for level in LEVELS]
    ordered = np.partition(residuals, [rank - 1 for rank in ranks])
    return tuple(float(ordered[rank - 1]) for rank in ranks)


def _drawn_to(overall: tuple[float, ...], residuals: Array) -> tuple[float, ...]:
    """The quantiles of a place, drawn to those of all places the more, the fewer residuals it has."""
    if not len(residuals):
        return overall
    weight = len(residuals) / (len(residuals) + HALF_WEIGHT)
    own = _quantiles(residuals)
    return tuple(weight * one + (1 - weight) * all_ for one, all_ in zip(own, overall, strict=True))


def interval_score(
    forecasts: Array, actuals: Actuals, half_width: HalfWidth, level: float, lower: float | None
) -> IntervalScore:
    """Coverage and Winkler score of one level over the usable series."""
    known, made = actuals.scored(forecasts)
    with np.errstate(all="ignore"):
        scales = known.scales[:, :, None]
        low, high = bounds(made, width_at(half_width, known.places) * scales, lower)
        inside = (known.values >= low) & (known.values <= high)
        missed = np.maximum(low - known.values, 0) + np.maximum(known.values - high, 0)
        winkler = (high - low + 2 / (1 - level) * missed) / scales
        by_step: list[float] = inside.mean(axis=(0, 1)).tolist()
        return IntervalScore(float(inside.mean()), float(winkler.mean()), tuple(by_step), _by_place(inside, known))


def _by_place(inside: Mask, actuals: Actuals) -> dict[int, float]:
    places = actuals.places
    return {place: float(inside[:, places == place].mean()) for place in np.unique(places).tolist()}


def covered(forecasts: Array, actuals: Actuals, half_width: HalfWidth) -> Array:
    """Share of the values of the newest window inside one level's interval, by series."""
    reach = width_at(half_width, actuals.places[-1]) * actuals.scales[:, -1, None]
    return np.asarray((np.abs(forecasts[:, -1] - actuals.values[:, -1]) <= reach).mean(axis=1))


def served_intervals(half_widths: tuple[HalfWidth, ...], scales: Array) -> Intervals:
    """Intervals as a model carries them. scales: shape (series,), of the whole history."""
    return Intervals(LEVELS, half_widths, scales)
