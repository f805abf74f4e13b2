"""When a recurrence fires. Pure: no clock, no store.

Source: the docstring of the SDK's `ScheduleRecurrence`. What it leaves open is read as in Azure Logic Apps (assumed):
the limits of the interval; a Day or Week without hours, minutes or week days takes those of its start; a month that
lacks the start's day fires on its last one.
"""

from __future__ import annotations

import calendar
import csv
import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib import resources
from itertools import count
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from local_azure.machine_learning.errors import bad_request

FREQUENCIES = ("Month", "Week", "Day", "Hour", "Minute")  # at the index that the client accepts as their code
WEEK_DAYS = tuple(calendar.day_name)
_MOST = {"Month": 16, "Week": 71, "Day": 500, "Hour": 12_000, "Minute": 72_000}
_STEPS = {"Minute": dt.timedelta(minutes=1), "Hour": dt.timedelta(hours=1)}
_FIRST_YEAR, _LAST_YEAR = 1970, 2200
_TIMED = ("Day", "Week")


@cache
def _windows_zones() -> dict[str, str]:
    """IANA name of each Windows time zone. Source: Unicode CLDR, windowsZones, territory 001."""
    text = resources.files(__package__).joinpath("windows_zones.csv").read_text(encoding="utf-8")
    return {row["windows"].lower(): row["iana"] for row in csv.DictReader(text.splitlines())}


def time_zone(name: str | None) -> ZoneInfo:
    """The zone of a Windows name, UTC for None; raises a 400 that names it."""
    try:
        return ZoneInfo(_windows_zones()[(name or "UTC").lower()])
    except KeyError as error:
        raise bad_request(f"'{name}' is not a time zone; expected a Windows name such as 'UTC'.") from error
    except ZoneInfoNotFoundError as error:
        raise bad_request(
            f"This machine has no data on the time zone '{name}'; install the package tzdata."
        ) from error


@dataclass(frozen=True)
class Recurrence:
    """A recurrence from `anchor` on: its start in its zone, or without one the moment of its creation."""

    frequency: str
    interval: int
    anchor: dt.datetime
    has_start: bool
    times: tuple[dt.time, ...]
    week_days: frozenset[int]
    is_timed: bool

    def first(self, created: dt.datetime) -> dt.datetime:
        """First firing of a recurrence made at this moment: at once when it names no start."""
        return self.next_after(created) if self.has_start else created

    def next_after(self, moment: dt.datetime) -> dt.datetime:
        """First firing later than a moment, in UTC.

        Minutes and hours are counted; days, weeks and months keep the time on the wall across changes of the clock.
        """
        start = self.anchor.astimezone(dt.UTC)
        if self.frequency in _STEPS:
            step = _STEPS[self.frequency] * self.interval
            return start if start > moment else start + ((moment - start) // step + 1) * step
        for day in self._days(max(moment.astimezone(self.anchor.tzinfo), self.anchor).date()):
            for time in self.times:
                firing = dt.datetime.combine(day, time, self.anchor.tzinfo).astimezone(dt.UTC)
                # A start that is itself one of the times does not fire, says the SDK.
                if firing > moment and (firing > start or (firing == start and not self.is_timed)):
                    return firing
        raise AssertionError("unreachable: days do not end")

    def _days(self, first: dt.date) -> Iterator[dt.date]:
        days = (first + dt.timedelta(days=number) for number in count())
        return (day for day in days if self._fires_on(day))

    def _fires_on(self, day: dt.date) -> bool:
        origin = self.anchor.date()
        if self.frequency == "Day":
            return (day - origin).days % self.interval == 0
        if self.frequency == "Week":
            monday = origin - dt.timedelta(days=origin.weekday())
            return day.weekday() in self.week_days and (day - monday).days // 7 % self.interval == 0
        months = (day.year - origin.year) * 12 + day.month - origin.month
        last = calendar.monthrange(day.year, day.month)[1]
        return months % self.interval == 0 and day.day == min(origin.day, last)


def parse(document: dict[str, Any], created: dt.datetime) -> Recurrence:
    """A recurrence as the client sends it. created: its anchor when it names no start. Raises a 400."""
    frequency, interval = _frequency(document.get("Frequency")), document.get("Interval")
    if not isinstance(interval, int) or not 1 <= interval <= _MOST[frequency]:
        raise bad_request(
            f"The interval of a recurrence by {frequency} is 1 to {_MOST[frequency]}, not {interval!r}."
        )
    detail = document.get("Schedule") or {}
    hours, minutes = _numbers(detail, "Hours", 23), _numbers(detail, "Minutes", 59)
    week_days = [_week_day(day) for day in detail.get("WeekDays") or []]
    if (hours or minutes) and frequency not in _TIMED:
        raise bad_request("Hours and minutes need the frequency Day or Week.")
    if week_days and frequency != "Week":
        raise bad_request("Week days need the frequency Week.")
    start, zone = document.get("StartTime"), time_zone(document.get("TimeZone"))
    anchor = _start(start, zone) if start else created.astimezone(zone)
    seconds = 0 if hours or minutes else anchor.second
    times = [dt.time(h, m, seconds) for h in hours or [anchor.hour] for m in minutes or [anchor.minute]]
    return Recurrence(
        frequency=frequency,
        interval=interval,
        anchor=anchor,
        has_start=bool(start),
        times=tuple(sorted(times)),
        week_days=frozenset(week_days or [anchor.weekday()]),
        is_timed=bool(hours or minutes or week_days),
    )


def _frequency(word: object) -> str:
    text = str(word)
    if text in FREQUENCIES:
        return text
    if text in map(str, range(len(FREQUENCIES))):
        return FREQUENCIES[int(text)]
    raise bad_request(f"'{word}' is not a frequency; expected one of {', '.join(FREQUENCIES)}.")


def _numbers(detail: dict[str, Any], key: str, most: int) -> list[int]:
    given = detail.get(key) or []
    if not all(isinstance(number, int) and 0 <= number <= most for number in given):
        raise bad_request(f"{key} of a recurrence are numbers from 0 to {most}, not {given}.")
    return sorted(set(given))


def _week_day(word: object) -> int:
    text = str(word).capitalize()
    if text in WEEK_DAYS:
        return WEEK_DAYS.index(text)
    if text in map(str, range(7)):
        return int(text)
    raise bad_request(f"'{word}' is not a week day.")


def _start(text: object, zone: ZoneInfo) -> dt.datetime:
    try:
        start = dt.datetime.fromisoformat(str(text))
    except ValueError as error:
        raise bad_request(f"'{str(text)[:40]}' is not a start time; expected YYYY-MM-DDThh:mm:ss.") from error
    if not _FIRST_YEAR <= start.year <= _LAST_YEAR:
        raise bad_request(f"A schedule starts between {_FIRST_YEAR} and {_LAST_YEAR}, not in {start.year}.")
    return start.replace(tzinfo=zone) if start.tzinfo is None else start.astimezone(zone)
