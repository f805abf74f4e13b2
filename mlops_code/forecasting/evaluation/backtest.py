"""Rolling-origin backtest: every recipe is refitted at every origin on the days before it, and on no others.

Source of the windows: Hyndman and Athanasopoulos, Forecasting: Principles and Practice, 3rd ed., 5.10.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from forecasting.calendars import Calendar
from forecasting.data.series import Panel
from forecasting.errors import HistoryError
from forecasting.evaluation.metrics import Actuals, scales_of
from forecasting.models.catalog import BASELINE, combined, days_needed, fits, forecast
from forecasting.models.recipe import Array, History, Recipe
from forecasting.problem.sections import Training

FEWEST_SEASONS = 8  # fewer show a place in the season too rarely, as a month in windows of a year and a half
Span = tuple[int, int]
"""First and last step, as indices."""


@dataclass(frozen=True)
class Windows:
    """Forecast windows. origins: index of the first step that each forecasts; horizon: steps of each.

    year_ago: how many of the first origins lie a year before the steps that come after the last window.
    """

    origins: tuple[int, ...]
    horizon: int
    year_ago: int = 0

    @property
    def recent(self) -> tuple[int, ...]:
        """The origins that are not those of a year ago."""
        return self.origins[self.year_ago :]

    @property
    def first_day(self) -> int:
        """Index of the earliest step that is forecast, windows of a year ago aside."""
        return self.recent[0]

    @property
    def last_day(self) -> int:
        """Index of the latest step that is forecast."""
        return self.origins[-1] + self.horizon - 1

    def places(self, calendar: Calendar) -> int:
        """How many places in the season can be told apart: all, or 1 where there are too few seasons."""
        seasons = (self.last_day - self.first_day + 1) // calendar.season
        return len(calendar.part_names) if seasons >= FEWEST_SEASONS else 1


Progress = Callable[[str, int, int], None]
"""Is told the label of a recipe, how many of its fits are done and how many there are."""


def silent(_label: str, _done: int, _fits: int) -> None:
    """Say nothing of the progress."""


@dataclass(frozen=True)
class Plan:
    """How many origins, how many steps apart, and how many steps at the end are held back."""

    origins: int
    step: int
    held_back: int = 0


def history_of(panel: Panel, training: Training, lower: float | None) -> History:
    """The whole panel as a history; lower: bound of its values, None where there is none."""
    season, horizon = training.season, training.horizon
    return History(panel.values, panel.last, season, horizon, lower, panel.calendar, panel.known)


def last_windows(panel: Panel, recipes: Sequence[Recipe], training: Training, plan: Plan) -> Windows:
    """The last windows before the days held back; all recipes see the same ones.

    Raises: HistoryError where the earliest origin leaves a recipe too little history. Windows are never
    dropped silently: fewer origins would be another comparison.
    """
    days, season, horizon, count = panel.days, training.season, training.horizon, panel.calendar.count
    last = days - plan.held_back - horizon
    first = last - (plan.origins - 1) * plan.step
    needed = max(days_needed(recipe, season, horizon, panel.calendar) for recipe in recipes)
    needed = max(needed, season + 1)
    if first < needed:
        raise HistoryError(
            f"The series has {count(days)} from {panel.first} to {panel.last}. "
            f"{plan.origins} origins {count(plan.step)} apart with a horizon of {count(horizon)} and "
            f"{count(plan.held_back)} held back need {days - first + needed}: "
            f"{needed} of history before the first origin. "
            f"Deliver more {panel.calendar.units} or ask for fewer origins."
        )
    return Windows(tuple(range(first, last + 1, plan.step)), horizon)


def with_year_ago(
    windows: Windows, panel: Panel, recipes: Sequence[Recipe], training: Training, *, plan: Plan, chosen: Span
) -> Windows:
    """Add the windows that lie a year before the steps that come next.

    plan: how many, and how many steps apart. chosen: the steps on which training has compared recipes. Without change
    where the history is too short for all of them, where they would meet the last windows, and where training has
    seen one of their steps: then the choice would flatter the challenger.
    """
    season, horizon, first = training.season, training.horizon, panel.days - panel.calendar.year
    found = Windows(tuple(range(first, first + plan.origins * plan.step, plan.step)), horizon)
    needed = max(days_needed(recipe, season, horizon, panel.calendar) for recipe in recipes)
    if not found.origins or first < max(needed, season + 1) or found.last_day >= windows.first_day:
        return windows
    if chosen[0] <= found.last_day and first <= chosen[1]:
        return windows
    return Windows((*found.origins, *windows.origins), windows.horizon, len(found.origins))


def actuals_of(history: History, windows: Windows) -> Actuals:
    """Actual values, seasonal naive forecasts, scales and dates of the windows."""
    values, calendar = history.values, history.calendar
    days = np.array(windows.origins)[:, None] + np.arange(windows.horizon)
    scales, squares = scales_of(values, windows.origins, history.season)
    places = calendar.parts_of(calendar.dates(history.first, days))
    naive = _predict(BASELINE, history, windows)
    return Actuals(values[:, days], naive, scales, squares, places, windows.year_ago)


def backtest(
    history: History, recipes: Sequence[Recipe], windows: Windows, progress: Progress = silent
) -> dict[str, Array]:
    """Forecasts of each recipe, by label: shape (series, origins, horizon).

    The parts of a combination are forecast only once. progress: called for each
    fit. Raises: ValueError (too little history), UsageError (a recipe needs an extra).
    """
    made: dict[str, Array] = {}

    def predictions(recipe: Recipe) -> Array:
        if recipe.label not in made:
            parts = [predictions(part) for part in recipe.parts]
            made[recipe.label] = combined(recipe, parts) if parts else _predict(recipe, history, windows, progress)
        return made[recipe.label]

    return {recipe.label: predictions(recipe) for recipe in recipes}


def _predict(recipe: Recipe, history: History, windows: Windows, progress: Progress = silent) -> Array:
    models = fits(recipe, history.until(windows.origins[-1]), windows.origins)
    made = []
    for number, model in enumerate(models, 1):
        progress(recipe.label, number, len(windows.origins))
        made.append(forecast(model, windows.horizon))
    return np.stack(made, axis=1)
