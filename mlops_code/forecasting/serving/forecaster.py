"""What the web service is asked and answers: a horizon, optionally some of the series, optionally newer history.

Everything is checked against the model before it is touched: unknown names, days that do not follow each other and
values out of bounds are refused with the field and what was expected there.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from forecasting.known import Known
from forecasting.limits import MAX_HORIZON
from forecasting.models.catalog import FAMILIES, days_needed, forecast, learns, update
from forecasting.models.recipe import EVENTS, FittedModel, History, Intervals, intervals_of
from forecasting.serving.columns import ahead_of, columns_of
from forecasting.serving.histories import COLUMNS, Line, days_from, line_of
from forecasting.serving.questions import SHOWN, Question, QuestionError

MAX_POINTS = 20_000  # series x days of one answer, some 2 MB
_FIELDS = ("horizon", "series", "history", "future")


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
            fewer = f"name fewer series or request fewer {self.model.calendar.units}"
            limit = f"series x horizon up to {MAX_POINTS}: {fewer}"
            raise QuestionError("series", limit, len(names) * horizon)
        lines = None if "history" not in document else self._lines(names, document["history"])
        known = self._known_of(names, horizon, lines, document)
        question = Question(horizon, names, None if lines is None else self._history(lines), known)
        self._check_holidays(question)
        return question

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
        days = days_from(model.calendar, model.calendar.after(model.cutoff, 1), question.horizon)
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
            raise QuestionError("history", "the history of each requested series, and no other", list(told))
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

    def _lines(self, names: tuple[str, ...], given: object) -> list[Line]:
        """The history of each series, all of the same dates."""
        model = self.model
        if not isinstance(given, Mapping):
            raise QuestionError("history", f"an object with the {model.calendar.units} of each series", given)
        least = days_needed(model.recipe, model.season, 0, model.calendar)
        if not self._places.keys() >= set(names):
            least = max(least, model.season + 1)  # the intervals of an unknown series have the size of its changes
        lines = [line_of(f"history.{name}", given[name], least, model.lower, model.calendar) for name in names]
        one = lines[0]
        for name, line in zip(names, lines, strict=True):
            if (line.first, len(line.values)) != (one.first, len(one.values)):
                days = f"the same {model.calendar.units} as the other series, {len(one.values)} from {one.first}"
                raise QuestionError(f"history.{name}", days, f"{len(line.values)} from {line.first}")
        return lines

    def _history(self, lines: Sequence[Line]) -> History:
        model, days = self.model, len(lines[0].values)
        cutoff = model.calendar.after(lines[0].first, days - 1)
        table = np.array([line.values for line in lines], dtype=np.float64)
        return History(table, cutoff, model.season, MAX_HORIZON, model.lower, model.calendar)

    def _known_of(
        self, names: tuple[str, ...], horizon: int, lines: Sequence[Line] | None, document: Mapping[str, Any]
    ) -> Known | None:
        """What the request says about columns; None where the model's own values are enough."""
        known = self.model.known
        if known is None or not known.columns:
            if "future" in document:
                raise QuestionError("future", "no such field: this model has no columns known in advance", "future")
            return None if known is None or lines is None else self._without_columns(known, lines, horizon)
        needed = EVENTS in learns(self.model.recipe)
        if "future" not in document and not (needed and (lines is not None or horizon > known.ahead)):
            return None if lines is None else self._without_columns(known, lines, horizon)
        ahead = ahead_of(document.get("future"), names, known, horizon)
        if lines is None:
            return known.rows([self._places[name] for name in names]).continued(ahead)
        if not needed:
            return self._without_columns(known, lines, horizon)
        days = len(lines[0].values)
        past = [
            columns_of(f"history.{name}.{COLUMNS}", line.columns, known, days)
            for name, line in zip(names, lines, strict=True)
        ]
        return replace(known, values=np.concatenate([np.stack(past), ahead], axis=1), past=days)

    @staticmethod
    def _without_columns(known: Known, lines: Sequence[Line], horizon: int) -> Known:
        """The holidays alone, for the days of a history and those ahead."""
        days = len(lines[0].values)
        return replace(known, columns=(), values=np.zeros((len(lines), days + horizon, 0)), past=days)

    def _check_holidays(self, question: Question) -> None:
        """Refuse days whose holidays the model does not hold."""
        known, calendar = self.model.known, self.model.calendar
        if known is None or known.holidays is None:
            return
        cutoff = question.history.cutoff if question.history else self.model.cutoff
        last = known.holidays.last
        if calendar.after(cutoff, question.horizon + 1) > last:
            before = f"{calendar.units} before {last}, until which holidays are known"
            raise QuestionError("horizon", before, question.horizon)

    def _model_for(self, question: Question) -> FittedModel:
        """The model with the rows that are asked for, and with the history that was given."""
        model = self.model
        if question.series != model.keys:
            rows = [self._places.get(name, 0) for name in question.series]
            arrays = {name: array[rows] if name in self._by_series else array for name, array in model.arrays.items()}
            for name in self._by_series:
                arrays[name][self._unknown(question)] = np.nan  # for their history to replace
            served = model.intervals
            model = replace(
                model,
                keys=question.series,
                arrays=arrays,
                intervals=replace(served, scales=served.scales[rows]) if served else None,
                known=model.known.rows(rows) if model.known else None,
            )
        if question.history is None:
            return model if question.known is None else replace(model, known=question.known)
        history = replace(question.history, known=question.known)
        return replace(update(model, history, question.series), intervals=self._intervals(model, question))

    def _unknown(self, question: Question) -> list[int]:
        """The rows of series that the model does not know."""
        return [row for row, name in enumerate(question.series) if name not in self._places]

    def _intervals(self, model: FittedModel, question: Question) -> Intervals | None:
        """The intervals of the model; those of unknown series in units of the seasonal changes of their history."""
        unknown = self._unknown(question)
        if model.intervals is None or question.history is None or not unknown:
            return model.intervals
        values, scales = question.history.values[unknown], model.intervals.scales.copy()
        scales[unknown] = np.abs(values[:, model.season :] - values[:, : -model.season]).mean(axis=1)
        return replace(model.intervals, scales=scales)
