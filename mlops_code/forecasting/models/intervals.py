"""Apply the prediction intervals that a model carries; evaluation/calibration.py measures their half-widths."""

from __future__ import annotations

from forecasting.models.recipe import Array, FittedModel, bounded


def bounds(forecasts: Array, half_widths: Array, lower: float | None) -> tuple[Array, Array]:
    """Lower and upper bounds around forecasts; none lies below `lower`. half_widths: unit and shape of forecasts."""
    return bounded(forecasts - half_widths, lower), forecasts + half_widths


def intervals_of(model: FittedModel, forecasts: Array) -> dict[float, tuple[Array, Array]]:
    """Bounds of each level for forecasts of shape (series, horizon); {} for a model without intervals."""
    served = model.intervals
    if served is None:
        return {}
    scales = served.scales[:, None]
    return {
        level: bounds(forecasts, half_width * scales, model.lower)
        for level, half_width in zip(served.levels, served.half_widths, strict=True)
    }
