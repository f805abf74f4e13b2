"""Has the data changed? Statistics of the newest window against the time before it, series by series, and an alarm.

Four questions that a person can act on: are forecasts worse than they were, has the level moved, do intervals still
cover, has a series ended. The alarm asks for the *share* of series, because of many series some always stand out.
Limits and their measured false alarms and power: docs/problems.md (what was measured). No test of whole
distributions, such as the population stability index: that one raises an alarm on two of three stable series.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from forecasting.models.recipe import Array

Flags = NDArray[np.bool_]
ERROR_RATIO = 1.5  # mean absolute error of the newest window over the mean of earlier ones
LEVEL_Z = 3.0  # standard errors between the mean of the newest window and the time before, from sums of seasons
COVERAGE = 0.6  # share of the newest values inside the 80 % interval
ENDED_RUNS = 2  # zeros at the end, in multiples of the longest run of zeros before
SHARES = {"error": 0.35, "level": 0.1, "coverage": 0.35, "ended": 0.05}
"""Share of the series beyond which a statistic raises the alarm."""
MEANING = {
    "error": "forecasts are clearly worse than before",
    "level": "the level has moved",
    "coverage": "intervals no longer cover",
    "ended": "series have ended",
}


def meaning_of(alarms: str) -> tuple[str, ...]:
    """In words, what a run has recorded in its property `drift`."""
    return tuple(MEANING.get(alarm, alarm) for alarm in alarms.split(",") if alarm not in ("", "none"))


@dataclass(frozen=True)
class Drift:
    """Statistics by series; NaN where a series has none. coverage: None where no interval is served."""

    error_ratio: Array
    level_z: Array
    coverage: Array | None
    ended: Flags

    @property
    def flags(self) -> Mapping[str, Flags]:
        """Which series stand out, by statistic."""
        found = {"error": self.error_ratio > ERROR_RATIO, "level": np.abs(self.level_z) > LEVEL_Z}
        if self.coverage is not None:
            found["coverage"] = self.coverage < COVERAGE
        return {**found, "ended": self.ended}

    @property
    def shares(self) -> dict[str, float]:
        """Share of the series that stand out, by statistic."""
        return {name: float(flags.mean()) for name, flags in self.flags.items()}

    @property
    def alarms(self) -> tuple[str, ...]:
        """The statistics by which too large a share of the series stands out."""
        return tuple(name for name, share in self.shares.items() if share > SHARES[name])

    @property
    def sentence(self) -> str:
        """How many series stand out by which statistic."""
        told = [f"{int(flags.sum())} by {name}" for name, flags in self.flags.items()]
        return f"of {len(self.ended)} series stand out in the newest window: {', '.join(told)}"


def drift_of(values: Array, window: int, season: int, errors: Array, coverage: Array | None) -> Drift:
    """Compare the newest window with the time before it.

    values: shape (series, steps), the last `window` of them are the newest. errors: mean absolute errors of forecasts
    by series and origin; the last column is that of the newest window, the others are of windows that end before it.
    coverage: share of the newest values inside the 80 % interval, by series.
    """
    with np.errstate(all="ignore"):
        ratio = errors[:, -1] / errors[:, :-1].mean(axis=1) if errors.shape[1] > 1 else np.full(len(values), np.nan)
    return Drift(ratio, _level_z(values, window, season), coverage, _ended(values, window, season))


def _level_z(values: Array, window: int, season: int) -> Array:
    """Distance of the mean of the newest whole seasons from that of the earlier ones, in standard errors.

    Seasons are averaged first, because steps within one follow a pattern. NaN where there are fewer than four before.
    """
    newest = max(1, window // season)
    count = values.shape[1] // season
    means = values[:, values.shape[1] - count * season :].reshape(len(values), count, season).mean(axis=2)
    before, now = means[:, :-newest], means[:, -newest:]
    if before.shape[1] < 4:
        return np.full(len(values), np.nan)
    spread = before.std(axis=1, ddof=1) * np.sqrt(1 / newest + 1 / before.shape[1])
    with np.errstate(all="ignore"):
        return np.asarray((now.mean(axis=1) - before.mean(axis=1)) / spread)


def _ended(values: Array, window: int, season: int) -> Flags:
    """Series that were active and have been silent since, for longer than twice their longest silence before.

    At least a season and half of the window must have passed.
    """
    active = values != 0
    steps = values.shape[1]
    last = np.where(active.any(axis=1), steps - 1 - np.argmax(active[:, ::-1], axis=1), -1)
    trailing = steps - 1 - last
    places = np.where(active, np.arange(steps), -1)
    gaps = np.diff(np.maximum.accumulate(places, axis=1), axis=1, prepend=-1) - 1
    longest = np.where(active, gaps, 0).max(axis=1)
    return np.asarray((last >= 0) & (trailing > np.maximum(ENDED_RUNS * longest, max(season, window // 2))))
