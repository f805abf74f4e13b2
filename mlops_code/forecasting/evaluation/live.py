"""How a model that serves has done since its cutoff: its forecasts against the actuals that have arrived by now."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import numpy as np

from forecasting.data.series import Panel
from forecasting.models.catalog import forecast
from forecasting.models.recipe import Array, FittedModel, intervals_of

LEVEL = 0.8
"""Of the interval whose coverage is counted."""


@dataclass(frozen=True)
class LiveAccuracy:
    """Errors of the steps after the cutoff that have actuals, over all series that model and data share."""

    first: date
    last: date
    steps: int
    series: int
    error: float
    """Mean absolute error, in the unit of the measure."""
    naive_error: float
    """The same of the seasonal naive forecast: the last season before the cutoff, repeated."""
    coverage: float | None
    """Share of the actuals inside the 80 % interval; None where the model serves none."""

    @property
    def gain(self) -> float | None:
        """Share by which the error is smaller than the naive one; negative: larger; None where that one is 0."""
        return 1 - self.error / self.naive_error if self.naive_error else None


def live_accuracy(model: FittedModel, panel: Panel, horizon: int) -> LiveAccuracy | None:
    """Compare the first `horizon` steps after the cutoff, as far as the panel has them.

    None where nothing can be compared: no newer step, no shared series, another calendar, or no season before.
    """
    before = panel.calendar.between(panel.first, model.cutoff) + 1
    steps = min(_foreseen(model, horizon), panel.days - before)
    rows = {key: row for row, key in enumerate(panel.keys)}
    shared = [(place, rows[key]) for place, key in enumerate(model.keys) if key in rows]
    if panel.calendar != model.calendar or not shared or steps < 1 or before < model.season:
        return None
    ours, theirs = (list(index) for index in zip(*shared, strict=True))
    made = forecast(model, steps)
    actuals = panel.values[theirs, before : before + steps]
    return LiveAccuracy(
        first=panel.day(before),
        last=panel.day(before + steps - 1),
        steps=steps,
        series=len(shared),
        error=_mean_error(made[ours], actuals),
        naive_error=_mean_error(_naive(panel.values[theirs, :before], model.season, steps), actuals),
        coverage=_coverage(model, made, ours, actuals),
    )


def _foreseen(model: FittedModel, horizon: int) -> int:
    """Steps that the model can forecast by what it knows in advance."""
    known = model.known
    return min(horizon, known.ahead) if known is not None and known.columns else horizon


def _naive(past: Array, season: int, steps: int) -> Array:
    return np.asarray(past[:, -season:][:, np.arange(steps) % season])


def _mean_error(made: Array, actuals: Array) -> float:
    return float(np.abs(made - actuals).mean())


def _coverage(model: FittedModel, made: Array, ours: list[int], actuals: Array) -> float | None:
    found = intervals_of(model, made).get(LEVEL)
    if found is None:
        return None
    low, high = (bound[ours] for bound in found)
    return float(((low <= actuals) & (actuals <= high)).mean())
