"""Compare the answers of a live service with the model's own forecasts: several horizons, and one with a history.

A scoring script that is right for one horizon only must be found. So the expected answers come from the model alone
(forecasting.models), never from the code that answers in the service.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from forecasting.known import Known
from forecasting.limits import MAX_HORIZON
from forecasting.models.catalog import days_needed, forecast, update
from forecasting.models.model_file import StoredModel
from forecasting.models.recipe import Array, FittedModel, History, intervals_of
from forecasting.serving.questions import MAX_HISTORY_DAYS

TOLERANCE = 1e-9
COMPARED_SERIES = 5
_ONE, _SEVEN = 1, 7  # steps, such as days
Document = dict[str, Any]


def questions(stored: StoredModel, horizon: int) -> list[Document]:
    """The requests whose answers `difference` compares, the one for `horizon` days first.

    The others ask for one step, seven, the model's horizon, twice as many, and for those after a newer history.
    """
    model = stored.model
    named = {"series": list(_asked_series(model))} if len(model.keys) > 1 else {}
    twice = min(2 * stored.horizon, MAX_HORIZON)
    horizons = dict.fromkeys((horizon, _ONE, _SEVEN, stored.horizon, twice))
    asked: list[Document] = [{"horizon": days, **named, **_future(model, days)} for days in horizons]
    history = _newer_history(model, horizon)
    if history.days <= MAX_HISTORY_DAYS:
        newer = {"history": _as_request(model, history), **_future(model, horizon)}
        asked.append({"horizon": horizon, **named, **newer})
    return asked


def difference(answer: Mapping[str, Any], stored: StoredModel, asked: Mapping[str, Any]) -> str | None:
    """Compare the answer to one of `questions` with the model's own forecast; None where they are the same.

    Values may differ by 1e-9 of their size: the same numbers travel as text, nothing is computed differently.
    """
    horizon = int(asked["horizon"])
    model = _with_columns_ahead(stored.model, horizon)
    if "history" in asked:
        model = _with_newer_history(stored.model, horizon)
    expected = list(_entries(model, horizon))
    found = answer.get("forecast")
    after = " after a newer history" if "history" in asked else ""
    if not isinstance(found, list) or len(found) != len(expected):
        wanted = model.calendar.count(len(expected))
        return f"the service answers {str(answer)[:200]}, expected {wanted} of forecast{after}"
    for given, entry in zip(found, expected, strict=True):
        if wrong := _wrong_entry(given, entry):
            return f"{wrong}, when asked for {model.calendar.count(horizon)}{after}"
    serving = answer.get("model")
    if not isinstance(serving, dict) or serving.get("sha256") != stored.sha256:
        return f"the service uses the model {serving}, expected sha256 {stored.sha256}"
    return None


def _wrong_entry(given: object, expected: Document) -> str | None:
    """What is wrong with one day of an answer."""
    if not isinstance(given, dict) or given.get("date") != expected["date"]:
        return f"the service forecasts {given}, expected the day {expected['date']}"
    if "series" in expected and given.get("series") != expected["series"]:
        return f"the service forecasts {given}, expected the series {expected['series']}"
    if not _same(given.get("value"), expected["value"]):
        return f"the service forecasts {given.get('value')!r} for {expected['date']}, the model {expected['value']!r}"
    bounds = given.get("intervals") or {}
    for level, pair in expected["intervals"].items():
        found = bounds.get(level) if isinstance(bounds, dict) else None
        if not isinstance(found, list) or len(found) != len(pair) or not all(map(_same, found, pair)):
            return f"the service gives the interval {level} as {found} for {expected['date']}, the model {pair}"
    return None


def _same(given: object, expected: float) -> bool:
    return isinstance(given, int | float) and math.isclose(given, expected, rel_tol=TOLERANCE)


def _entries(model: FittedModel, horizon: int) -> Iterator[Document]:
    """What each series and day of an answer must hold. Raises: ValueError where a value is not finite."""
    values = forecast(model, horizon)
    if not np.isfinite(values).all():
        raise ValueError("the model forecasts a value that is not finite")
    bounds = {f"{level:g}": np.stack(both, axis=2) for level, both in intervals_of(model, values).items()}
    for row, key in enumerate(_asked_series(model)):
        named = {"series": key} if len(model.keys) > 1 else {}
        for ahead, value in enumerate(values[row].tolist()):
            day = model.calendar.after(model.cutoff, ahead + 1).isoformat()
            pairs = {level: both[row, ahead].tolist() for level, both in bounds.items()}
            yield {**named, "date": day, "value": value, "intervals": pairs}


def _asked_series(model: FittedModel) -> tuple[str, ...]:
    """The series that a service is asked for: the first of the model."""
    return model.keys[:COMPARED_SERIES]


def _newer_history(model: FittedModel, horizon: int) -> History:
    """As many steps as a forecast needs, of every series, ending seven after the model's own data.

    The values are the model's own forecasts, so that they have the size of the series.
    """
    days = days_needed(model.recipe, model.season, 0, model.calendar)
    ahead = min(days, MAX_HORIZON)
    own = forecast(_with_columns_ahead(model, ahead), ahead)
    values = np.tile(own, (1, math.ceil(days / own.shape[1])))[:, :days]
    cutoff = model.calendar.after(model.cutoff, _SEVEN)
    known = model.known
    if known is not None:
        known = replace(known, values=_repeated_columns(model, days + horizon), past=days)
    return History(values, cutoff, model.season, MAX_HORIZON, model.lower, model.calendar, known)


def _with_newer_history(model: FittedModel, horizon: int) -> FittedModel:
    return replace(update(model, _newer_history(model, horizon), model.keys), intervals=model.intervals)


def _with_columns_ahead(model: FittedModel, horizon: int) -> FittedModel:
    """The model with assumed values of the columns that are known in advance."""
    if model.known is None:
        return model
    return replace(model, known=model.known.continued(_repeated_columns(model, horizon)))


def _repeated_columns(model: FittedModel, steps: int) -> Array:
    """The columns' last values that the model knows, a season of them, again and again."""
    values = model.known.values if model.known else np.zeros((len(model.keys), 1, 0))
    season = values[:, -model.season :]
    return np.tile(season, (1, math.ceil(steps / season.shape[1]), 1))[:, :steps]


def _future(model: FittedModel, horizon: int) -> Document:
    """What a request says about the columns ahead."""
    if model.known is None or not model.known.columns:
        return {}
    ahead = _repeated_columns(model, horizon)
    return {"future": _by_series(model, [_columns(model.known, values) for values in ahead])}


def _as_request(model: FittedModel, history: History) -> Document:
    """The history of the series that are asked for, as a request gives it.

    Without columns it is written day by day: services of earlier releases read no other form.
    """
    days = [day.isoformat() for day in model.calendar.range(history.first, history.days)]
    lines: list[Any] = []
    for row, values in enumerate(history.values.tolist()):
        if history.known is not None and history.known.columns:
            columns = _columns(history.known, history.known.values[row, : history.days])
            lines.append({"from": days[0], "values": values, "columns": columns})
        else:
            lines.append([{"date": day, "value": value} for day, value in zip(days, values, strict=True)])
    return _by_series(model, lines)


def _by_series(model: FittedModel, parts: Sequence[Any]) -> Document:
    return dict(zip(_asked_series(model), parts, strict=False))


def _columns(known: Known, values: Array) -> Document:
    """The values of one series by column. values: shape (steps, columns)."""
    return {column.name: column.texts(values[:, place]) for place, column in enumerate(known.columns)}
