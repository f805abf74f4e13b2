"""From texts to rows: days and numbers, each cell checked by itself, each row against the others.

Cells are read as text and converted here, so that a finding can name the line and the text that was found.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Any

import numpy as np
import pandas as pd
import pandera.pandas as pa

from forecasting.data.reading import line_of
from forecasting.data.series import KEY_SEPARATOR
from forecasting.errors import Finding
from forecasting.limits import FIRST_DAY, LARGEST, LAST_DAY
from forecasting.problem.reading import ISO_DAY, Reading
from forecasting.problem.sections import Contract, SeriesRule, Source
from forecasting.tables.cells import days_of, numbers_of
from forecasting.tables.totals import find_totals

_ERA = r"\s*(?:令和|平成|昭和|大正|明治|[RHS][0-9]{1,2}[./年])"
MAX_SHOWN = 80  # characters of a cell
TOMORROW = timedelta(days=1)  # where the day of the run, UTC, is still today's


@dataclass(frozen=True)
class CellCheck:
    """What is demanded of a cell and what to do where it fails; the name is how pandera reports it."""

    name: str
    found: str
    expected: str
    fix: str


DAY = CellCheck(
    "day", "not a day", f"{{form}}, {FIRST_DAY.year} to {LAST_DAY.year}",
    "Remove rows that are not days, such as totals; for dates in another format set reading.date_format.",
)  # fmt: skip
ERA = replace(DAY, found="a year of a Japanese era", fix="Export the dates with western years, such as 2022/04/01.")
TYPE = CellCheck("type", "empty", "a kind of row such as S", "Fill in the type.")
KEY = CellCheck(
    "key", f"empty or with a {KEY_SEPARATOR}", "the name of a series", f"Fill it in, without {KEY_SEPARATOR}."
)
FINITE = CellCheck(
    "finite", "NaN, infinite or not a number", "a finite number such as {number}",
    "Correct or remove the row: no currency, no unit, the minus in front. "
    "For numbers in another format set reading.decimal and reading.thousands.",
)  # fmt: skip
EMPTY = CellCheck(
    "empty", "empty", "a number",
    "Fill it in, or remove the row; series.missing says what a series without a row on a day means.",
)  # fmt: skip
LARGE = CellCheck(
    "large", "too large", "at most {bound:g} (contract.max_value)", "Correct the row, or use a larger unit."
)
NOT_NEGATIVE = CellCheck(
    "not_negative", "negative", "at least 0",
    "If such values are valid, as for returns, set contract.non_negative to false; else correct them.",
)  # fmt: skip
COUNT = CellCheck("count", "not a whole number of at least 1", "a count", "Omit days without transactions.")
CELL_CHECKS = {check.name: check for check in (DAY, TYPE, KEY, FINITE, EMPTY, LARGE, NOT_NEGATIVE, COUNT)}


def typed_rows(
    raw: pd.DataFrame, source: Source, rule: SeriesRule, contract: Contract, reading: Reading
) -> tuple[pd.DataFrame, list[Finding]]:
    """Convert text to days and numbers, and check each cell by itself; rows that are totals are left out."""
    texts = dict.fromkeys(name for name in (source.type, *rule.keys) if name)
    frame = pd.DataFrame({name: raw[name].str.strip() for name in texts}, index=raw.index)
    days = days_of(raw[source.date], reading)
    frame[source.date] = days.where((days >= pd.Timestamp(FIRST_DAY)) & (days <= pd.Timestamp(LAST_DAY)))
    for name in filter(None, (source.count, *source.measures)):
        frame[name] = numbers_of(raw[name], reading)
    totals = find_totals(frame[source.date], frame[list(rule.keys)], frame[rule.measure])
    frame, findings = frame.drop(index=totals), total_findings(raw.loc[totals, rule.measure])
    try:
        _schema(source, rule, contract).validate(frame, lazy=True)
    except pa.errors.SchemaErrors as failures:
        findings += _findings_of(failures.failure_cases, raw, contract, reading)
    return frame, findings


def total_findings(cells: pd.Series[str]) -> list[Finding]:
    """What to say of rows that are totals; cells: their measure, as written."""
    written = cells.sort_index()
    places = tuple(f"{line_of(index)} ({_shown(text)})" for index, text in zip(written.index, written, strict=True))
    found, expected = "a total: the sum of the other rows, with a date", "no row that adds up others"
    return [Finding(str(cells.name), places, found, expected, "Remove it.")] if places else []


def check_duplicates(frame: pd.DataFrame, source: Source, rule: SeriesRule) -> list[Finding]:
    """Find rows of a day, kind and series that an earlier row has already."""
    identity = list(dict.fromkeys(name for name in (source.date, source.type, *rule.keys) if name))
    twice = frame[frame.duplicated(identity, keep="first") & frame[source.date].notna()]
    if twice.empty:
        return []
    days, names = twice[source.date], [name for name in identity if name != source.date]
    places = tuple(
        f"{line_of(index)} ({' '.join([f'{day:%Y-%m-%d}', *map(_cut, twice.loc[index, names])])})"
        for index, day in zip(twice.index, days, strict=True)
    )
    fix = (
        "Remove the repeated rows; if a day has several, as of transactions or hourly values, "
        "set reading.several_rows to true."
    )
    found = f"a {' and '.join(['day', *names])} that occurred before"
    return [Finding(" and ".join(identity), places, found, "one row each", fix)]


def short_last_day(days: pd.Series[pd.Timestamp]) -> tuple[str, ...]:
    """A note where the newest day has far fewer rows than others: it may not have been over."""
    counts = days.value_counts().sort_index()
    usual, last = float(counts.median()), int(counts.iloc[-1])
    if last * 2 > usual:
        return ()
    newest = f"{counts.index[-1]:%Y-%m-%d}"
    return (f"{newest} has {last} rows, a day usually {usual:g}: set series.last_date if that day was not over",)


def without_future(
    frame: pd.DataFrame, source: Source, rule: SeriesRule, as_of: date | None
) -> tuple[pd.DataFrame, list[Finding]]:
    """Leave out the rows of days that have not been; they are a finding where the problem would use them."""
    if as_of is None:
        return frame, []
    latest = min(as_of + TOMORROW, rule.last_date or date.max)
    days = frame[source.date]
    late = days > pd.Timestamp(as_of + TOMORROW)
    used = days[late & (days <= pd.Timestamp(rule.last_date or LAST_DAY))]
    if used.empty:
        return frame[~late], []
    places = tuple(f"{line_of(index)} ({day:%Y-%m-%d})" for index, day in zip(used.index, used, strict=True))
    fix = "Remove future days, or set series.last_date."
    return frame[~late], [Finding(source.date, places, "in the future", f"days up to {latest}", fix)]


def _schema(source: Source, rule: SeriesRule, contract: Contract) -> pa.DataFrameSchema:
    """Column checks. Nulls are let through to the checks: pandera's own null check would pass infinity."""

    def column(kind: object, *checks: pa.Check) -> pa.Column:
        return pa.Column(kind, list(checks), nullable=True)

    def check(demand: CellCheck, passes: Callable[[pd.Series[Any]], object]) -> pa.Check:
        return pa.Check(passes, name=demand.name, error=demand.name, ignore_na=False)

    numbers = [
        check(FINITE, np.isfinite),
        check(LARGE, lambda values: ~(values.abs() > contract.max_value) | np.isinf(values)),
    ]
    if contract.non_negative:
        numbers.append(check(NOT_NEGATIVE, lambda values: ~(values < 0)))
    key = check(KEY, lambda texts: (texts != "") & ~texts.str.contains(KEY_SEPARATOR, regex=False))
    columns = {source.date: column("datetime64[ns]", check(DAY, lambda days: days.notna()))}
    columns |= {name: column(str, key) for name in rule.keys}
    if source.type and source.type not in columns:
        columns[source.type] = column(str, check(TYPE, lambda texts: texts != ""))
    if source.count:
        whole = check(COUNT, lambda values: (values >= 1) & (values <= LARGEST) & (values % 1 == 0))
        columns[source.count] = column(float, whole)
    columns |= {name: column(float, *numbers) for name in source.measures}
    return pa.DataFrameSchema(columns)


def _findings_of(failures: pd.DataFrame, raw: pd.DataFrame, contract: Contract, reading: Reading) -> list[Finding]:
    """One finding a column and check, with the lines and the texts that were found there."""
    findings = []
    form = "YYYY-MM-DD" if reading.date_format == ISO_DAY else reading.date_format
    number = "1234.5".replace(".", reading.decimal)
    undated = set(failures.loc[failures["check"] == DAY.name, "index"])
    for (column, name), group in failures.groupby(["column", "check"], sort=False):
        cells = raw.loc[sorted(group["index"]), str(column)]
        if name != DAY.name:  # a row that is to be removed, such as a total, need not be filled in
            cells = cells[~(cells.index.isin(undated) & (cells.str.strip() == ""))]
        for check, texts in _by_cure(CELL_CHECKS[str(name)], cells):
            found = zip(texts.index, texts, strict=True)
            places = tuple(f"{line_of(index)} ({_shown(str(text))})" for index, text in found)
            expected = check.expected.format(bound=contract.max_value, form=form, number=number)
            findings.append(Finding(str(column), places, check.found, expected, check.fix))
    return findings


def _by_cure(check: CellCheck, texts: pd.Series[str]) -> Iterator[tuple[CellCheck, pd.Series[str]]]:
    """Cells that fail a check, apart where something else is to be done about them: an empty one has no format."""
    if check is DAY:
        eras = texts.str.match(_ERA)
        if eras.any():
            yield ERA, texts[eras]
        texts = texts[~eras]
    if check is FINITE:
        empty = texts.str.strip() == ""
        if empty.any():
            yield EMPTY, texts[empty]
        texts = texts[~empty]
    if len(texts):
        yield check, texts


def _cut(text: str) -> str:
    return text if len(text) <= MAX_SHOWN else f"{text[:MAX_SHOWN]}..."


def _shown(text: str) -> str:
    """A cell as it was found, cut where it is long."""
    return repr(text) if len(text) <= MAX_SHOWN else f"{text[:MAX_SHOWN]!r}..."
