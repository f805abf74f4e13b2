"""Error measures of a rolling-origin backtest. Axes are series, origins, days ahead.

Names and definitions follow Hyndman and Koehler (2006), Another look at measures of forecast accuracy,
International Journal of Forecasting 22(4); RMSSE as in the M5 competition. relMAE is judged, not MASE: on the sample
series a model that loses to the seasonal naive forecast still has a MASE below 1, because the in-sample scale is
larger than recent errors. Over many series each one counts the same whatever its unit: its errors are divided by its
own scale before the first origin.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields, replace

import numpy as np
from numpy.typing import NDArray

from forecasting.models.recipe import Array, Places

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Actuals:
    """What forecasts of the same windows are measured against.

    values, naive (the seasonal naive forecasts): shape (series, origins, horizon). scales, squares: shape (series,
    origins), the mean absolute seasonal difference and the mean squared daily difference of the days before.
    places: of the dates in the season, shape (origins, horizon). year_ago: how many of the first origins lie a year
    before the others.
    """

    values: Array
    naive: Array
    scales: Array
    squares: Array
    places: Places
    year_ago: int = 0

    @property
    def usable(self) -> Mask:
        """Series that vary before the first recent origin; one alone is never left out: its metrics say why not."""
        if len(self.values) == 1:
            return np.ones(1, dtype=bool)
        return self._varies[:, self.year_ago]

    @property
    def cells(self) -> Mask:
        """Origins at which a usable series is scored, shape (series, origins): a year ago, it may not have varied."""
        mask = self._varies.copy()
        mask[:, self.year_ago :] = True
        return mask

    @property
    def _varies(self) -> Mask:
        return (self.scales > 0) & (self.squares > 0)

    @property
    def weights(self) -> Array:
        """What makes the errors of all series comparable, shape (series, 1, 1); one series keeps its unit."""
        with np.errstate(all="ignore"):
            return np.ones((1, 1, 1)) if len(self.values) == 1 else 1 / self.scales[:, self.year_ago, None, None]

    def rows(self, index: Mask | NDArray[np.int64]) -> Actuals:
        """Some of the series."""
        return replace(
            self,
            values=self.values[index],
            naive=self.naive[index],
            scales=self.scales[index],
            squares=self.squares[index],
        )

    def scored(self, forecasts: Array) -> tuple[Actuals, Array]:
        """The usable series, and the forecasts of these series."""
        return self.rows(self.usable), forecasts[self.usable]

    def since(self, origin: int) -> Actuals:
        """The origins from one on, by its place."""
        part = slice(origin, None)
        return Actuals(
            self.values[:, part],
            self.naive[:, part],
            self.scales[:, part],
            self.squares[:, part],
            self.places[part],
            max(0, self.year_ago - origin),
        )

    @property
    def recent(self) -> Actuals:
        """Without the origins of a year ago."""
        return self.since(self.year_ago)

    def by_series(self, values: Array) -> Array:
        """Mean of values by origin, shape (series, origins), over the origins at which each series is scored."""
        cells = self.cells
        return np.asarray(np.where(cells, values, 0.0).sum(axis=1) / cells.sum(axis=1))


@dataclass(frozen=True)
class Metrics:
    """What a recipe scored. mae, rmse and bias have the unit of the series, the others are ratios.

    bias is the mean of forecast minus actual: negative means forecast too low; bias_ratio is its share of the level.
    """

    mae: float
    rmse: float
    mase: float
    rmsse: float
    rel_mae: float
    bias: float
    bias_ratio: float

    def not_finite(self) -> list[str]:
        """Names of the metrics that are NaN or infinite."""
        return [name for name, value in self.items() if not math.isfinite(value)]

    def items(self) -> list[tuple[str, float]]:
        """Names and values in the order of definition."""
        return [(field.name, float(getattr(self, field.name))) for field in fields(self)]

    def value(self, name: str) -> float:
        """One metric by its name."""
        return float(getattr(self, name))

    def as_json(self) -> dict[str, float | None]:
        """For a JSON document, which knows no NaN: what is not finite becomes null."""
        return {name: value if math.isfinite(value) else None for name, value in self.items()}


def scales_of(values: Array, origins: tuple[int, ...], season: int) -> tuple[Array, Array]:
    """Mean absolute seasonal difference and mean squared daily difference of the days before each origin.

    values: shape (series, days). Returns two arrays of shape (series, origins); more days than a season are needed.
    """
    places = np.array(origins)
    seasonal = np.cumsum(np.abs(values[:, season:] - values[:, :-season]), axis=1)
    daily = np.cumsum(np.square(np.diff(values, axis=1)), axis=1)
    return seasonal[:, places - season - 1] / (places - season), daily[:, places - 2] / (places - 1)


def score(forecasts: Array, actuals: Actuals) -> Metrics:
    """All metrics of one recipe over the series that are usable; forecasts: shape (series, origins, horizon).

    A zero denominator (a constant series, no usable series) gives a metric that is not finite, which the gate refuses
    by name.
    """
    known, made = actuals.scored(forecasts)
    if not len(made):
        return Metrics(*[math.nan] * len(fields(Metrics)))
    error, weights = made - known.values, known.weights[:, :, 0]
    size, square = np.abs(error).mean(axis=2), np.square(error).mean(axis=2)
    naive, level, signed = (
        np.abs(known.naive - known.values).mean(axis=2),
        known.values.mean(axis=2),
        error.mean(axis=2),
    )

    def mean(values: Array) -> float:
        return float(known.by_series(values).mean())

    with np.errstate(all="ignore"):
        return Metrics(
            mae=mean(size),
            rmse=math.sqrt(mean(square)),
            mase=mean(size / known.scales),
            rmsse=mean(np.sqrt(square / known.squares)),
            rel_mae=float(np.divide(mean(size * weights), mean(naive * weights))),
            bias=mean(signed),
            bias_ratio=float(np.divide(mean(signed * weights), mean(level * weights))),
        )


def by_series(forecasts: Array, actuals: Actuals, metric: str) -> Array:
    """The part of each series in a metric, shape (series,): mae, mase or rmsse."""
    error = forecasts - actuals.values
    with np.errstate(all="ignore"):
        if metric == "mae":
            values = np.abs(error).mean(axis=2)
        elif metric == "mase":
            values = np.abs(error).mean(axis=2) / actuals.scales
        else:
            values = np.sqrt(np.square(error).mean(axis=2) / actuals.squares)
        return actuals.by_series(values)
