"""The arithmetic of frequencies: steps, dates, places in the season, words, and what a table's dates say."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from forecasting.calendars import (
    BUSINESS_DAYS,
    CALENDARS,
    DAILY,
    MONTH_ENDS,
    MONTHLY,
    Calendar,
    calendar_of,
    inferred,
)

ALL = st.sampled_from(list(CALENDARS.values()))
DAYS = st.dates(date(1900, 1, 1), date(2200, 12, 31))
SUNDAYS, MONDAYS = calendar_of("week-sunday"), calendar_of("week-monday")


@given(ALL, DAYS, st.integers(-2000, 2000))
def test_steps_are_numbered_without_a_gap(calendar: Calendar, day: date, steps: int) -> None:
    start = calendar.last_until(day)
    assert calendar.holds(start)
    assert start <= day < calendar.after(start, 1)
    assert calendar.between(start, calendar.after(start, steps)) == steps
    assert calendar.first_from(day) == (day if calendar.holds(day) else calendar.after(day, 1))


@given(ALL, DAYS)
def test_arrays_say_the_same_as_single_dates(calendar: Calendar, first: date) -> None:
    days = [first + timedelta(days=number) for number in range(40)]
    found = calendar.numbers(np.array(days, dtype="datetime64[D]"))
    assert found.tolist() == [calendar.number(day) for day in days]
    dates = calendar.dates(first, np.arange(-3, 30))
    assert dates.dtype == np.dtype("datetime64[D]")
    assert dates.tolist() == calendar.range(calendar.after(first, -3), 33)


@pytest.mark.parametrize(
    ("calendar", "day", "steps", "expected"),
    [
        (DAILY, date(2024, 2, 28), 2, date(2024, 3, 1)),
        (BUSINESS_DAYS, date(2024, 3, 1), 1, date(2024, 3, 4)),
        (BUSINESS_DAYS, date(2024, 3, 2), 1, date(2024, 3, 4)),
        (SUNDAYS, date(2024, 12, 29), 2, date(2025, 1, 12)),
        (MONTHLY, date(2023, 12, 1), 2, date(2024, 2, 1)),
        (MONTH_ENDS, date(2023, 12, 31), 2, date(2024, 2, 29)),
        (MONTH_ENDS, date(1969, 12, 31), 1, date(1970, 1, 31)),
        (MONTHLY, date(1900, 3, 1), -1, date(1900, 2, 1)),
    ],
)
def test_known_dates(calendar: Calendar, day: date, steps: int, expected: date) -> None:
    assert calendar.after(day, steps) == expected


@given(ALL)
def test_a_season_and_its_parts_belong_together(calendar: Calendar) -> None:
    days = calendar.dates(date(2023, 1, 1), np.arange(2 * calendar.year))
    parts = calendar.parts_of(days)
    assert set(parts.tolist()) == set(range(len(calendar.part_names)))
    assert calendar.year % calendar.season == 0
    first = [calendar.part_names[part] for part in calendar.parts_of(np.array(["2024-03-08"], "datetime64[D]"))]
    assert first == (["Mar"] if calendar.part == "month" else ["Fri"])


def test_words() -> None:
    assert [calendar.ahead(1) for calendar in (DAILY, SUNDAYS, MONTHLY)] == [
        "1 day ahead", "1 week ahead", "1 month ahead",
    ]  # fmt: skip
    assert (BUSINESS_DAYS.count(20), SUNDAYS.adjective, MONTH_ENDS.expected) == (
        "20 business days", "weekly", "the last day of a month",
    )  # fmt: skip


def test_an_unknown_frequency_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(ValueError, match="'week' is unknown, expected one of day, business-day, week-monday"):
        calendar_of("week")


@given(ALL, DAYS, st.integers(12, 60), st.integers(0, 3))
def test_a_table_of_a_frequency_is_known_by_its_dates(calendar: Calendar, day: date, count: int, gaps: int) -> None:
    dates = calendar.range(day, count)
    left = [dates[0], *dates[1 + gaps : -1], dates[-1]]
    assert inferred(reversed(left * 2)) == calendar


def test_dates_that_follow_no_calendar_or_leave_out_most_of_it_are_not_guessed() -> None:
    assert inferred([]) is None
    assert inferred(MONTHLY.range(date(2020, 1, 1), 60)[::3]) is None  # quarters
    assert inferred([date(2024, 1, 1) + timedelta(days=3 * number) for number in range(50)]) is None
    assert inferred([date(2024, 1, 1), date(2024, 1, 2)]) == DAILY  # a Monday and a Tuesday
