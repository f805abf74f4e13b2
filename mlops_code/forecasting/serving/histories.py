"""The history of a request: compact, {"from": DAY, "values": [...]}, or a list of {"date": DAY, "value": NUMBER}."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from typing import Any

from forecasting.calendars import Calendar
from forecasting.limits import LAST_DAY
from forecasting.serving.questions import (
    MAX_HISTORY_DAYS,
    QuestionError,
    are_numbers,
    check_day,
    check_number,
    check_numbers,
)

COMPACT = ("from", "values")
COLUMNS = "columns"  # of what is known in advance, in the compact form alone


@dataclass(frozen=True)
class Line:
    """The history of one series. columns: as the request gives them, not checked yet."""

    first: date
    values: list[float]
    columns: Mapping[str, Any] | None = None


def line_of(field: str, given: object, least: int, lower: float | None, calendar: Calendar) -> Line:
    """First date and values of one series' history. least: steps. Raises: QuestionError."""
    if isinstance(given, dict):
        return _compact(field, given, least, lower, calendar)
    if not isinstance(given, list) or not least <= len(given) <= MAX_HISTORY_DAYS:
        found = calendar.count(len(given)) if isinstance(given, list) else given
        raise QuestionError(field, _wanted(least, calendar), found)
    return _plain_list(given, calendar, lower) or _checked_list(field, given, calendar, lower)


@lru_cache(maxsize=8)
def days_from(calendar: Calendar, first: date, count: int) -> list[str]:
    """So many dates in a row, as a request writes them; the series of one request have the same ones."""
    return [day.isoformat() for day in calendar.range(first, count)]


def _wanted(least: int, calendar: Calendar) -> str:
    return f"a list of {least} to {MAX_HISTORY_DAYS} {calendar.units}, or an object with from and as many values"


def _compact(field: str, given: Mapping[str, Any], least: int, lower: float | None, calendar: Calendar) -> Line:
    """A history that names its first date alone."""
    if not {*COMPACT} <= given.keys() <= {*COMPACT, COLUMNS}:
        raise QuestionError(field, _wanted(least, calendar), given)
    first, values = check_day(f"{field}.from", given["from"], calendar), given["values"]
    if not isinstance(values, list) or not least <= len(values) <= MAX_HISTORY_DAYS:
        found = calendar.count(len(values)) if isinstance(values, list) else values
        raise QuestionError(f"{field}.values", f"{least} to {MAX_HISTORY_DAYS} numbers", found)
    if calendar.after(first, len(values) - 1) > LAST_DAY:
        most = f"{calendar.units} until {LAST_DAY}"
        raise QuestionError(f"{field}.values", most, calendar.count(len(values)))
    return Line(first, check_numbers(f"{field}.values", values, lower), given.get(COLUMNS))


def _plain_list(given: list[Any], calendar: Calendar, lower: float | None) -> Line | None:
    """All at once, where nothing is wrong; None where `_checked_list` has to look for the mistake."""
    try:
        days, values = [entry["date"] for entry in given], [entry["value"] for entry in given]
        first, _ = check_day("", days[0], calendar), check_day("", days[-1], calendar)
    except (TypeError, KeyError, QuestionError):
        return None
    sound = (
        {*map(len, given)} == {2}
        and {*map(type, given)} == {dict}
        and are_numbers(values, lower)
        and days == days_from(calendar, first, len(days))
    )
    return Line(first, [float(value) for value in values]) if sound else None


def _checked_list(field: str, given: list[Any], calendar: Calendar, lower: float | None) -> Line:
    """The same one by one. Raises: QuestionError with the place of the first mistake."""
    values: list[float] = []
    first = expected = date.min
    for place, entry in enumerate(given):
        here = f"{field}[{place}]"
        if not isinstance(entry, dict) or set(entry) != {"date", "value"}:
            raise QuestionError(here, "an object with date and value", entry)
        day = check_day(f"{here}.date", entry["date"], calendar)
        if place == 0:
            first = expected = day
        if day != expected:
            after = f"{expected}, the {calendar.unit} after the one before"
            raise QuestionError(f"{here}.date", after, entry["date"])
        expected = calendar.after(day, 1)
        values.append(check_number(f"{here}.value", entry["value"], lower))
    return Line(first, values)
