"""What a request may hold: a question that can be answered, and the checks of single values."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import TypeGuard, cast

from forecasting.calendars import Calendar
from forecasting.known import Known
from forecasting.limits import FIRST_DAY, LARGEST, LAST_DAY
from forecasting.models.recipe import History

MAX_HISTORY_DAYS = 1500
SHOWN = 40
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
    """A request that can be answered. series: names, in the order of the answer.

    history: a row for each series. known: what the request says of days ahead, and with a history of its days.
    """

    horizon: int
    series: tuple[str, ...]
    history: History | None = None
    known: Known | None = None

    @property
    def always_the_same(self) -> bool:
        """Whether the answer depends on the model alone."""
        return self.history is None and self.known is None


def check_day(field: str, text: object, calendar: Calendar) -> date:
    """A date of the calendar. Raises: QuestionError."""
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


def check_number(field: str, value: object, lower: float | None) -> float:
    """A finite number that is not below `lower`. Raises: QuestionError."""
    least = -LARGEST if lower is None else lower
    if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= LARGEST:
        raise QuestionError(field, f"a number from {least:g} to {LARGEST:g}", value)
    return float(value)


def check_numbers(field: str, values: Sequence[object], lower: float | None) -> list[float]:
    """Numbers, all at once where nothing is wrong. Raises: QuestionError with the place of the first mistake."""
    if are_numbers(values, lower):
        return list(map(float, values))
    return [check_number(f"{field}[{place}]", value, lower) for place, value in enumerate(values)]


def are_numbers(values: Sequence[object], lower: float | None) -> TypeGuard[Sequence[float]]:
    """Whether all are finite numbers that are not below `lower`."""
    if not {*map(type, values)} <= {int, float}:
        return False
    numbers = cast("Sequence[float]", values)
    least = -LARGEST if lower is None else lower
    # NaN compares false with everything, and the smallest of many may hide it: the sum does not.
    return least <= min(numbers) and max(numbers) <= LARGEST and math.isfinite(sum(numbers))
