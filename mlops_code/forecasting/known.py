"""What is known in advance: columns such as a promotion or a price, and a country's holidays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import TYPE_CHECKING

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
