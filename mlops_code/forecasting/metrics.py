"""Error measures of a rolling-origin backtest. Rows are origins, columns are days ahead.

Names and definitions follow Hyndman and Koehler (2006), Another look at measures of forecast accuracy,
International Journal of Forecasting 22(4). relMAE is judged, not MASE: on the sample series a model that loses
to the seasonal naive forecast still has a MASE below 1, because the in-sample scale is larger than recent errors.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Metrics:
    """What a recipe scored. mae, rmse and bias have the unit of the series, mase and rel_mae are ratios.

    bias is the mean of forecast minus actual: negative means forecast too low.
    """

    mae: float
    rmse: float
    mase: float
    rel_mae: float
    bias: float

    def not_finite(self) -> list[str]:
        """Names of the metrics that are NaN or infinite."""
        return [name for name, value in self.items() if not math.isfinite(value)]

    def items(self) -> list[tuple[str, float]]:
        """Names and values in the order of definition."""
        return [(field.name, float(getattr(self, field.name))) for field in fields(self)]

    def as_json(self) -> dict[str, float | None]:
        """For a JSON document, which knows no NaN: what is not finite becomes null."""
        return {name: value if math.isfinite(value) else None for name, value in self.items()}


def mae(forecasts: Array, actuals: Array) -> float:
    """Mean absolute error over all origins and days; both shape (origins, horizon)."""
    return float(np.abs(forecasts - actuals).mean())


def rmse(forecasts: Array, actuals: Array) -> float:
    """Root of the mean squared error over all origins and days."""
    return float(np.sqrt(np.square(forecasts - actuals).mean()))


def mase(forecasts: Array, actuals: Array, scales: Array) -> float:
    """Mean over origins of MAE divided by that origin's in-sample seasonal naive error; scales: shape (origins,)."""
    return float((np.abs(forecasts - actuals).mean(axis=1) / scales).mean())


def bias(forecasts: Array, actuals: Array) -> float:
    """Mean of forecast minus actual."""
    return float((forecasts - actuals).mean())


def in_sample_scale(values: Array, season: int) -> float:
    """Mean absolute difference to the value one season before; values: shape (days,), more days than a season."""
    return float(np.abs(values[season:] - values[:-season]).mean())


def score(forecasts: Array, actuals: Array, scales: Array, yardstick: Array) -> Metrics:
    """All metrics of one recipe; yardstick: the seasonal naive forecasts of the same windows.

    A zero denominator (a constant series) gives a metric that is not finite, which the gate refuses by name.
    """
    with np.errstate(all="ignore"):
        error = mae(forecasts, actuals)
        reference = np.float64(mae(yardstick, actuals))
        return Metrics(
            mae=error,
            rmse=rmse(forecasts, actuals),
            mase=mase(forecasts, actuals, scales),
            rel_mae=float(np.float64(error) / reference),
            bias=bias(forecasts, actuals),
        )
