"""When recurrences fire: arithmetic of calendars, without a server."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from local_azure.machine_learning.engines.schedules.recurrence import parse, time_zone
from local_azure.machine_learning.errors import ApiError


def at(text: str) -> dt.datetime:
    """A moment in UTC, as "2026-01-31 10:00"."""
    return dt.datetime.fromisoformat(text).replace(tzinfo=dt.UTC)


def firings(document: dict[str, Any], created: str, number: int = 4) -> list[str]:
    """The first firings of a recurrence that is created at a moment."""
    rule = parse(document, at(created))
    found = [rule.first(at(created))]
    while len(found) < number:
        found.append(rule.next_after(found[-1]))
    return [f"{moment:%Y-%m-%d %H:%M}" for moment in found]


def test_without_a_start_the_first_comes_at_once() -> None:
    assert firings({"Frequency": "Minute", "Interval": 15}, "2026-01-01 10:07", 3) == [
        "2026-01-01 10:07",
        "2026-01-01 10:22",
        "2026-01-01 10:37",
    ]


@pytest.mark.parametrize(
    ("start", "expected"),
    [
        ("2020-01-13T12:55:00", ["2026-01-01 10:55", "2026-01-01 11:55"]),
        ("2026-02-01T12:55:00", ["2026-02-01 12:55", "2026-02-01 13:55"]),
    ],
)
def test_a_start_decides_the_minute_of_the_hour(start: str, expected: list[str]) -> None:
    assert firings({"Frequency": "3", "Interval": 1, "StartTime": start}, "2026-01-01 10:07", 2) == expected


def test_a_day_fires_at_each_hour_and_minute() -> None:
    times = {"Hours": [18, 6], "Minutes": [30, 0]}
    asked = {"Frequency": "Day", "Interval": 2, "StartTime": "2026-03-01T00:00:00", "Schedule": times}
    assert firings(asked, "2026-03-01 06:10", 5) == [
        "2026-03-01 06:30",
        "2026-03-01 18:00",
        "2026-03-01 18:30",
        "2026-03-03 06:00",
        "2026-03-03 06:30",
    ]


def test_a_start_that_is_one_of_the_times_does_not_fire() -> None:
    timed = {"Schedule": {"Hours": [6], "Minutes": [0]}}
    asked = {"Frequency": "Day", "Interval": 1, "StartTime": "2026-03-02T06:00:00"}
    assert firings({**asked, **timed}, "2026-03-01 00:00", 1) == ["2026-03-03 06:00"]
    assert firings(asked, "2026-03-01 00:00", 1) == ["2026-03-02 06:00"]


def test_a_day_without_times_keeps_that_of_its_start() -> None:
    asked = {"Frequency": "Day", "Interval": 3, "StartTime": "2026-01-30T08:15:00"}
    assert firings(asked, "2026-02-01 00:00", 3) == ["2026-02-02 08:15", "2026-02-05 08:15", "2026-02-08 08:15"]


def test_every_other_week_on_two_days() -> None:
    days = {"WeekDays": ["Wednesday", "Monday"], "Hours": [18], "Minutes": [30]}
    asked = {"Frequency": "Week", "Interval": 2, "StartTime": "2026-01-07T00:00:00", "Schedule": days}
    assert firings(asked, "2026-01-01 00:00") == [
        "2026-01-07 18:30",  # a Wednesday
        "2026-01-19 18:30",
        "2026-01-21 18:30",
        "2026-02-02 18:30",
    ]


def test_a_week_without_days_keeps_that_of_its_start() -> None:
    asked = {"Frequency": "Week", "Interval": 1, "StartTime": "2026-01-01T10:00:00"}
    assert firings(asked, "2026-01-02 00:00", 2) == ["2026-01-08 10:00", "2026-01-15 10:00"]


def test_a_month_that_is_too_short_fires_on_its_last_day() -> None:
    asked = {"Frequency": "Month", "Interval": 1, "StartTime": "2025-12-31T09:00:00"}
    assert firings(asked, "2026-01-01 00:00") == [
        "2026-01-31 09:00",
        "2026-02-28 09:00",
        "2026-03-31 09:00",
        "2026-04-30 09:00",
    ]


def test_days_keep_the_time_on_the_wall_when_the_clock_changes() -> None:
    asked = {
        "Frequency": "Day",
        "Interval": 1,
        "StartTime": "2026-03-28T09:00:00",
        "TimeZone": "W. Europe Standard Time",
    }
    assert firings(asked, "2026-03-27 00:00", 3) == ["2026-03-28 08:00", "2026-03-29 07:00", "2026-03-30 07:00"]


def test_hours_are_counted_when_the_clock_changes() -> None:
    asked = {
        "Frequency": "Hour",
        "Interval": 12,
        "StartTime": "2026-03-28T09:00:00",
        "TimeZone": "W. Europe Standard Time",
    }
    assert firings(asked, "2026-03-27 00:00", 3) == ["2026-03-28 08:00", "2026-03-28 20:00", "2026-03-29 08:00"]


@pytest.mark.usefixtures("server")  # before the SDK is imported
def test_every_time_zone_of_the_sdk_is_known() -> None:
    from azureml.pipeline.core import TimeZone

    assert all(time_zone(zone.value) for zone in TimeZone)


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ({"Frequency": "Year", "Interval": 1}, "not a frequency"),
        ({"Frequency": "Month", "Interval": 17}, "1 to 16"),
        ({"Frequency": "Day", "Interval": 0}, "1 to 500"),
        ({"Frequency": "Hour", "Interval": 1, "Schedule": {"Minutes": [5]}}, "Day or Week"),
        ({"Frequency": "Day", "Interval": 1, "Schedule": {"WeekDays": ["Monday"]}}, "frequency Week"),
        ({"Frequency": "Day", "Interval": 1, "Schedule": {"Hours": [24]}}, "from 0 to 23"),
        ({"Frequency": "Week", "Interval": 1, "Schedule": {"WeekDays": ["Someday"]}}, "not a week day"),
        ({"Frequency": "Day", "Interval": 1, "StartTime": "soon"}, "not a start time"),
        ({"Frequency": "Day", "Interval": 1, "TimeZone": "Europe/Berlin"}, "Windows name"),
    ],
)
def test_what_makes_no_sense_is_refused(document: dict[str, Any], said: str) -> None:
    with pytest.raises(ApiError, match=said):
        parse(document, at("2026-01-01 00:00"))
