"""From checked rows to regular series: every step once, no gap unnoticed, not more series than allowed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from forecasting.data.frequency import check_frequency
from forecasting.data.notes import (
    Change,
    Edges,
    edge_changes,
    edges_of,
    look_alike_notes,
    silent_changes,
    thin_end_notes,
)
from forecasting.data.series import KEY_SEPARATOR, Panel
from forecasting.errors import Finding
from forecasting.problem.sections import Contract, SeriesRule, Source


def panel_of(
    frame: pd.DataFrame, source: Source, rule: SeriesRule, contract: Contract
) -> tuple[Panel | None, list[Finding]]:
    """Aggregate the wanted rows to one value a step and series; None where no series is left."""
    wanted = _wanted(frame, source, rule)
    if wanted.empty:
        kinds = f"type {', '.join(rule.types)}" if rule.types else "any type"
        fix = "Correct series.types, first_date or last_date, or deliver newer data."
        return None, [Finding(source.date, (), f"no day with {kinds}", "the days of the problem", fix)]
    days, calendar = wanted[source.date], rule.calendar
    if other := check_frequency(days, source, rule):
        return None, other
    first = calendar.first_from(rule.first_date or days.min().date())
    steps = calendar.between(first, calendar.last_until(rule.last_date or days.max().date())) + 1
    every = pd.DatetimeIndex(calendar.dates(first, np.arange(steps)))
    findings = _missing_dates(every, days, source, rule)
    keys: tuple[str, ...] = (rule.name,)
    notes: list[str] = []
    changes: list[Change] = []
    if not rule.keys:
        daily = _aggregated(wanted.groupby(source.date), source, rule).reindex(every)
        values = np.asarray(daily, dtype=np.float64)[None, :]
    else:
        values, keys = _pivot(wanted, every, source, rule)
        if rule.missing == "refuse":
            findings += _missing_of_series(values, keys, every, source, calendar.unit)
        notes, edges = look_alike_notes(keys) + thin_end_notes(values, calendar), edges_of(values, calendar)
        changes = edge_changes(edges, keys, first, calendar, steps)
        repeat_season(values, edges, calendar.season)
    values = (np.nan_to_num(values) if rule.missing == "zero" else values) + 0.0  # no negative zeros
    active = (np.abs(values) > 0).sum(axis=1) >= rule.min_active_days if rule.keys else np.ones(1, dtype=bool)
    # Numbers that cannot be read are a finding already, and make a series look as if it were zero.
    findings += _count_findings(active, rule, contract) if active.any() or wanted[rule.measure].notna().all() else []
    if not active.any():
        return None, findings
    kept = tuple(key for key, keep in zip(keys, active, strict=True) if keep)
    changes += silent_changes(keys, active, calendar.count(rule.min_active_days))
    notes += [change.said for change in changes]
    values = np.ascontiguousarray(values[active])
    return Panel(first, values, kept, tuple(notes), calendar, changes=tuple(changes)), findings


def repeat_season(values: NDArray[np.float64], edges: Edges, season: int) -> None:
    """Fill the gap at the end of late series with their last season: nothing delivered yet is not nothing sold."""
    for row in edges.late:
        start = values.shape[1] - int(edges.after[row])
        last = np.nan_to_num(values[row, max(0, start - season) : start])
        values[row, start:] = np.resize(last, values.shape[1] - start)


def _wanted(frame: pd.DataFrame, source: Source, rule: SeriesRule) -> pd.DataFrame:
    """The rows that count: type, first and last date."""
    days = frame[source.date]
    wanted = days.notna()
    if rule.types and source.type:
        wanted &= frame[source.type].isin(rule.types)
    if rule.first_date:
        wanted &= days >= pd.Timestamp(rule.first_date)
    if rule.last_date:
        wanted &= days <= pd.Timestamp(rule.last_date)
    return frame[wanted]


def _aggregated(
    groups: pd.api.typing.DataFrameGroupBy[Any, Any], source: Source, rule: SeriesRule
) -> pd.Series[float]:
    """Sum of the measure, or its mean over transactions (over rows where none are counted)."""
    total = groups[rule.measure].sum()
    if rule.aggregation == "sum":
        return total
    return total / (groups[source.count].sum() if source.count else groups.size())


def _pivot(
    wanted: pd.DataFrame, every: pd.DatetimeIndex, source: Source, rule: SeriesRule
) -> tuple[NDArray[np.float64], tuple[str, ...]]:
    """Values of shape (series, days), NaN where a series has no row; names in the order of their text."""
    names = wanted[rule.keys[0]]
    for column in rule.keys[1:]:
        names = names + KEY_SEPARATOR + wanted[column]
    codes, found = pd.factorize(names, sort=True)
    numbers = rule.calendar.numbers(wanted[source.date].to_numpy())
    steps = numbers - rule.calendar.number(every[0].date())
    place = pd.Series(codes * len(every) + steps, index=wanted.index, name="place")
    sums = _aggregated(wanted.groupby(place), source, rule)
    values = np.full(len(found) * len(every), np.nan)
    values[sums.index.to_numpy()] = sums.to_numpy()
    return values.reshape(len(found), len(every)), tuple(str(name) for name in found)


def _missing_dates(
    every: pd.DatetimeIndex, days: pd.Series[pd.Timestamp], source: Source, rule: SeriesRule
) -> list[Finding]:
    """Dates that no wanted row has: a delivery that left out a day, which zeros must not hide."""
    missing, calendar = every.difference(pd.DatetimeIndex(days.unique())), rule.calendar
    if missing.empty:
        return []
    apart = np.diff(calendar.numbers(np.unique(days.to_numpy())))
    if len(apart) > 1 and apart.min() > 1:
        found = f"no two {calendar.units} follow each other, the nearest are {calendar.count(apart.min())} apart"
        fix = f"Deliver {calendar.adjective} values."
        return [Finding(source.date, (), found, f"a row a {calendar.unit}", fix)]
    places = tuple(f"{day:%Y-%m-%d}" for day in missing)
    kinds = f" of type {', '.join(rule.types)}" if rule.types else ""
    expected = f"every {calendar.unit} from {every[0]:%Y-%m-%d} to {every[-1]:%Y-%m-%d}"
    fix = f"Deliver the missing {calendar.units}; a gap is never filled silently."
    return [Finding(source.date, places, f"no row{kinds}", expected, fix)]


def _missing_of_series(
    values: NDArray[np.float64],
    keys: tuple[str, ...],
    every: pd.DatetimeIndex,
    source: Source,
    unit: str,
) -> list[Finding]:
    absent = np.isnan(values)
    gaps = np.argwhere(absent & ~absent.all(axis=0))  # a date that no series has is a finding of its own
    if not len(gaps):
        return []
    places = tuple(f"{keys[row]} {every[column]:%Y-%m-%d}" for row, column in gaps)
    fix = f"Deliver these {unit}s, or set series.missing to zero where no row means zero."
    return [Finding(source.date, places, "a series without a row", f"every series on every {unit}", fix)]


def _count_findings(active: NDArray[np.bool_], rule: SeriesRule, contract: Contract) -> list[Finding]:
    count = int(active.sum())
    column = " and ".join(rule.keys)
    if not count:
        found = f"no series with {rule.calendar.count(rule.min_active_days)} that are not zero"
        fix = f"Lower series.min_active_days, or deliver more {rule.calendar.units}."
        return [Finding(column, (), found, "at least one", fix)]
    if count > contract.max_series:
        found, expected = f"{count} series", f"at most {contract.max_series} (contract.max_series)"
        return [Finding(column, (), found, expected, "Check that it is the right column, or raise the limit.")]
    return []
