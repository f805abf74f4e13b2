"""How the steps of a series follow each other: daily, on business days, weekly or monthly, and what follows from it.

A step is a day, a business day, a week or a month; a series has one value a step and dates it by one day. Each step
has a number, so that a distance is a subtraction.

    calendar = calendar_of("week-sunday")
    calendar.after(date(2024, 3, 3), 2)    # 2024-03-17
    calendar.count(2)                      # "2 weeks"
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:  # the build scripts read problem files and need no numpy
    import numpy as np
    from numpy.typing import NDArray

    Days = NDArray[np.datetime64]
    Numbers = NDArray[np.int64]

WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_WEEK = 7
_WORKDAYS = 5
_YEAR = 12
_EPOCH = date(1970, 1, 1)
_THURSDAY = 3  # weekday of the epoch
_MONTHS_BEFORE_EPOCH = _EPOCH.year * _YEAR
_ONE_DAY = timedelta(days=1)


class Rhythm(Protocol):
    """The arithmetic of a frequency. A number is that of the newest step dated on or before a day."""

    def number(self, day: date) -> int: ...
    def date_of(self, number: int) -> date: ...
    def numbers(self, days: Days) -> Numbers: ...
    def dates(self, numbers: Numbers) -> Days: ...


@dataclass(frozen=True)
class _Weekly:
    """So many steps a week, on the days that follow each other from a weekday on; weekday: 0 is Monday."""

    weekday: int
    a_week: int

    def number(self, day: date) -> int:
        week, place = divmod((day - _EPOCH).days + _THURSDAY - self.weekday, _WEEK)
        return week * self.a_week + min(place, self.a_week - 1)

    def date_of(self, number: int) -> date:
        week, place = divmod(number, self.a_week)
        return _EPOCH + timedelta(days=week * _WEEK + place + self.weekday - _THURSDAY)

    def numbers(self, days: Days) -> Numbers:
        week, place = divmod(_epoch_days(days) + (_THURSDAY - self.weekday), _WEEK)
        numbers: Numbers = week * self.a_week + place.clip(max=self.a_week - 1)
        return numbers

    def dates(self, numbers: Numbers) -> Days:
        week, place = divmod(numbers, self.a_week)
        return (week * _WEEK + place + (self.weekday - _THURSDAY)).astype("datetime64[D]")


@dataclass(frozen=True)
class _Monthly:
    """A step a month, dated by its first day or, with at_end, by its last one."""

    at_end: bool

    def number(self, day: date) -> int:
        day += _ONE_DAY * self.at_end  # the day after the last day of a month is the first one of the next
        return day.year * _YEAR + day.month - 1 - _MONTHS_BEFORE_EPOCH - self.at_end

    def date_of(self, number: int) -> date:
        year, month = divmod(number + _MONTHS_BEFORE_EPOCH + self.at_end, _YEAR)
        return date(year, month + 1, 1) - _ONE_DAY * self.at_end

    def numbers(self, days: Days) -> Numbers:
        months: Numbers = (days.astype("datetime64[D]") + int(self.at_end)).astype("datetime64[M]").astype("int64")
        return months - int(self.at_end)

    def dates(self, numbers: Numbers) -> Days:
        return (numbers + int(self.at_end)).astype("datetime64[M]").astype("datetime64[D]") - int(self.at_end)


@dataclass(frozen=True)
class Defaults:
    """What a new problem file starts with. horizon, origin_step, minimum: steps; origins: a count.

    minimum: the history below which a delivery is refused. ended: without rows for longer, a series counts as ended.
    """

    horizon: int
    origins: int
    origin_step: int
    minimum: int
    ended: int


@dataclass(frozen=True)
class Lags:
    """What the direct recipes see. seasons: how many; single: of them one by one; recent: windows of newest steps."""

    seasons: int
    single: int
    recent: tuple[int, ...] = ()


@dataclass(frozen=True, repr=False)
class Calendar:
    """One frequency. season and year: steps after which the pattern repeats; a year is a multiple of a season.

    frequency: as problem files, models and records write it. part: what a place in the season is called, a weekday or
    a month. group: steps ahead that are shown together, with the name of so many steps.
    """

    frequency: str
    unit: str
    adjective: str
    season: int
    year: int
    part: str
    group: tuple[int, str]
    lags: Lags
    defaults: Defaults
    expected: str
    """What a date must be, such as "a Sunday"; for messages."""
    resampled: str
    """The name of this frequency in pandas' `resample`, for messages."""
    rhythm: Rhythm

    def __repr__(self) -> str:
        return f"calendar_of({self.frequency!r})"

    def number(self, day: date) -> int:
        """The number of the newest step that is dated on or before a day."""
        return self.rhythm.number(day)

    def date_of(self, number: int) -> date:
        """The date of a step."""
        return self.rhythm.date_of(number)

    def numbers(self, days: Days) -> Numbers:
        """As `number`, of an array of type datetime64."""
        return self.rhythm.numbers(days)

    def dates_of(self, numbers: Numbers) -> Days:
        """As `date_of`, of an array."""
        return self.rhythm.dates(numbers)

    def dates(self, first: date, steps: Numbers) -> Days:
        """The dates so many steps after a date, of type datetime64[D]."""
        return self.dates_of(steps + self.number(first))

    def holds(self, day: date) -> bool:
        """Whether a day is the date of a step."""
        return self.last_until(day) == day

    def after(self, day: date, steps: int) -> date:
        """The date so many steps after a date; steps may be negative."""
        return self.date_of(self.number(day) + steps)

    def between(self, first: date, last: date) -> int:
        """The number of steps from one date to another; 0 for the same."""
        return self.number(last) - self.number(first)

    def range(self, first: date, count: int) -> list[date]:
        """So many dates in a row."""
        start = self.number(first)
        return [self.date_of(number) for number in range(start, start + count)]

    def first_from(self, day: date) -> date:
        """The earliest date of a step that is not before a day."""
        return self.after(day - _ONE_DAY, 1)

    def last_until(self, day: date) -> date:
        """The latest date of a step that is not after a day."""
        return self.date_of(self.number(day))

    @property
    def part_names(self) -> Sequence[str]:
        """The places of a season, in order: weekdays, or months where a season is a year."""
        return MONTHS if self.season == self.year else [name[:3] for name in WEEKDAYS[: self.season]]

    def parts_of(self, days: Days) -> Numbers:
        """The place of each date in the season, as an index of `part_names`."""
        if self.season == self.year:
            return days.astype("datetime64[M]").astype("int64") % _YEAR
        return (_epoch_days(days) + _THURSDAY) % _WEEK

    @property
    def units(self) -> str:
        """More than one step, in words."""
        return f"{self.unit}s"

    def count(self, steps: int) -> str:
        """A number of steps in words, such as "1 week" or "28 days"."""
        return f"{steps} {self.unit if steps == 1 else self.units}"

    def ahead(self, steps: int) -> str:
        """A horizon in words, such as "13 weeks ahead"."""
        return f"{self.count(steps)} ahead"


def _epoch_days(days: Days) -> Numbers:
    numbers: Numbers = days.astype("datetime64[D]").astype("int64")
    return numbers


DAILY = Calendar(
    "day", "day", "daily", season=7, year=364, part="weekday", group=(7, "week"),
    lags=Lags(8, 4), defaults=Defaults(28, 8, 7, 120, 28), expected="a day", resampled="D", rhythm=_Weekly(0, _WEEK),
)  # fmt: skip
BUSINESS_DAYS = Calendar(
    "business-day", "business day", "business-day", season=5, year=260, part="weekday", group=(5, "week"),
    lags=Lags(8, 4), defaults=Defaults(20, 8, 5, 120, 20), expected="a day from Monday to Friday", resampled="B",
    rhythm=_Weekly(0, _WORKDAYS),
)  # fmt: skip


def _weeks(weekday: int) -> Calendar:
    name = WEEKDAYS[weekday]
    return Calendar(
        f"week-{name.lower()}", "week", "weekly", season=52, year=52, part="month", group=(4, "4 weeks"),
        lags=Lags(2, 1, (1, 4, 13)), defaults=Defaults(12, 8, 2, 208, 8), expected=f"a {name}",
        resampled=f"W-{name[:3].upper()}", rhythm=_Weekly(weekday, 1),
    )  # fmt: skip


def _months(frequency: str, *, at_end: bool) -> Calendar:
    return Calendar(
        frequency, "month", "monthly", season=12, year=12, part="month", group=(3, "3 months"),
        lags=Lags(2, 1, (1, 3)), defaults=Defaults(6, 12, 1, 72, 3), resampled="ME" if at_end else "MS",
        expected=f"the {'last' if at_end else 'first'} day of a month", rhythm=_Monthly(at_end),
    )  # fmt: skip


MONTHLY = _months("month", at_end=False)
MONTH_ENDS = _months("month-end", at_end=True)
WEEKLY = tuple(_weeks(weekday) for weekday in range(_WEEK))
CALENDARS = {calendar.frequency: calendar for calendar in (DAILY, BUSINESS_DAYS, *WEEKLY, MONTHLY, MONTH_ENDS)}


def calendar_of(frequency: str) -> Calendar:
    """The calendar of a frequency. Raises: ValueError with all that there are."""
    if frequency not in CALENDARS:
        raise ValueError(f"frequency {frequency!r} is unknown, expected one of {', '.join(CALENDARS)}")
    return CALENDARS[frequency]


def inferred(days: Iterable[date]) -> Calendar | None:
    """The coarsest calendar whose dates these are, more than every second one; None where there is none.

    days: of one series or of a whole table, in any order, repeated or not.
    """
    known = sorted(set(days))
    if not known:
        return None

    def span(calendar: Calendar) -> int:
        return calendar.between(known[0], known[-1]) + 1

    fitting = [calendar for calendar in CALENDARS.values() if all(map(calendar.holds, known))]
    coarsest = min(fitting, key=span)  # a tie, as of the days of one week, is the finer one's
    return coarsest if len(known) * 2 > span(coarsest) else None
