"""Whether the dates of a table are those that the problem speaks of, and what to do where they are not."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from forecasting.calendars import DAILY, Calendar, inferred
from forecasting.errors import Finding
from forecasting.problem.sections import SeriesRule, Source


def check_frequency(days: pd.Series[pd.Timestamp], source: Source, rule: SeriesRule) -> list[Finding]:
    """Find a table of another frequency than the problem's, and dates that are none of the problem's."""
    calendar, known = rule.calendar, np.unique(days.to_numpy().astype("datetime64[D]"))
    table = inferred(known.tolist())
    off = known[calendar.dates_of(calendar.numbers(known)) != known].tolist()
    if not off and (table is None or _span(known, table) == _span(known, calendar)):
        return []
    wanted = f"{calendar.adjective} values, each dated {calendar.expected} (series.frequency)"
    if table is not None:
        found = f"the dates are {table.adjective}" + ("" if table == DAILY else f", each {table.expected}")
        return [Finding(source.date, (), found, wanted, _remedy(table, calendar, rule.aggregation))]
    places = tuple(str(day) for day in off)
    fix = f"Date each {calendar.unit} by {calendar.expected}, or correct series.frequency."
    return [Finding(source.date, places, f"not {calendar.expected}", wanted, fix)]


def _span(known: NDArray[np.datetime64], calendar: Calendar) -> int:
    return calendar.between(known[0].item(), known[-1].item())


def _remedy(table: Calendar, calendar: Calendar, aggregation: str) -> str:
    """The aggregation that makes a table fit, or the frequency that fits the table."""
    fits = f"set series.frequency to {table.frequency}"
    if table.part == calendar.part or table.year < calendar.year:
        weeks_to_months = table.year > calendar.year
        why = " A week may lie in two months: make monthly values of daily ones." if weeks_to_months else ""
        return f"If the table is right, {fits}.{why}"
    resampled = f'resample("{calendar.resampled}").{aggregation}()'
    return (
        f"Deliver the {aggregation} of the {table.units} of each {calendar.unit}, dated {calendar.expected} "
        f"(in pandas {resampled}), or {fits}."
    )
