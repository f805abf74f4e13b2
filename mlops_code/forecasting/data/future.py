"""From the delivered table to what is known in advance: the columns of the section `future`, and holidays.

Rows behind the last step with a measure may leave the measures empty: they hold what is known of days ahead.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from forecasting.data.reading import line_of
from forecasting.data.series import KEY_SEPARATOR, Panel
from forecasting.errors import Finding, UsageError
from forecasting.known import MAX_CATEGORIES, Column, Holidays, Known
from forecasting.limits import LARGEST, MAX_HORIZON
from forecasting.problem.reading import Reading
from forecasting.problem.sections import Future, FutureColumn, SeriesRule, Source
from forecasting.tables.cells import days_of, numbers_of

HOLIDAYS_AHEAD = timedelta(days=10 * 366)  # a model serves for years, and histories that it is sent end later
Array = NDArray[np.float64]


def without_ahead(raw: pd.DataFrame, source: Source, reading: Reading) -> pd.DataFrame:
    """The rows up to the last one with a measure; behind it, rows without any are about days ahead."""
    measured = (raw[list(source.measures)].map(str.strip) != "").any(axis=1)
    days = days_of(raw[source.date], reading)
    return raw[measured | ~(days > days[measured].max())] if measured.any() else raw


def with_known(
    panel: Panel, raw: pd.DataFrame, source: Source, rule: SeriesRule, future: Future, *, reading: Reading
) -> tuple[Panel, list[Finding]]:
    """The panel with what is known in advance. raw: every row of the table, as text."""
    values, columns, findings = _values(panel, raw, source, rule, future, reading=reading)
    if findings:
        return panel, findings
    holidays = None
    if future.holidays:
        holidays = holidays_of(future.holidays, panel.first - timedelta(days=1), panel.last + HOLIDAYS_AHEAD)
    known = Known(columns, values, panel.days, holidays)
    return replace(panel, known=known, notes=(*panel.notes, _note(known))), []


def holidays_of(name: str, first: date, last: date) -> Holidays:
    """The holidays of a country, such as DE, or of a part of one, such as DE-BY. Raises: UsageError."""
    import holidays

    country, _, part = name.partition("-")
    try:
        found = holidays.country_holidays(country, subdiv=part or None, years=range(first.year, last.year + 1))
    except NotImplementedError as unknown:
        raise UsageError(
            f"future.holidays: {name} is not known to the library holidays ({unknown}). "
            "Name a country such as DE, or a part of one such as DE-BY."
        ) from None
    return Holidays(name, first, last, tuple(day for day in sorted(found) if first <= day <= last))


def _values(
    panel: Panel, raw: pd.DataFrame, source: Source, rule: SeriesRule, future: Future, *, reading: Reading
) -> tuple[Array, tuple[Column, ...], list[Finding]]:
    """Values of shape (series, steps and steps ahead, columns), with the columns that they belong to."""
    series, steps = _places(panel, raw, source, rule, reading)
    wanted = (series >= 0) & (steps >= 0)
    ahead = _days_ahead(steps[wanted], panel.days) if future.columns else 0
    wanted &= steps < panel.days + ahead
    place = pd.Series(series * (panel.days + ahead) + steps, index=raw.index)[wanted]
    values = np.full((len(panel.keys), panel.days + ahead, len(future.columns)), np.nan)
    columns, findings = [], []
    for number, wish in enumerate(future.columns):
        column, numbers, wrong = _numbers(raw.loc[place.index, wish.column].str.strip(), wish, reading)
        wrong += _ambiguous(numbers, place, wish)
        columns.append(column)
        findings += wrong
        found = numbers.groupby(place).first()
        values[:, :, number].reshape(-1)[found.index.to_numpy()] = found.to_numpy()
        if not wrong:
            filled = _filled(values[:, :, number], wish.missing)
            values[:, :, number] = filled
            findings += _gaps(filled, panel, wish)
    return values, tuple(columns), findings


def _places(
    panel: Panel, raw: pd.DataFrame, source: Source, rule: SeriesRule, reading: Reading
) -> tuple[pd.Series[int], pd.Series[int]]:
    """The series and the step of each row, counted from the panel's first; negative where it belongs to none."""
    days = days_of(raw[source.date], reading)
    dated = days.notna()
    steps = pd.Series(-1, index=raw.index)
    first = panel.calendar.number(panel.first)
    steps[dated] = panel.calendar.numbers(days[dated].to_numpy()) - first
    if rule.types and source.type:
        dated &= raw[source.type].str.strip().isin(rule.types)
    if not rule.keys:
        return pd.Series(np.where(dated, 0, -1), index=raw.index), steps
    names = raw[rule.keys[0]].str.strip()
    for column in rule.keys[1:]:
        names = names + KEY_SEPARATOR + raw[column].str.strip()
    places = {key: place for place, key in enumerate(panel.keys)}
    return names.map(places).where(dated).fillna(-1).astype(int), steps


def _days_ahead(steps: pd.Series[int], days: int) -> int:
    """How many steps in a row behind the panel have a row."""
    later = set(steps[steps >= days].tolist())
    return next(ahead for ahead in range(MAX_HORIZON + 1) if ahead == MAX_HORIZON or days + ahead not in later)


def _numbers(
    texts: pd.Series[str], wish: FutureColumn, reading: Reading
) -> tuple[Column, pd.Series[float], list[Finding]]:
    """The column and its values as numbers: of a category its number."""
    if wish.kind == "number":
        numbers = numbers_of(texts, reading)
        wrong = ~(numbers.abs() <= LARGEST)
        found = f"not a number up to {LARGEST:g}"
        return Column(wish.column), numbers, _findings(wish, wrong, found, "a number such as 1 or 9.95")
    codes, names = pd.factorize(texts, sort=True)
    findings = _findings(wish, texts == "", "empty", "the name of a category")
    if len(names) > MAX_CATEGORIES:
        found = f"{len(names)} categories"
        fix = "Merge rare categories, or make it a numeric column."
        findings.append(Finding(wish.column, (), found, f"at most {MAX_CATEGORIES}", fix))
    column = Column(wish.column, tuple(str(name) for name in names))
    return column, pd.Series(codes.astype(np.float64), index=texts.index), findings


def _findings(wish: FutureColumn, wrong: pd.Series[bool], found: str, expected: str) -> list[Finding]:
    places = tuple(line_of(index) for index in wrong.index[wrong])
    return [Finding(wish.column, places, found, expected, "Fill in the value of these rows.")] if places else []


def _ambiguous(numbers: pd.Series[float], place: pd.Series[int], wish: FutureColumn) -> list[Finding]:
    """Rows of one series and day that differ."""
    differs = numbers != numbers.groupby(place).transform("first")
    fix = "Give all rows of a day and series the same value."
    places = tuple(line_of(index) for index in numbers.index[differs & numbers.notna()])
    found = "another value than an earlier row of the same day and series"
    return [Finding(wish.column, places, found, "one value per day and series", fix)] if places else []


def _filled(values: Array, missing: str) -> Array:
    """Values with what stands for days without a row."""
    if missing == "zero":
        return np.nan_to_num(values)
    if missing == "last":
        return pd.DataFrame(values).ffill(axis=1).bfill(axis=1).to_numpy()
    return values


def _gaps(values: Array, panel: Panel, wish: FutureColumn) -> list[Finding]:
    gaps = np.argwhere(np.isnan(values))
    if not len(gaps):
        return []
    places = tuple(f"{panel.keys[row]} {panel.day(step)}" for row, step in gaps.tolist())
    fix = "Deliver these rows, or set missing of this column to zero or last."
    return [Finding(wish.column, places, "no value", "one for every series and day", fix)]


def _note(known: Known) -> str:
    """What is known in advance, in a sentence."""
    parts = [column.name for column in known.columns]
    if known.holidays:
        parts.append(f"holidays of {known.holidays.country} until {known.holidays.last}")
    ahead = f"; the table holds {known.ahead} steps ahead" if known.columns else ""
    return f"known in advance: {', '.join(parts)}{ahead}"
