"""When the recurrence of a problem file fires next."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from forecasting.errors import UsageError
from forecasting.problem.problem_file import Problem
from forecasting.problem.schedule import Recurrence
from tests.story.product import write_problem

MONDAY = datetime(2026, 11, 30, 9, 0)


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ({"every": "minute", "interval": 15}, datetime(2026, 11, 30, 9, 15)),
        ({"every": "hour", "interval": 6}, datetime(2026, 11, 30, 12, 0)),
        ({"every": "day", "at": "08:00"}, datetime(2026, 12, 1, 8, 0)),
        ({"every": "day", "at": "09:01"}, datetime(2026, 11, 30, 9, 1)),
        ({"every": "day", "interval": 2, "start": "2026-11-29T07:00:00"}, datetime(2026, 12, 1, 7, 0)),
        ({"every": "week", "days": ["Monday"], "at": "05:00"}, datetime(2026, 12, 7, 5, 0)),
        ({"every": "week", "days": ["Monday", "Thursday"], "at": "05:00"}, datetime(2026, 12, 3, 5, 0)),
        ({"every": "week", "interval": 2, "start": "2026-11-23T05:00:00"}, datetime(2026, 12, 7, 5, 0)),
        ({"every": "month", "start": "2026-01-31T04:00:00"}, datetime(2026, 12, 31, 4, 0)),
        ({"every": "month", "interval": 3, "start": "2026-01-15T04:00:00"}, datetime(2027, 1, 15, 4, 0)),
        ({"every": "day", "start": "2027-02-01T06:00:00"}, datetime(2027, 2, 1, 6, 0)),
        ({"every": "day", "time_zone": "W. Europe Standard Time"}, None),
    ],
)
def test_it_fires_next(rule: dict[str, Any], expected: datetime | None) -> None:
    assert Recurrence.model_validate(rule).next_after(MONDAY) == expected


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("at", 900, 'hour and minute in quotes, such as "05:00"'),  # YAML reads 15:00 so
        ("at", "5:00", "hour and minute"),
        ("at", "24:00", "hour and minute"),
        ("start", "2024-13-45T99:00:00", "a moment in quotes"),
        ("start", "2024-02-30T00:00:00", "a moment in quotes"),
        ("start", None, "a text"),
        ("time_zone", "Europe/Berlin", "UTC or a Windows name"),
    ],
)
def test_what_is_no_moment_is_refused_when_the_problem_is_read(
    tmp_path: Path, key: str, value: object, expected: str
) -> None:
    rule = {"every": "week", key: value}
    path = write_problem(tmp_path / "demand.yml", {"schedule": {"recurrence": rule}})
    with pytest.raises(UsageError, match=f"recurrence.{key}: .*{expected}.*, found {value!r}"):
        Problem(path).schedule  # noqa: B018 - reading it is what is tested


def test_the_longest_interval_fires_within_the_days_that_are_searched() -> None:
    longest = Recurrence(every="month", interval=500, start="2026-11-30T08:59:59")
    assert longest.next_after(MONDAY) == datetime(2068, 7, 30, 8, 59, 59)


def test_it_is_said_in_words() -> None:
    assert (
        Recurrence(every="week", interval=2, days=("Monday",), at="05:00").words
        == "every 2 weeks on Monday at 05:00, UTC"
    )
    assert Recurrence(every="hour").words == "every hour, UTC"
