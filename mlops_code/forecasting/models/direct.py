"""Features of the direct models: what is known at an origin about a day after it, the same in training and service.

A row is (origin, series, step ahead). With `scaled`, a series is divided by its own mean size of the seasons that
are seen, so that one global model serves series of any size and any unit.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

import numpy as np

from forecasting.calendars import Calendar
from forecasting.models.recipe import Array, Days, History

LEVEL_FEATURES = 3
# Targets beyond this multiple of a series' size are cut: one delivery must not own the fit. On 500 real series, 20
# forecasts 14-21 % too low, 30 at most 9 %, and no cut gains nothing in RMSSE.
MAX_RATIO = 30.0
BLOCK = 2048  # series at a time, so that memory does not grow with their number


@dataclass(frozen=True)
class Recent:
    """The last seasons of each series. lags: shape (series, seasons, season), newest season first."""

    lags: Array
    scaled: bool
    calendar: Calendar

    @property
    def size(self) -> Array:
        """What each series is divided by, shape (series,); 0 for a series that was zero all the time."""
        return np.abs(self.lags).mean(axis=(1, 2)) if self.scaled else np.ones(len(self.lags))

    def features(self, first: date, steps: slice) -> Array:
        """Shape (series, steps, features) for the steps ahead in `steps`; first: the date after the cutoff."""
        season, single = self.lags.shape[2], self.calendar.lags.single
        ahead = np.arange(steps.start, steps.stop)
        size = self.size
        lags = self.lags / np.where(size > 0, size, 1.0)[:, None, None]
        means = np.stack([lags[:, :single].mean(axis=1), lags.mean(axis=1)], axis=1)
        same = np.concatenate([lags[:, :single], means], axis=1)[:, :, ahead % season].transpose(0, 2, 1)
        newest = [_repeated(lags[:, 0, -window:].mean(axis=1), len(ahead)) for window in self.calendar.lags.recent]
        dates = date_features(self.calendar.dates(first, ahead), self.calendar)
        parts = [same, *newest, np.broadcast_to(dates, (len(lags), *dates.shape))]
        if self.scaled:
            parts += _levels(lags, single, len(ahead))
        return np.concatenate(parts, axis=2, dtype=np.float64)


def lag_features(calendar: Calendar) -> int:
    """Number of features that are values of the series; they come first."""
    return calendar.lags.single + 2 + len(calendar.lags.recent)


def feature_count(scaled: bool, calendar: Calendar) -> int:
    """Number of features."""
    parts = len(calendar.part_names) + _has_month_ends(calendar)
    return lag_features(calendar) + parts + LEVEL_FEATURES * scaled


def lag_shape(calendar: Calendar, season: int, series: int) -> tuple[int, int, int]:
    """Shape of the lags that a fitted model keeps."""
    return series, calendar.lags.seasons, season


def recent_of(history: History, scaled: bool) -> Recent:
    """The lags at the cutoff of a history that has as many seasons as its calendar asks for."""
    return Recent(_lags(history, history.values, history.days), scaled, history.calendar)


def date_features(days: Days, calendar: Calendar) -> Array:
    """The place in the season as a column each, and for days whether one is the last of its month."""
    places = np.eye(len(calendar.part_names))[calendar.parts_of(days)]
    if not _has_month_ends(calendar):
        return places
    month_end = (days + 1).astype("datetime64[M]") != days.astype("datetime64[M]")
    return np.column_stack([places, month_end.astype(np.float64)])


def training_rows(history: History, scaled: bool, since: int, stride: int) -> Iterator[tuple[Array, Array]]:
    """Features and targets (in the series' size) of every training origin, a block of series at a time.

    Only targets on the days from number `since` to the last of the history, so that a fit of a later cutoff can add
    the new days to what an earlier one has summed up. stride: days between two training origins.
    """
    calendar = history.calendar
    start = calendar.lags.seasons * history.season
    first_origin = start + -(-max(0, since - history.horizon + 1 - start) // stride) * stride
    for origin in range(first_origin, history.days, stride):
        steps = slice(max(0, since - origin), min(history.horizon, history.days - origin))
        if steps.start >= steps.stop:
            continue
        cutoff = history.until(origin + 1).cutoff
        for block in range(0, len(history.values), BLOCK):
            values = history.values[block : block + BLOCK]
            recent = Recent(_lags(history, values, origin), scaled, calendar)
            alive = recent.size > 0  # a series that was zero all the time teaches no ratio
            features = Recent(recent.lags[alive], scaled, calendar).features(cutoff, steps)
            targets = values[alive, origin + steps.start : origin + steps.stop]
            if scaled:
                targets = np.clip(targets / recent.size[alive, None], -MAX_RATIO, MAX_RATIO)
            yield features.reshape(-1, features.shape[2]), np.ascontiguousarray(targets).ravel()


def _lags(history: History, values: Array, origin: int) -> Array:
    """The lags of some series at an origin."""
    shape = lag_shape(history.calendar, history.season, len(values))
    window = values[:, origin - shape[1] * shape[2] : origin]
    return np.ascontiguousarray(window.reshape(shape)[:, ::-1])


def _levels(lags: Array, single: int, steps: int) -> list[Array]:
    """Mean of the last season and of the last few, and how many steps of the last few are not zero."""
    few = lags[:, :single]
    columns = (lags[:, 0].mean(axis=1), few.mean(axis=(1, 2)), (few != 0).mean(axis=(1, 2)))
    return [_repeated(column, steps) for column in columns]


def _repeated(column: Array, steps: int) -> Array:
    """A number of each series as a feature of all steps, shape (series, steps, 1)."""
    return np.broadcast_to(column[:, None, None], (len(column), steps, 1))


def _has_month_ends(calendar: Calendar) -> bool:
    """Whether the ends of months can be told from other dates."""
    return calendar.part == "weekday"
