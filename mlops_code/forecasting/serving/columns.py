"""Columns that are known in advance, as a request gives them: for each series an object with a list a column."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from forecasting.known import Column, Known
from forecasting.models.recipe import Array
from forecasting.serving.questions import SHOWN, QuestionError, check_numbers


def columns_of(field: str, given: object, known: Known, steps: int) -> Array:
    """The values of one series, shape (steps, columns). Raises: QuestionError."""
    names = [column.name for column in known.columns]
    if not isinstance(given, Mapping) or set(given) != set(names):
        found = sorted(given) if isinstance(given, Mapping) else given
        raise QuestionError(field, f"an object with the columns {', '.join(names)}", found)
    values = [_values(f"{field}.{column.name}", given[column.name], column, steps) for column in known.columns]
    return np.array(values, dtype=np.float64).reshape(len(names), steps).T


def ahead_of(given: object, names: Sequence[str], known: Known, horizon: int) -> Array:
    """The values of each series, shape (series, horizon, columns). Raises: QuestionError."""
    if not isinstance(given, Mapping) or set(given) != set(names):
        found = [str(name)[:SHOWN] for name in given] if isinstance(given, Mapping) else given
        raise QuestionError("future", f"an object for each requested series, such as {names[0]}", found)
    return np.stack([columns_of(f"future.{name}", given[name], known, horizon) for name in names])


def _values(field: str, given: Any, column: Column, steps: int) -> list[float]:
    if not isinstance(given, list) or len(given) != steps:
        found = f"{len(given)} values" if isinstance(given, list) else given
        raise QuestionError(field, f"a list of {steps} values", found)
    if not column.categories:
        return check_numbers(field, given, None)
    places = {name: float(place) for place, name in enumerate(column.categories)}
    for place, value in enumerate(given):
        if not isinstance(value, str) or value not in places:
            raise QuestionError(f"{field}[{place}]", f"one of {', '.join(column.categories)}", value)
    return [places[value] for value in given]
