"""Compare the answer of a live service with the model's own forecast."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from forecasting.models.catalog import dated_forecast
from forecasting.models.model_file import StoredModel
from forecasting.models.recipe import FittedModel

TOLERANCE = 1e-9
COMPARED_SERIES = 5


def question(stored: StoredModel, horizon: int) -> dict[str, Any]:
    """The request whose answer `difference` compares. horizon: days."""
    names = _asked_series(stored.model)
    return {"horizon": horizon, "series": list(names)} if names else {"horizon": horizon}


def difference(answer: Mapping[str, Any], stored: StoredModel, horizon: int) -> str | None:
    """Compare the answer to `question` with the model's own forecast of horizon days; None where they are the same.

    Values may differ by 1e-9 of their size: the same numbers travel as text, nothing is computed differently.
    """
    keys = _asked_series(stored.model)
    expected = [
        (key, day, value)
        for key in keys or stored.model.keys
        for day, value in dated_forecast(stored.model, horizon, key)
    ]
    found = answer.get("forecast")
    if not isinstance(found, list) or len(found) != len(expected):
        return f"the service answers {str(answer)[:200]}, expected {len(expected)} days of forecast"
    for entry, (key, day, value) in zip(found, expected, strict=True):
        if not isinstance(entry, dict) or entry.get("date") != day.isoformat():
            return f"the service forecasts {entry}, expected the day {day}"
        if keys and entry.get("series") != key:
            return f"the service forecasts {entry}, expected the series {key}"
        given = entry.get("value")
        if not isinstance(given, int | float) or not math.isclose(given, value, rel_tol=TOLERANCE):
            return f"the service forecasts {given!r} for {day}, the model {value!r}"
    serving = answer.get("model")
    if not isinstance(serving, dict) or serving.get("sha256") != stored.sha256:
        return f"the service serves the model {serving}, expected sha256 {stored.sha256}"
    return None


def _asked_series(model: FittedModel) -> tuple[str, ...]:
    """The series that a service is asked for; none are named where there is only one."""
    return model.keys[:COMPARED_SERIES] if len(model.keys) > 1 else ()
