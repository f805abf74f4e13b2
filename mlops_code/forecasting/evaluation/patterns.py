"""Which patterns a panel seems to have, to be held against what the candidates can learn. Rules of thumb, no tests.

All series are looked at together: each is divided by its mean size, then they are averaged step by step.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from forecasting.data.series import Panel
from forecasting.models.catalog import learns
from forecasting.models.recipe import EVENTS, SEASON, TREND, YEAR, Array, Recipe

LEAST_SEASONS = 12  # below, a trend and a season cannot be told from chance
TREND_CORRELATION = 0.7  # of the seasons' means with time, over at most a year
YEAR_CORRELATION = 0.5  # of the seasons' means of one year with those of the year before, without their trends
SEASON_CORRELATION = 0.2  # with the season before, without the seasons' means
OUTLIER = 5.0  # robust standard deviations from the same place in the seasons around
LEAST_EVENTS = 3
AROUND = 4  # seasons before and after a step
NORMAL = 1.4826  # standard deviation of a normal variable over its median absolute deviation
_NAMES = {TREND: "a trend", SEASON: "a season", YEAR: "a yearly pattern", EVENTS: "events"}
LEARNED_BY = {
    TREND: "holt_winters can",
    SEASON: "same_weekday_mean, or season_mean, can",
    YEAR: "ridge_direct, histgb_direct and exponential_smoothing can with year: true, and last_year",
    EVENTS: "ridge_direct and histgb_direct can where the section future names columns or holidays",
}


def patterns_in(panel: Panel, season: int) -> dict[str, str]:
    """The patterns that a panel seems to have, each with what speaks for it."""
    size = np.abs(panel.values).mean(axis=1, keepdims=True)
    common = (panel.values / np.where(size > 0, size, 1.0)).mean(axis=0)
    if len(common) < LEAST_SEASONS * season:
        return {}
    whole = common[len(common) % season :].reshape(-1, season)
    parts = (_trend(whole, panel, season), _season(whole, panel, season), _year(whole, panel, season))
    return {**parts[0], **parts[1], **parts[2], **_events(whole, panel)}


def not_learned(found: dict[str, str], recipes: Iterable[Recipe], *, future: bool) -> list[str]:
    """A sentence for each pattern that no recipe can learn. future: whether anything is known in advance."""
    learned = frozenset().union(*map(learns, recipes)) - (frozenset() if future else {EVENTS})
    return [
        f"the data seems to have {_NAMES[pattern]} ({why}), which no candidate can learn; {LEARNED_BY[pattern]}"
        for pattern, why in found.items()
        if pattern not in learned
    ]


def _trend(whole: Array, panel: Panel, season: int) -> dict[str, str]:
    levels = whole.mean(axis=1)[-max(LEAST_SEASONS, panel.calendar.year // season) :]
    found = _correlation(levels, np.arange(len(levels), dtype=np.float64))
    if abs(found) < TREND_CORRELATION:
        return {}
    return {TREND: f"correlation with time {found:.2f} over {len(levels)} seasons"}


def _season(whole: Array, panel: Panel, season: int) -> dict[str, str]:
    around = whole - whole.mean(axis=1, keepdims=True)
    found = _correlation(around[1:].ravel(), around[:-1].ravel())
    if season == 1 or found < SEASON_CORRELATION:
        return {}
    return {SEASON: f"autocorrelation {found:.2f} at {panel.calendar.count(season)}"}


def _year(whole: Array, panel: Panel, season: int) -> dict[str, str]:
    seasons = panel.calendar.year // season
    levels = whole.mean(axis=1)
    if seasons == 1 or len(levels) < 2 * seasons:
        return {}
    last, before = (_without_trend(part) for part in (levels[-seasons:], levels[-2 * seasons : -seasons]))
    found = _correlation(last, before)
    return {YEAR: f"correlation {found:.2f} with the year before"} if found >= YEAR_CORRELATION else {}


def _events(whole: Array, panel: Panel) -> dict[str, str]:
    """Steps that stand out from the same place in the seasons around them."""
    shifts = [shift for shift in range(-AROUND, AROUND + 1) if shift]
    padded = np.pad(whole, ((AROUND, AROUND), (0, 0)), mode="reflect")
    around = np.stack([padded[AROUND + shift : len(padded) - AROUND + shift] for shift in shifts])
    apart = (whole - np.median(around, axis=0)).ravel()
    usual = NORMAL * float(np.median(np.abs(apart)))
    places = np.flatnonzero(np.abs(apart) > OUTLIER * usual) if usual else np.array([], dtype=np.int64)
    if len(places) < LEAST_EVENTS:
        return {}
    skipped = panel.days - whole.size
    largest = sorted(places[np.argsort(-np.abs(apart[places]), kind="stable")][:LEAST_EVENTS].tolist())
    dates = ", ".join(str(panel.day(skipped + place)) for place in largest)
    return {EVENTS: f"{panel.calendar.count(len(places))} stand out, such as {dates}"}


def _without_trend(levels: Array) -> Array:
    time = np.arange(len(levels), dtype=np.float64)
    return levels - np.polyval(np.polyfit(time, levels, 1), time)


def _correlation(one: Array, other: Array) -> float:
    """Pearson's correlation; 0 where one of the two is constant."""
    one, other = one - one.mean(), other - other.mean()
    scale = float(np.sqrt((one @ one) * (other @ other)))
    return float(one @ other) / scale if scale else 0.0
