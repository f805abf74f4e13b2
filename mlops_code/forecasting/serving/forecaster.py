"""What the web service is asked and answers: a horizon, optionally some of the series, optionally newer history.

Everything is checked against the model before it is touched: unknown names, days that do not follow each other and
values out of bounds are refused with the field and what was expected there.
"""

from __future__ import annotations

import itertools
import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from functools import lru_cache
from typing import Any

import numpy as np

from forecasting.calendars import Calendar
from forecasting.limits import FIRST_DAY, LARGEST, LAST_DAY, MAX_HORIZON
from forecasting.models.catalog import FAMILIES, days_needed, forecast, update
from forecasting.models.recipe import FittedModel, History, Intervals, intervals_of

MAX_POINTS = 20_000  # series x days of one answer, some 2 MB
MAX_HISTORY_DAYS = 1500
SHOWN = 40
_FIELDS = ("horizon", "series", "history")
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")


class QuestionError(ValueError):
    """A field of a request that cannot be used. field: its path; expected: what it may hold."""

    def __init__(self, field: str, expected: str, found: object) -> None:
        self.field, self.expected = field, expected
        shown = repr(found)
        shown = shown if len(shown) <= SHOWN else f"{shown[:SHOWN]}..."
        super().__init__(f"{field}: expected {expected}, found {shown}")


@dataclass(frozen=True)
class Question:
    """A request that can be answered. series: names, in the order of the answer; history: a row for each of them."""

    horizon: int
    series: tuple[str, ...]
    history: History | None = None


class Forecaster:
    """A model with what is worked out once, so that a request costs little."""

    def __init__(self, model: FittedModel) -> None:
        self.model = model
        self._places = {key: place for place, key in enumerate(model.keys)}
        family = FAMILIES[model.recipe.name]
        one, two = (family.shapes(model.recipe, model.season, count, model.calendar) for count in (1, 2))
        self._by_series = {name for name in one if one[name] != two[name]}
        self._serves_others = self.many and family.serves_others(model.recipe)

    @property
    def many(self) -> bool:
        """Whether the model has more than one series, so that each entry of an answer names its own."""
        return len(self.model.keys) > 1

    def read(self, document: Mapping[str, Any]) -> Question:
        """Check a request. Raises: QuestionError."""
        for name in document:
            if name not in _FIELDS:
                raise QuestionError(f"unknown field {name[:SHOWN]}", f"only {', '.join(_FIELDS)}", document[name])
        horizon = document.get("horizon")
        if type(horizon) is not int or not 1 <= horizon <= MAX_HORIZON:
            units = self.model.calendar.units
            raise QuestionError("horizon", f"a whole number of {units} from 1 to {MAX_HORIZON}", horizon)
        given = document.get("history")
        names = self._names(document, None if given is None else self._known("history", given, given))
        if len(names) * horizon > MAX_POINTS:
            fewer = f"name fewer series or ask for fewer {self.model.calendar.units}"
            limit = f"series x horizon up to {MAX_POINTS}: {fewer}"
            raise QuestionError("series", limit, len(names) * horizon)
        history = None if "history" not in document else self._history(names, document["history"])
        return Question(horizon, names, history)

    def answer(self, question: Question) -> dict[str, Any]:
        """The forecast of each series and date, with the model's intervals, and the last date that the model knows.

        Raises: ValueError where a number is not finite.
        """
        model = self._model_for(question)
        values = forecast(model, question.horizon)
        bounds = intervals_of(model, values)
        if not all(np.isfinite(column).all() for column in (values, *itertools.chain(*bounds.values()))):
            raise ValueError("the model forecasts a value that is not finite")
        pairs = {f"{level:g}": np.stack(both, axis=2).tolist() for level, both in bounds.items()}
        days = _days_from(model.calendar, model.calendar.after(model.cutoff, 1), question.horizon)
        entries = []
        for row, (key, line) in enumerate(zip(question.series, values.tolist(), strict=True)):
            named = {"series": key} if self.many else {}
            for ahead, value in enumerate(line):
                entry = {**named, "date": days[ahead], "value": value}
                if pairs:
                    entry["intervals"] = {level: both[row][ahead] for level, both in pairs.items()}
                entries.append(entry)
        return {"forecast": entries, "data_until": model.cutoff.isoformat()}

    def _names(self, document: Mapping[str, Any], told: tuple[str, ...] | None) -> tuple[str, ...]:
        """The series that are asked for. told: those whose history is given."""
        if "series" not in document:
            return told or self.model.keys
        wanted = document["series"]
        if not isinstance(wanted, list):
            raise QuestionError("series", f"a list of names, such as [{json.dumps(self.model.keys[0])}]", wanted)
        names = self._known("series", wanted, told or ())
        if told is not None and set(told) != set(names):
            raise QuestionError("history", "the history of each series that is asked for, and no other", list(told))
        return names

    def _known(self, field: str, given: object, others: object) -> tuple[str, ...]:
        """Names of series, each known and given once. others: names that a global recipe serves as well."""
        expected = f"names of series of this model, such as {self.model.keys[0]}"
        if self._serves_others:
            expected += ", or of others with their history"
        if not isinstance(given, Mapping | Sequence) or isinstance(given, str) or not given:
            raise QuestionError(field, expected, given)
        more = others if self._serves_others and isinstance(others, Mapping | Sequence) else ()
        for name in given:
            if not isinstance(name, str) or not name or (name not in self._places and name not in more):
                raise QuestionError(field, expected, name)
        if len(set(given)) != len(given):
            raise QuestionError(field, "each name once", given)
        return tuple(given)

    def _history(self, names: tuple[str, ...], given: object) -> History:
        model = self.model
        if not isinstance(given, Mapping):
            raise QuestionError("history", f"an object with a list of {model.calendar.units} for each series", given)
        least = days_needed(model.recipe, model.season, 0, model.calendar)
        if not self._places.keys() >= set(names):
            least = max(least, model.season + 1)  # the intervals of an unknown series have the size of its changes
        lines = [_line(f"history.{name}", given[name], least, model.lower, model.calendar) for name in names]
        first, values = lines[0]
        for name, (start, numbers) in zip(names, lines, strict=True):
            if (start, len(numbers)) != (first, len(values)):
                days = f"the same {model.calendar.units} as the other series, {len(values)} from {first}"
                raise QuestionError(f"history.{name}", days, f"{len(numbers)} from {start}")
        cutoff = model.calendar.after(first, len(values) - 1)
        table = np.array([numbers for _, numbers in lines], dtype=np.float64)
        return History(table, cutoff, model.season, MAX_HORIZON, model.lower, model.calendar)

    def _model_for(self, question: Question) -> FittedModel:
        """The model with the rows that are asked for, and with the history that was given."""
        model = self.model
        if question.series != model.keys:
            rows = [self._places.get(name, 0) for name in question.series]  # the history replaces that of others
            arrays = {name: array[rows] if name in self._by_series else array for name, array in model.arrays.items()}
            served = model.intervals
            model = replace(
                model,
                keys=question.series,
                arrays=arrays,
                intervals=replace(served, scales=served.scales[rows]) if served else None,
            )
        if question.history is None:
            return model
        return replace(update(model, question.history, question.series), intervals=self._intervals(model, question))

    def _intervals(self, model: FittedModel, question: Question) -> Intervals | None:
        """The intervals of the model; those of unknown series in units of the seasonal changes of their history."""
        unknown = [row for row, name in enumerate(question.series) if name not in self._places]
        if model.intervals is None or question.history is None or not unknown:
            return model.intervals
        values, scales = question.history.values[unknown], model.intervals.scales.copy()
        scales[unknown] = np.abs(values[:, model.season :] - values[:, : -model.season]).mean(axis=1)
        return replace(model.intervals, scales=scales)


def _line(field: str, given: object, least: int, lower: float | None, calendar: Calendar) -> tuple[date, list[float]]:
    """First date and values of one series' history."""
    if not isinstance(given, list) or not least <= len(given) <= MAX_HISTORY_DAYS:
        found = calendar.count(len(given)) if isinstance(given, list) else given
        raise QuestionError(field, f"a list of {least} to {MAX_HISTORY_DAYS} {calendar.units}", found)
    plain = _plain_line(given, calendar, lower)
    if plain is not None:
        return plain
    values: list[float] = []
    first = expected = FIRST_DAY
    for place, entry in enumerate(given):
        here = f"{field}[{place}]"
        if not isinstance(entry, dict) or set(entry) != {"date", "value"}:
            raise QuestionError(here, "an object with date and value", entry)
        day = _day(f"{here}.date", entry["date"], calendar)
        if place == 0:
            first = expected = day
        if day != expected:
            raise QuestionError(
                f"{here}.date", f"{expected}, the {calendar.unit} after the one before", entry["date"]
            )
        expected = calendar.after(day, 1)
        values.append(_value(f"{here}.value", entry["value"], lower))
    return first, values


def _plain_line(given: list[Any], calendar: Calendar, lower: float | None) -> tuple[date, list[float]] | None:
    """First date and values where nothing is wrong, all at once; None where `_line` has to look for the mistake."""
    try:
        days, values = [entry["date"] for entry in given], [entry["value"] for entry in given]
        first, _ = _day("", days[0], calendar), _day("", days[-1], calendar)
    except (TypeError, KeyError, QuestionError):
        return None
    sound = (
        {*map(len, given)} == {2}
        and {*map(type, given)} == {dict}
        and {*map(type, values)} <= {int, float}
        and (-LARGEST if lower is None else lower) <= min(values)
        and max(values) <= LARGEST
        and all(map(math.isfinite, values))
        and days == _days_from(calendar, first, len(days))
    )
    return (first, [float(value) for value in values]) if sound else None


@lru_cache(maxsize=8)
def _days_from(calendar: Calendar, first: date, count: int) -> list[str]:
    """So many dates in a row, as a request writes them; the series of one request have the same ones."""
    return [day.isoformat() for day in calendar.range(first, count)]


def _day(field: str, text: object, calendar: Calendar) -> date:
    wanted = f"{calendar.expected} YYYY-MM-DD from {FIRST_DAY} to {LAST_DAY}"
    try:
        if not isinstance(text, str) or not _DAY.fullmatch(text):
            raise ValueError
        day = date.fromisoformat(text)
    except ValueError:
        raise QuestionError(field, wanted, text) from None
    if not FIRST_DAY <= day <= LAST_DAY or not calendar.holds(day):
        raise QuestionError(field, wanted, text)
    return day


def _value(field: str, value: object, lower: float | None) -> float:
    least = -LARGEST if lower is None else lower
    if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= LARGEST:
        raise QuestionError(field, f"a number from {least:g} to {LARGEST:g}", value)
    return float(value)
