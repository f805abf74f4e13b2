"""What is known in advance: columns such as a promotion or a price, and a country's holidays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

from forecasting.limits import LARGEST

if TYPE_CHECKING:  # the build scripts read problem files and need no numpy
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

HOLIDAY_FLAGS = 3  # a holiday, the day before one, the day after one
MAX_COLUMNS = 20
MAX_CATEGORIES = 20  # of one column: each is a feature of its own


@dataclass(frozen=True)
class Column:
    """A column that is known in advance. categories: what its texts may be; empty for a column of numbers."""

    name: str
    categories: tuple[str, ...] = ()

    @property
    def width(self) -> int:
        """The number of features that one value becomes."""
        return len(self.categories) or 1

    def texts(self, values: Array) -> list[float] | list[str]:
        """Values as a person writes them: the names of categories, or the numbers."""
        numbers: list[float] = values.tolist()
        return [self.categories[int(number)] for number in numbers] if self.categories else numbers


@dataclass(frozen=True)
class Holidays:
    """The holidays of a country, all of them from day `first` to day `last`; days: in order."""

    country: str
    first: date
    last: date
    days: tuple[date, ...]

    def flags(self, days: Sequence[date]) -> list[list[float]]:
        """HOLIDAY_FLAGS numbers a day. Raises: ValueError for a day whose holidays are not known."""
        known, one = frozenset(self.days), timedelta(days=1)
        for day in (min(days) - one, max(days) + one):
            if not self.first <= day <= self.last:
                raise ValueError(f"the holidays of {day} are not known, only those from {self.first} to {self.last}")
        return [[float(day in known), float(day + one in known), float(day - one in known)] for day in days]

    def near(self, days: Sequence[date]) -> list[bool]:
        """Whether each day is a holiday or next to one; a day whose holidays are not known is not."""
        one = timedelta(days=1)
        unusual = {day + one * beside for day in self.days for beside in (-1, 0, 1)}
        return [day in unusual for day in days]


@dataclass(frozen=True)
class Known:
    """Values of columns that are known in advance, with a country's holidays.

    values: shape (series, days, columns), finite; of a column of categories the number of the category.
    past: how many of the days end with the cutoff; those behind them are ahead.
    """

    columns: tuple[Column, ...]
    values: Array
    past: int
    holidays: Holidays | None = None

    @property
    def ahead(self) -> int:
        """Number of days after the cutoff whose values are known."""
        return int(self.values.shape[1]) - self.past

    def until(self, days: int) -> Known:
        """The same values with a cutoff after the first `days` days; what lies behind it stays known."""
        return replace(self, past=days)

    def last(self, days: int) -> Known:
        """Only so many days up to the cutoff, and all days ahead."""
        skipped = max(0, self.past - days)
        return replace(self, values=self.values[:, skipped:], past=self.past - skipped)

    def rows(self, index: Sequence[int]) -> Known:
        """The values of some of the series."""
        return replace(self, values=self.values[list(index)])

    def continued(self, ahead: Array) -> Known:
        """The same past with other days ahead; ahead: shape (series, days, columns)."""
        import numpy as np

        return replace(self, values=np.concatenate([self.values[:, : self.past], ahead], axis=1))

    @property
    def width(self) -> int:
        """The number of features of a day."""
        return sum(column.width for column in self.columns)

    def features(self, start: int, stop: int) -> Array:
        """Shape (series, stop - start, width); days are counted from the cutoff: day 0 is the first one after it.

        Raises: ValueError where a value is not known.
        """
        import numpy as np

        if self.past + start < 0 or stop > self.ahead:
            names = ", ".join(column.name for column in self.columns)
            raise ValueError(f"{names} is known for {self.ahead} days ahead, expected {stop}")
        values = self.values[:, self.past + start : self.past + stop]
        parts = [
            np.eye(column.width)[values[:, :, place].astype(np.int64)] if column.categories else values[:, :, [place]]
            for place, column in enumerate(self.columns)
        ]
        return np.concatenate(parts, axis=2) if parts else np.zeros((*values.shape[:2], 0))


def described(known: Known) -> dict[str, Any]:
    """Everything but the values, as JSON."""
    holidays = known.holidays
    return {
        "columns": [{"name": column.name, "categories": list(column.categories)} for column in known.columns],
        "past": known.past,
        "ahead": known.ahead,
        "holidays": holidays
        and {
            "country": holidays.country,
            "first": holidays.first.isoformat(),
            "last": holidays.last.isoformat(),
            "days": [day.isoformat() for day in holidays.days],
        },
    }


def known_of(document: Mapping[str, Any], values: Array) -> Known:
    """The opposite of `described`. values: shape (series, steps, columns).

    Raises: ValueError, KeyError, TypeError.
    """
    columns = tuple(_column(each) for each in document["columns"])
    past, ahead = document["past"], document["ahead"]
    if type(past) is not int or type(ahead) is not int or past < 1 or ahead < 0:
        raise ValueError(f"past {past!r} and ahead {ahead!r}, expected numbers of steps")
    if len(columns) > MAX_COLUMNS or len({column.name for column in columns}) != len(columns):
        raise ValueError(f"columns, expected at most {MAX_COLUMNS} different ones")
    if values.shape[1:] != (past + ahead, len(columns)):
        raise ValueError(f"values of shape {values.shape}, expected {(len(values), past + ahead, len(columns))}")
    for place, column in enumerate(columns):
        _demand_values(column, values[:, :, place])
    return Known(columns, values, past, _holidays(document["holidays"]))


def _column(document: Mapping[str, Any]) -> Column:
    name, categories = document["name"], document["categories"]
    texts = [name, *categories]
    if not isinstance(categories, list) or any(not isinstance(text, str) or not text for text in texts):
        raise ValueError("a column, expected a name and names of categories that are texts")
    if len(set(categories)) != len(categories) or len(categories) > MAX_CATEGORIES:
        raise ValueError(f"{name}: expected at most {MAX_CATEGORIES} different categories")
    return Column(name, tuple(categories))


def _demand_values(column: Column, values: Array) -> None:
    import numpy as np

    if not (np.abs(values) <= LARGEST).all():
        raise ValueError(f"{column.name} holds a value that is not a number up to {LARGEST:g}")
    if column.categories and not np.isin(values, np.arange(len(column.categories))).all():
        raise ValueError(f"{column.name} holds a category that does not exist")


def _holidays(document: Mapping[str, Any] | None) -> Holidays | None:
    if document is None:
        return None
    first, last = (date.fromisoformat(document[name]) for name in ("first", "last"))
    days = tuple(date.fromisoformat(day) for day in document["days"])
    if not isinstance(document["country"], str) or any(not first <= day <= last for day in days):
        raise ValueError(f"holidays, expected a country and days from {first} to {last}")
    return Holidays(document["country"], first, last, days)
