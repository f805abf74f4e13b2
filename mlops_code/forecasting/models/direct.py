"""Features of the direct models: what is known at an origin about a day after it, the same in training and service.

A row is (origin, series, day ahead). With `scaled`, a series is divided by its own mean size of the last eight
seasons, so that one global model serves series of any size and any unit.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

import numpy as np

from forecasting.models.recipe import Array, Days, History

LAG_SEASONS = 8  # same weekdays that a model sees: four one by one, and the means of four and of eight
SINGLE_LAGS = 4
WEEKDAYS = 7
LAG_FEATURES = SINGLE_LAGS + 2
PLAIN_FEATURES = LAG_FEATURES + WEEKDAYS + 1
SCALED_FEATURES = PLAIN_FEATURES + 3
# Targets beyond this multiple of a series' size are cut: one delivery must not own the fit. On 500 real series, 20
# forecasts 14-21 % too low, 30 at most 9 %, and no cut gains nothing in RMSSE.
MAX_RATIO = 30.0
BLOCK = 2048  # series at a time, so that memory does not grow with their number


@dataclass(frozen=True)
class Recent:
    """The last eight seasons of each series. lags: shape (series, 8, season), newest season first."""

    lags: Array
    scaled: bool

    @property
    def size(self) -> Array:
        """What each series is divided by, shape (series,); 0 for a series that was zero all the time."""
        return np.abs(self.lags).mean(axis=(1, 2)) if self.scaled else np.ones(len(self.lags))

    def features(self, first: date, steps: slice) -> Array:
        """Shape (series, steps, features) for the days ahead in `steps`; first: the day after the cutoff."""
        season = self.lags.shape[2]
        ahead = np.arange(steps.start, steps.stop)
        size = self.size
        lags = self.lags / np.where(size > 0, size, 1.0)[:, None, None]
        means = np.stack([lags[:, :SINGLE_LAGS].mean(axis=1), lags.mean(axis=1)], axis=1)
        same = np.concatenate([lags[:, :SINGLE_LAGS], means], axis=1)[:, :, ahead % season].transpose(0, 2, 1)
        calendar = calendar_features(np.datetime64(first) + ahead)
        parts = [same, np.broadcast_to(calendar, (len(lags), *calendar.shape))]
        if self.scaled:
            parts += _levels(lags, len(ahead))
        return np.concatenate(parts, axis=2, dtype=np.float64)


def feature_count(scaled: bool) -> int:
    """Number of features."""
    return SCALED_FEATURES if scaled else PLAIN_FEATURES


def recent_of(history: History, scaled: bool) -> Recent:
    """The lags at the cutoff of a history that has at least eight seasons."""
    return Recent(_lags(history.values, history.days, history.season), scaled)


def calendar_features(days: Days) -> Array:
    """Weekday as seven columns, and whether a day is the last of its month; shape (days, 8)."""
    weekday = (days.astype("datetime64[D]").astype(np.int64) + 3) % WEEKDAYS  # day 0 of the epoch is a Thursday
    month_end = (days + 1).astype("datetime64[M]") != days.astype("datetime64[M]")
    return np.column_stack([np.eye(WEEKDAYS)[weekday], month_end.astype(np.float64)])


def training_rows(history: History, scaled: bool, since: int, stride: int) -> Iterator[tuple[Array, Array]]:
    """Features and targets (in the series' size) of every training origin, a block of series at a time.

    Only targets on the days from number `since` to the last of the history, so that a fit of a later cutoff can add
    the new days to what an earlier one has summed up. stride: days between two training origins.
    """
    start = LAG_SEASONS * history.season
    first_origin = start + -(-max(0, since - history.horizon + 1 - start) // stride) * stride
    for origin in range(first_origin, history.days, stride):
        steps = slice(max(0, since - origin), min(history.horizon, history.days - origin))
        if steps.start >= steps.stop:
            continue
        cutoff = history.until(origin + 1).cutoff
        for block in range(0, len(history.values), BLOCK):
            values = history.values[block : block + BLOCK]
            recent = Recent(_lags(values, origin, history.season), scaled)
            alive = recent.size > 0  # a series that was zero for eight seasons teaches no ratio
            features = Recent(recent.lags[alive], scaled).features(cutoff, steps)
            targets = values[alive, origin + steps.start : origin + steps.stop]
            if scaled:
                targets = np.clip(targets / recent.size[alive, None], -MAX_RATIO, MAX_RATIO)
            yield features.reshape(-1, features.shape[2]), np.ascontiguousarray(targets).ravel()


def _lags(values: Array, origin: int, season: int) -> Array:
    window = values[:, origin - LAG_SEASONS * season : origin]
    return np.ascontiguousarray(window.reshape(len(values), LAG_SEASONS, season)[:, ::-1])


def _levels(lags: Array, steps: int) -> list[Array]:
    """Mean of the last season and of the last four, and how many days of the last four are not zero."""
    month = lags[:, :SINGLE_LAGS]
    columns = (lags[:, 0].mean(axis=1), month.mean(axis=(1, 2)), (month != 0).mean(axis=(1, 2)))
    return [np.broadcast_to(column[:, None, None], (len(lags), steps, 1)) for column in columns]
