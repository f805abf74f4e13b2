"""Features of the direct models, identical in training and serving: what is known at the origin about a step ahead.

A row is (origin, series, step ahead). With `scaled`, a series is divided by its scale, the mean absolute value of its
lags, so that one global model serves series of any size and any unit.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date

import numpy as np
from numpy.typing import NDArray

from forecasting.calendars import DAILY, Calendar
from forecasting.known import HOLIDAY_FLAGS, Known
from forecasting.models.recipe import (
    EVENTS,
    SEASON,
    YEAR,
    Array,
    Days,
    FittedModel,
    History,
    Recipe,
    RecipeFamily,
    Shapes,
    day_after,
    demand_switch,
    steps_of_year,
)

Numbers = NDArray[np.int64]
LEVEL_FEATURES = 3
# Clip targets at this multiple of a series' scale, so that one outlier does not dominate the fit. On 500 real series,
# 20 biased forecasts by -14 to -21%, 30 by at most -9%; no limit did not improve RMSSE.
MAX_RATIO = 30.0
MAX_CHANGE = 5.0  # limit of the year-over-year ratio of the level, both ways
STEADY = 0.25  # of a series' mean level, added to both levels of a ratio: shrinks it toward 1 for sparse series
YEAR_ORIGINS = 26  # minimum seasons of origins with a full year of history before origins without one are dropped
BLOCK = 2048  # series at a time, so that memory does not grow with their number


@dataclass(frozen=True)
class Layout:
    """Which features a row has.

    uses_year_change: whether last year's change of the level is one. width: number of known-in-advance features.
    """

    scaled: bool
    calendar: Calendar = DAILY
    uses_year_change: bool = False
    holidays: bool = False
    width: int = 0

    @property
    def count(self) -> int:
        """Number of features."""
        dates = len(self.calendar.part_names) + _has_month_ends(self.calendar)
        optional = LEVEL_FEATURES * self.scaled + self.uses_year_change + HOLIDAY_FLAGS * self.holidays
        return lag_features(self.calendar) + dates + optional + known_features(self.calendar) * self.width


def layout_of(recipe: Recipe, data: History | FittedModel) -> Layout:
    """Return the layout of a recipe's features for a history or a model."""
    known = data.known
    return Layout(
        is_enabled(recipe, "scaled"),
        data.calendar,
        has_year(recipe, data.season, data.calendar),
        known is not None and known.holidays is not None,
        known.width if known else 0,
    )


def lag_features(calendar: Calendar) -> int:
    """Number of lag features: single lags, two means and the recent-window means; they come first."""
    return calendar.lags.single + 2 + len(calendar.lags.recent)


def known_features(calendar: Calendar) -> int:
    """Number of features of a column that is known in advance.

    Its value at the step, at each lag, and its mean over all lags, so that a model can remove its effect from the
    lags; and its value times the mean of the series' lags, for multiplicative effects.
    """
    return calendar.lags.single + 3


def is_enabled(recipe: Recipe, name: str) -> bool:
    """Whether a boolean parameter of the recipe is true."""
    return bool(recipe.parameters.get(name, 0.0))


@dataclass(frozen=True)
class RecentLags:
    """The last seasons of each series. lags: shape (series, seasons, season), newest season first.

    changes: shape (series, seasons of a year), see `year_changes`; None where the layout has no year. known: cut
    off at the end of the lags.
    """

    lags: Array
    layout: Layout
    changes: Array | None = None
    known: Known | None = None

    @property
    def scale(self) -> Array:
        """Divisor of each series, shape (series,); 0 for an all-zero series."""
        return np.abs(self.lags).mean(axis=(1, 2)) if self.layout.scaled else np.ones(len(self.lags))

    def rows(self, mask: NDArray[np.bool_]) -> RecentLags:
        """Select the series of a mask."""
        changes = None if self.changes is None else self.changes[mask]
        known = self.known.rows(np.flatnonzero(mask).tolist()) if self.known else None
        return RecentLags(self.lags[mask], self.layout, changes, known)

    def features(self, first: date, steps: slice) -> Array:
        """Shape (series, steps, features) for the steps ahead in `steps`; first: the date after the cutoff."""
        calendar, season = self.layout.calendar, self.lags.shape[2]
        single_lags, ahead = calendar.lags.single, np.arange(steps.start, steps.stop)
        scale = self.scale
        lags = self.lags / np.where(scale > 0, scale, 1.0)[:, None, None]
        means = np.stack([lags[:, :single_lags].mean(axis=1), lags.mean(axis=1)], axis=1)
        same = np.concatenate([lags[:, :single_lags], means], axis=1)[:, :, ahead % season].transpose(0, 2, 1)
        newest = [_broadcast(lags[:, 0, -window:].mean(axis=1), len(ahead)) for window in calendar.lags.recent]
        days = calendar.dates(first, ahead)
        dates = date_features(days, calendar)
        parts = [same, *newest, np.broadcast_to(dates, (len(lags), *dates.shape))]
        if self.layout.scaled:
            parts += _level_features(lags, single_lags, len(ahead))
        mean = same[:, :, -1:]
        if self.changes is not None:
            parts.append(mean * self.changes[:, ahead // season % self.changes.shape[1], None])
        if self.known is not None:
            parts += self._known(self.known, days, ahead, mean)
        return np.concatenate(parts, axis=2, dtype=np.float64)

    def _known(self, known: Known, days: Days, ahead: Numbers, mean: Array) -> list[Array]:
        """Return holiday flags of the steps ahead and each column's features. mean: of the lags."""
        series, seasons, season = self.lags.shape
        parts: list[Array] = []
        if known.holidays is not None:
            flags = np.array(known.holidays.flags(days.tolist()))
            parts.append(np.broadcast_to(flags, (series, *flags.shape)))
        if known.columns:
            now = known.features(int(ahead[0]), int(ahead[-1]) + 1)
            before = known.features(-seasons * season, 0).reshape(series, seasons, season, known.width)
            lags = before[:, ::-1, ahead % season]
            single_lags = self.layout.calendar.lags.single
            parts += [now, *(lags[:, lag] for lag in range(single_lags)), lags.mean(axis=1), now * mean]
        return parts


class DirectRecipe(RecipeFamily):
    """Base of the recipes on these features. `year`: whether last year's change of the level is a feature."""

    def learns(self, recipe: Recipe) -> frozenset[str]:
        return frozenset({SEASON, EVENTS} | ({YEAR} if is_enabled(recipe, "year") else set()))

    def check(self, recipe: Recipe) -> None:
        for name in ("scaled", "year"):
            demand_switch(recipe, name)

    def days_needed(self, _recipe: Recipe, season: int, horizon: int, calendar: Calendar) -> int:
        return calendar.lags.seasons * season + horizon

    def lag_shapes(self, recipe: Recipe, season: int, series: int, calendar: Calendar) -> Shapes:
        """Shapes of the lag arrays that a model stores."""
        shapes: Shapes = {"lags": (series, calendar.lags.seasons, season)}
        if has_year(recipe, season, calendar):
            shapes["changes"] = (series, steps_of_year(calendar, season) // season)
        return shapes

    def lag_arrays(self, recipe: Recipe, history: History) -> dict[str, Array]:
        """Return the lag arrays that a model stores."""
        recent = recent_of(history, layout_of(recipe, history))
        return {"lags": recent.lags} | ({} if recent.changes is None else {"changes": recent.changes})

    def update(self, recipe: Recipe, arrays: Mapping[str, Array], history: History) -> dict[str, Array]:
        return {**arrays, **self.lag_arrays(recipe, history)}


def recent_of_model(model: FittedModel) -> RecentLags:
    """Return the lags that a model stores."""
    layout = layout_of(model.recipe, model)
    return RecentLags(model.arrays["lags"], layout, model.arrays.get("changes"), model.known)


def features_of_model(model: FittedModel, recent: RecentLags, horizon: int) -> Array:
    """Features of the steps after a model's cutoff, shape (series, horizon, features)."""
    return recent.features(day_after(model), slice(0, horizon))


def recent_of(history: History, layout: Layout) -> RecentLags:
    """Return the lags at the cutoff of a history that has at least as many seasons as its calendar needs."""
    return _recent(history.values, history, layout, history.known)


def year_changes(values: Array, season: int, year: int, before: int) -> Array:
    """Return the year-over-year ratio of the level for each season ahead, shape (series, seasons of a year).

    The mean level of the season a year before the one ahead and its two neighbors, divided by the mean level of the
    `before` seasons before that year; 1 where the history is too short. values: shape (series, steps), to the cutoff.
    """
    every = year // season + before
    if values.shape[1] < every * season:
        return np.ones((len(values), year // season))
    levels = values[:, values.shape[1] - every * season :].reshape(len(values), every, season).mean(axis=2)
    padded = np.concatenate([levels[:, before - 1 :], levels[:, -1:]], axis=1)
    smooth = (padded[:, :-2] + padded[:, 1:-1] + padded[:, 2:]) / 3
    steady = STEADY * np.abs(levels).mean(axis=1, keepdims=True)
    base = levels[:, :before].mean(axis=1, keepdims=True) + steady
    changes: Array = np.where(base > 0, (smooth + steady) / np.where(base > 0, base, 1.0), 1.0)
    return np.clip(changes, 1 / MAX_CHANGE, MAX_CHANGE)


def first_origin(history: History, layout: Layout) -> int:
    """The first training origin, as a number of steps.

    Origins without a year of history are skipped when enough others have one.
    """
    season = history.season
    start = history.calendar.lags.seasons * season
    with_year = start + steps_of_year(history.calendar, season)
    return with_year if layout.uses_year_change and history.days >= with_year + YEAR_ORIGINS * season else start


def date_features(days: Days, calendar: Calendar) -> Array:
    """Return indicators of the position in the season and, for daily steps, of the last day of a month."""
    places = np.eye(len(calendar.part_names))[calendar.parts_of(days)]
    if not _has_month_ends(calendar):
        return places
    month_end = (days + 1).astype("datetime64[M]") != days.astype("datetime64[M]")
    return np.column_stack([places, month_end.astype(np.float64)])


def training_rows(history: History, layout: Layout, since: int, stride: int) -> Iterator[tuple[Array, Array]]:
    """Yield features and targets (in units of the scale) of every training origin, a block of series at a time.

    Only targets at step `since` or later, so that a fit of a later cutoff can add new rows to already accumulated
    sums. stride: steps between two training origins.
    """
    start = first_origin(history, layout)
    skipped = -(-max(0, since - history.horizon + 1 - start) // stride) * stride
    for origin in range(start + skipped, history.days, stride):
        steps = slice(max(0, since - origin), min(history.horizon, history.days - origin))
        if steps.start >= steps.stop:
            continue
        seen = history.until(origin)
        for block in range(0, len(history.values), BLOCK):
            rows = slice(block, block + BLOCK)
            known = seen.known.rows(range(len(history.values))[rows]) if seen.known else None
            recent = _recent(seen.values[rows], seen, layout, known)
            scale = recent.scale
            alive = scale > 0  # all-zero series have no scale
            features = recent.rows(alive).features(history.calendar.after(seen.cutoff, 1), steps)
            targets = history.values[rows][alive, origin + steps.start : origin + steps.stop]
            if layout.scaled:
                targets = np.clip(targets / scale[alive, None], -MAX_RATIO, MAX_RATIO)
            yield features.reshape(-1, features.shape[2]), np.ascontiguousarray(targets).ravel()


def _recent(values: Array, history: History, layout: Layout, known: Known | None) -> RecentLags:
    """Return the lags of some series at a history's cutoff. values, known: of these series."""
    season, seasons = history.season, history.calendar.lags.seasons
    lags = values[:, history.days - seasons * season :].reshape(len(values), seasons, season)[:, ::-1]
    year = steps_of_year(history.calendar, season)
    changes = year_changes(values, season, year, seasons) if layout.uses_year_change else None
    return RecentLags(np.ascontiguousarray(lags), layout, changes, known)


def has_year(recipe: Recipe, season: int, calendar: Calendar) -> bool:
    """Whether a recipe uses last year's change of the level; where a season is a year, its lags already do."""
    return is_enabled(recipe, "year") and steps_of_year(calendar, season) > season


def _level_features(lags: Array, single_lags: int, steps: int) -> list[Array]:
    """Mean of the last season, mean of the last `single_lags` seasons, and their share of nonzero steps."""
    few = lags[:, :single_lags]
    columns = (lags[:, 0].mean(axis=1), few.mean(axis=(1, 2)), (few != 0).mean(axis=(1, 2)))
    return [_broadcast(column, steps) for column in columns]


def _broadcast(column: Array, steps: int) -> Array:
    """Repeat one number per series for all steps, shape (series, steps, 1)."""
    return np.broadcast_to(column[:, None, None], (len(column), steps, 1))


def _has_month_ends(calendar: Calendar) -> bool:
    """Whether the calendar has daily steps, so that a month-end flag is informative."""
    return calendar.part == "weekday"
