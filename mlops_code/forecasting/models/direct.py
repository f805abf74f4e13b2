"""Features of the direct models: what is known at an origin about a day after it, the same in training and service.

A row is (origin, series, step ahead). With `scaled`, a series is divided by its own mean size of the seasons that
are seen, so that one global model serves series of any size and any unit.
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
# Targets beyond this multiple of a series' size are cut: one delivery must not own the fit. On 500 real series, 20
# forecasts 14-21 % too low, 30 at most 9 %, and no cut gains nothing in RMSSE.
MAX_RATIO = 30.0
MAX_CHANGE = 5.0  # of the level within a year, either way, that last year's seasons may foretell
STEADY = 0.25  # of a series' usual level, added to both levels that a change compares: few sales foretell little
YEAR_ORIGINS = 26  # seasons of training origins that see the year before, to do without the others
BLOCK = 2048  # series at a time, so that memory does not grow with their number


@dataclass(frozen=True)
class Layout:
    """Which features a row has. year: last year's change of the level. width: of the columns known in advance."""

    scaled: bool
    calendar: Calendar = DAILY
    year: bool = False
    holidays: bool = False
    width: int = 0

    @property
    def count(self) -> int:
        """Number of features."""
        dates = len(self.calendar.part_names) + _has_month_ends(self.calendar)
        optional = LEVEL_FEATURES * self.scaled + self.year + HOLIDAY_FLAGS * self.holidays
        return lag_features(self.calendar) + dates + optional + known_features(self.calendar) * self.width


def layout_of(recipe: Recipe, data: History | FittedModel) -> Layout:
    """The features of a recipe on such data."""
    known = data.known
    return Layout(
        switched(recipe, "scaled"),
        data.calendar,
        has_year(recipe, data.season, data.calendar),
        known is not None and known.holidays is not None,
        known.width if known else 0,
    )


def lag_features(calendar: Calendar) -> int:
    """Number of features that are values of the series; they come first."""
    return calendar.lags.single + 2 + len(calendar.lags.recent)


def known_features(calendar: Calendar) -> int:
    """Number of features of a column that is known in advance.

    Its value on the day, at the lags and on average over the seasons that are seen, so that a model can take its
    effect out of the lags; and its value times the lags' mean, for effects that multiply.
    """
    return calendar.lags.single + 3


def switched(recipe: Recipe, name: str) -> bool:
    """Whether a parameter that is true or false is given as true."""
    return bool(recipe.parameters.get(name, 0.0))


@dataclass(frozen=True)
class Recent:
    """The last seasons of each series. lags: shape (series, seasons, season), newest season first.

    changes: shape (series, seasons of a year), see `year_changes`; None where the layout has no year. known: with its
    cutoff where the lags end.
    """

    lags: Array
    layout: Layout
    changes: Array | None = None
    known: Known | None = None

    @property
    def size(self) -> Array:
        """What each series is divided by, shape (series,); 0 for a series that was zero all the time."""
        return np.abs(self.lags).mean(axis=(1, 2)) if self.layout.scaled else np.ones(len(self.lags))

    def rows(self, mask: NDArray[np.bool_]) -> Recent:
        """Some of the series."""
        changes = None if self.changes is None else self.changes[mask]
        known = self.known.rows(np.flatnonzero(mask).tolist()) if self.known else None
        return Recent(self.lags[mask], self.layout, changes, known)

    def features(self, first: date, steps: slice) -> Array:
        """Shape (series, steps, features) for the steps ahead in `steps`; first: the date after the cutoff."""
        calendar, season = self.layout.calendar, self.lags.shape[2]
        single, ahead = calendar.lags.single, np.arange(steps.start, steps.stop)
        size = self.size
        lags = self.lags / np.where(size > 0, size, 1.0)[:, None, None]
        means = np.stack([lags[:, :single].mean(axis=1), lags.mean(axis=1)], axis=1)
        same = np.concatenate([lags[:, :single], means], axis=1)[:, :, ahead % season].transpose(0, 2, 1)
        newest = [_repeated(lags[:, 0, -window:].mean(axis=1), len(ahead)) for window in calendar.lags.recent]
        days = calendar.dates(first, ahead)
        dates = date_features(days, calendar)
        parts = [same, *newest, np.broadcast_to(dates, (len(lags), *dates.shape))]
        if self.layout.scaled:
            parts += _levels(lags, single, len(ahead))
        mean = same[:, :, -1:]
        if self.changes is not None:
            parts.append(mean * self.changes[:, ahead // season % self.changes.shape[1], None])
        if self.known is not None:
            parts += self._known(self.known, days, ahead, mean)
        return np.concatenate(parts, axis=2, dtype=np.float64)

    def _known(self, known: Known, days: Days, ahead: Numbers, mean: Array) -> list[Array]:
        """The holidays of the days ahead, and the features of each column. mean: of the lags, (series, steps, 1)."""
        series, seasons, season = self.lags.shape
        parts: list[Array] = []
        if known.holidays is not None:
            flags = np.array(known.holidays.flags(days.tolist()))
            parts.append(np.broadcast_to(flags, (series, *flags.shape)))
        if known.columns:
            now = known.features(int(ahead[0]), int(ahead[-1]) + 1)
            before = known.features(-seasons * season, 0).reshape(series, seasons, season, known.width)
            lags = before[:, ::-1, ahead % season]
            single = self.layout.calendar.lags.single
            parts += [now, *(lags[:, place] for place in range(single)), lags.mean(axis=1), now * mean]
        return parts


class DirectRecipe(RecipeFamily):
    """What recipes on these features share. year: whether they see how the level changed in the year before."""

    def learns(self, recipe: Recipe) -> frozenset[str]:
        return frozenset({SEASON, EVENTS} | ({YEAR} if switched(recipe, "year") else set()))

    def check(self, recipe: Recipe) -> None:
        for name in ("scaled", "year"):
            demand_switch(recipe, name)

    def days_needed(self, _recipe: Recipe, season: int, horizon: int, calendar: Calendar) -> int:
        return calendar.lags.seasons * season + horizon

    def lag_shapes(self, recipe: Recipe, season: int, series: int, calendar: Calendar) -> Shapes:
        """Shapes of what a model keeps of the last steps."""
        shapes: Shapes = {"lags": (series, calendar.lags.seasons, season)}
        if has_year(recipe, season, calendar):
            shapes["changes"] = (series, steps_of_year(calendar, season) // season)
        return shapes

    def lag_arrays(self, recipe: Recipe, history: History) -> dict[str, Array]:
        """What a model keeps of the last steps."""
        recent = recent_of(history, layout_of(recipe, history))
        return {"lags": recent.lags} | ({} if recent.changes is None else {"changes": recent.changes})

    def update(self, recipe: Recipe, arrays: Mapping[str, Array], history: History) -> dict[str, Array]:
        return {**arrays, **self.lag_arrays(recipe, history)}


def recent_of_model(model: FittedModel) -> Recent:
    """The lags that a model keeps."""
    layout = layout_of(model.recipe, model)
    return Recent(model.arrays["lags"], layout, model.arrays.get("changes"), model.known)


def features_of_model(model: FittedModel, recent: Recent, horizon: int) -> Array:
    """Shape (series, horizon, features), the days after a model's cutoff."""
    return recent.features(day_after(model), slice(0, horizon))


def recent_of(history: History, layout: Layout) -> Recent:
    """The lags at the cutoff of a history that has as many seasons as its calendar asks for."""
    return _recent(history.values, history, layout, history.known)


def year_changes(values: Array, season: int, year: int, before: int) -> Array:
    """How the level changed in the year before: shape (series, seasons of a year), for the seasons ahead.

    Of the season a year before each one ahead and its two neighbors, relative to the seasons before that year, as
    many as `before`; 1 where the history is too short to know. values: shape (series, steps), up to the cutoff.
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
    """The first training origin, as a number of steps; where enough of them see the year before, no others teach."""
    season = history.season
    start = history.calendar.lags.seasons * season
    seeing = start + steps_of_year(history.calendar, season)
    return seeing if layout.year and history.days >= seeing + YEAR_ORIGINS * season else start


def date_features(days: Days, calendar: Calendar) -> Array:
    """The place in the season as a column each, and for days whether one is the last of its month."""
    places = np.eye(len(calendar.part_names))[calendar.parts_of(days)]
    if not _has_month_ends(calendar):
        return places
    month_end = (days + 1).astype("datetime64[M]") != days.astype("datetime64[M]")
    return np.column_stack([places, month_end.astype(np.float64)])


def training_rows(history: History, layout: Layout, since: int, stride: int) -> Iterator[tuple[Array, Array]]:
    """Features and targets (in the series' size) of every training origin, a block of series at a time.

    Only targets on the days from number `since` to the last of the history, so that a fit of a later cutoff can add
    the new days to what an earlier one has summed up. stride: days between two training origins.
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
            size = recent.size
            alive = size > 0  # a series that was zero all the time teaches no ratio
            features = recent.rows(alive).features(history.calendar.after(seen.cutoff, 1), steps)
            targets = history.values[rows][alive, origin + steps.start : origin + steps.stop]
            if layout.scaled:
                targets = np.clip(targets / size[alive, None], -MAX_RATIO, MAX_RATIO)
            yield features.reshape(-1, features.shape[2]), np.ascontiguousarray(targets).ravel()


def _recent(values: Array, history: History, layout: Layout, known: Known | None) -> Recent:
    """The lags of some of the series at a history's cutoff. values, known: of these series."""
    season, seasons = history.season, history.calendar.lags.seasons
    lags = values[:, history.days - seasons * season :].reshape(len(values), seasons, season)[:, ::-1]
    year = steps_of_year(history.calendar, season)
    changes = year_changes(values, season, year, seasons) if layout.year else None
    return Recent(np.ascontiguousarray(lags), layout, changes, known)


def has_year(recipe: Recipe, season: int, calendar: Calendar) -> bool:
    """Whether a recipe looks at the year before; where a season is a year, its lags do."""
    return switched(recipe, "year") and steps_of_year(calendar, season) > season


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
