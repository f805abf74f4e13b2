"""When a problem is retrained by itself: the section `schedule`, which the build scripts read and no step."""

from __future__ import annotations

import re
from datetime import date, datetime, time, timedelta
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from forecasting.calendars import WEEKDAYS
from forecasting.problem.sections import Section

WeekDay = Literal["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]
MAX_POLL_MINUTES = 1_440
_MOST_DAYS_AHEAD = 500 * 31 + 366
"""A day on which the longest interval fires lies within so many."""
_TIME = re.compile(r"[0-9]{2}:[0-9]{2}")
_MOMENT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}")


def _demanded(value: object, form: re.Pattern[str], moment: str, expected: str) -> object:
    """The value, which must have a form and be a moment that there is. Raises: ValueError."""
    if value is None or (isinstance(value, str) and form.fullmatch(value) and _exists(value, moment)):
        return value
    raise ValueError(expected)


def _exists(value: str, moment: str) -> bool:
    try:
        datetime.strptime(value, moment)
    except ValueError:
        return False
    return True


class Recurrence(Section):
    """Every so many minutes, hours, days, weeks or months; at: times of a day, of days and weeks only."""

    every: Literal["minute", "hour", "day", "week", "month"]
    interval: Annotated[int, Field(ge=1, le=500)] = 1
    days: Annotated[tuple[WeekDay, ...], Field(strict=False)] = ()
    at: str | None = None
    # Fixed, because a schedule without a start fires as soon as it is created; the first Monday counts the intervals.
    start: str = "2024-01-01T00:00:00"
    time_zone: Annotated[str, Field(max_length=64)] = "UTC"  # a Windows name, such as W. Europe Standard Time

    @field_validator("at", mode="before")
    @classmethod
    def _is_time_of_day(cls, value: object) -> object:
        """YAML reads 15:00 without quotes as a number."""
        return _demanded(value, _TIME, "%H:%M", 'expected hour and minute in quotes, such as "05:00"')

    @field_validator("start", mode="before")
    @classmethod
    def _is_moment(cls, value: object) -> object:
        return _demanded(
            value, _MOMENT, "%Y-%m-%dT%H:%M:%S", 'expected a moment in quotes, such as "2024-01-01T00:00:00"'
        )

    @field_validator("time_zone")
    @classmethod
    def _is_windows_name(cls, value: str) -> str:
        """Only Azure ML knows the whole list; a name of the other kind is found before anything is published."""
        if "/" in value:
            raise ValueError("expected UTC or a Windows name, such as W. Europe Standard Time")
        return value

    @model_validator(mode="after")
    def _fits_together(self) -> Recurrence:
        if self.days and self.every != "week":
            raise ValueError("days needs every: week")
        if self.at is not None and self.every not in ("day", "week"):
            raise ValueError("at needs every: day or every: week")
        return self

    @property
    def words(self) -> str:
        """Such as `every 2 weeks on Monday at 05:00, UTC`."""
        every = f"every {self.interval} {self.every}s" if self.interval > 1 else f"every {self.every}"
        days = f" on {', '.join(self.days)}" if self.days else ""
        at = f" at {self.at}" if self.at else ""
        return f"{every}{days}{at}, {self.time_zone}"

    def next_after(self, now: datetime) -> datetime | None:
        """When it fires next; None in another time zone than UTC. now: UTC, without a zone."""
        if self.time_zone != "UTC":
            return None
        start = datetime.fromisoformat(self.start)
        if now < start:
            now = start - timedelta(microseconds=1)
        if self.every in ("minute", "hour"):
            step = timedelta(**{f"{self.every}s": self.interval})
            return start + ((now - start) // step + 1) * step
        clock = time.fromisoformat(self.at) if self.at else start.time()
        days = (now.date() + timedelta(days=ahead) for ahead in range(_MOST_DAYS_AHEAD))
        moments = (datetime.combine(day, clock) for day in days if self._fires_on(day, start.date()))
        return next((moment for moment in moments if moment > now), None)

    def _fires_on(self, day: date, first: date) -> bool:
        """Whether it fires on a day; first: the day of its start, from which intervals are counted."""
        if self.every == "day":
            return (day - first).days % self.interval == 0
        if self.every == "month":
            months = (day.year - first.year) * 12 + day.month - first.month
            return day.day == first.day and months % self.interval == 0
        weeks = (day - timedelta(days=day.weekday()) - first + timedelta(days=first.weekday())).days // 7
        return WEEKDAYS[day.weekday()] in (self.days or (WEEKDAYS[first.weekday()],)) and weeks % self.interval == 0


class Schedule(Section):
    """recurrence: by the clock. on_data: when a marker says that data has come; asked every poll_minutes."""

    recurrence: Recurrence | None = None
    on_data: bool = False
    poll_minutes: Annotated[int, Field(ge=1, le=MAX_POLL_MINUTES)] = 5

    @model_validator(mode="after")
    def _fires(self) -> Schedule:
        if self.recurrence is None and not self.on_data:
            raise ValueError("nothing starts a training: give recurrence, or on_data: true")
        return self
