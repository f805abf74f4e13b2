"""The data contract of a delivered table, checked before anything is trained from it.

Every finding is collected before the table is refused: whoever delivers the data mends it once, not five times.
Cells are read as text and converted here, so that a finding can name the line and the text that was found.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pandera.pandas as pa

from .errors import ContractError, Finding, UsageError
from .problem import SeriesRule, Source
from .series import Series, sha256_of

CONTRACT_VERSION = "1"
TABLE_PATTERNS = ("*.csv", "*.csv.gz")
FIRST_DATA_LINE = 2  # line 1 is the header


@dataclass(frozen=True)
class Rule:
    """What a check demands and what to do where it fails; the name is how pandera reports it."""

    name: str
    found: str
    expected: str
    fix: str


DAY = Rule("day", "not a day", "YYYY-MM-DD", "Write the day in ISO form.")
TYPE = Rule("type", "empty", "a kind of row such as S", "Fill in the type.")
FINITE = Rule("finite", "NaN, infinite or not a number", "a finite number", "Correct or remove the row.")
NOT_NEGATIVE = Rule("not_negative", "negative", "at least 0", "Deliver reversals as a type of their own.")
COUNT = Rule("count", "not a whole number of at least 1", "a count", "Leave out days without transactions.")
RULES = {rule.name: rule for rule in (DAY, TYPE, FINITE, NOT_NEGATIVE, COUNT)}


def find_table(path: Path) -> Path:
    """Return the one table that path is, or that the folder path holds.

    Raises: UsageError (nothing there), ContractError (a folder with no table or with several).
    """
    if path.is_file():
        return path
    if not path.is_dir():
        raise UsageError(f"{path}: no such file or folder. Name the table, or the folder that holds it.")
    tables = sorted(file for pattern in TABLE_PATTERNS for file in path.rglob(pattern))
    if len(tables) != 1:
        names = tuple(file.name for file in tables)
        found = f"{len(tables)} tables ({', '.join(TABLE_PATTERNS)})"
        raise ContractError(str(path), [Finding("", names, found, "exactly one", "Upload one data version.")])
    return tables[0]


def read_table(path: Path, source: Source, rule: SeriesRule) -> tuple[Series, str, int]:
    """Check the table and make the daily series of it.

    Returns the series, the sha256 of the file and its number of rows.
    Raises: ContractError with all findings, UsageError (no such file; the problem names a measure that the
    source does not have).
    """
    if rule.measure not in source.measures:
        raise UsageError(f"series.measure {rule.measure} is not one of source.measures {source.measures}.")
    table = find_table(path)
    sha256 = sha256_of(table)
    try:
        series, rows = _check(table, source, rule)
    except ContractError as refusal:
        refusal.facts["data_sha256"] = sha256
        raise
    return series, sha256, rows


def _check(table: Path, source: Source, rule: SeriesRule) -> tuple[Series, int]:
    raw = _read_text(table, source)
    frame, findings = _typed(raw, source)
    findings += _duplicates(frame, source)
    daily = _daily(frame, source, rule)
    findings += _gaps(daily, source, rule)
    if findings:
        raise ContractError(str(table), findings)
    return Series(daily.index[0].date(), np.asarray(daily, dtype=np.float64)), len(raw)


def _read_text(table: Path, source: Source) -> pd.DataFrame:
    """Read all cells as text; refuses what is no table at all, has no rows or lacks a column."""
    try:
        raw = pd.read_csv(table, dtype=str, keep_default_na=False, encoding="utf-8-sig")
    except pd.errors.EmptyDataError:
        empty = Finding("", (), "is an empty file", "a header and one row a day and type", "Deliver it again.")
        raise ContractError(str(table), [empty]) from None
    except (pd.errors.ParserError, UnicodeDecodeError, EOFError, OSError) as mistake:
        torn = Finding("", (), f"is not readable as CSV ({mistake})", "comma-separated UTF-8", "Deliver it again.")
        raise ContractError(str(table), [torn]) from None
    if not isinstance(raw.index, pd.RangeIndex):  # pandas takes surplus leading cells for an index
        wide = Finding("", (), "has rows with more cells than the header", "one cell a column", "Deliver it again.")
        raise ContractError(str(table), [wide])
    raw = raw.fillna("")  # cells that a short row does not have
    raw.columns = raw.columns.str.strip()
    needed = (source.date, source.type, source.count, *source.measures)
    header = ", ".join(raw.columns)
    findings = [
        Finding(name, (), "missing", f"a column of this name; the header is {header}", "Rename or add it.")
        for name in needed
        if name not in raw.columns
    ]
    if raw.empty and not findings:
        findings = [Finding("", (), "has a header but no rows", "one row a day and type", "Deliver it again.")]
    if findings:
        raise ContractError(str(table), findings)
    return raw


def _typed(raw: pd.DataFrame, source: Source) -> tuple[pd.DataFrame, list[Finding]]:
    """Convert text to days and numbers, and check each column by itself."""
    frame = pd.DataFrame({source.type: raw[source.type].str.strip()})
    frame[source.date] = pd.to_datetime(raw[source.date].str.strip(), format="%Y-%m-%d", errors="coerce")
    for name in (source.count, *source.measures):
        frame[name] = pd.to_numeric(raw[name], errors="coerce").astype(np.float64)
    try:
        _schema(source).validate(frame, lazy=True)
    except pa.errors.SchemaErrors as failures:
        return frame, _findings_of(failures.failure_cases, raw)
    return frame, []


def _schema(source: Source) -> pa.DataFrameSchema:
    """Column checks. Nulls are let through to the checks: pandera's own null check would pass infinity."""

    def column(kind: object, *checks: pa.Check) -> pa.Column:
        return pa.Column(kind, list(checks), nullable=True)

    def check(rule: Rule, passes: Callable[[pd.Series[Any]], object]) -> pa.Check:
        return pa.Check(passes, name=rule.name, error=rule.name, ignore_na=False)

    finite = check(FINITE, np.isfinite)
    not_negative = check(NOT_NEGATIVE, lambda values: ~(values < 0))
    count = check(COUNT, lambda values: (values >= 1) & (values % 1 == 0))
    columns = {
        source.date: column("datetime64[ns]", check(DAY, lambda days: days.notna())),
        source.type: column(str, check(TYPE, lambda texts: texts != "")),
        source.count: column(float, count),
    }
    columns |= {name: column(float, finite, not_negative) for name in source.measures}
    return pa.DataFrameSchema(columns)


def _findings_of(failures: pd.DataFrame, raw: pd.DataFrame) -> list[Finding]:
    """One finding a column and check, with the lines and the texts that were found there."""
    findings = []
    for (column, check), group in failures.groupby(["column", "check"], sort=False):
        rule = RULES[str(check)]
        places = tuple(
            f"line {index + FIRST_DATA_LINE} ({raw[column].iloc[index]!r})" for index in sorted(group["index"])
        )
        findings.append(Finding(str(column), places, rule.found, rule.expected, rule.fix))
    return findings


def _duplicates(frame: pd.DataFrame, source: Source) -> list[Finding]:
    both = [source.date, source.type]
    twice = frame[frame.duplicated(both, keep="first") & frame[source.date].notna()]
    if twice.empty:
        return []
    places = tuple(
        f"line {index + FIRST_DATA_LINE} ({day:%Y-%m-%d} {kind})"
        for index, day, kind in zip(twice.index, twice[source.date], twice[source.type], strict=True)
    )
    fix = "Remove the repeated rows, or add them up if they are parts of one."
    return [Finding(" and ".join(both), places, "a day and type that occurred before", "one row each", fix)]


def _daily(frame: pd.DataFrame, source: Source, rule: SeriesRule) -> pd.Series[float]:
    """One value a day that has rows, within the first and last day of the rule."""
    days = frame[source.date]
    wanted = frame[source.type].isin(rule.types) & days.notna()
    if rule.first_date:
        wanted &= days >= pd.Timestamp(rule.first_date)
    if rule.last_date:
        wanted &= days <= pd.Timestamp(rule.last_date)
    sums = frame[wanted].groupby(source.date)[[rule.measure, source.count]].sum()
    return sums[rule.measure] / sums[source.count] if rule.aggregation == "mean" else sums[rule.measure]


def _gaps(daily: pd.Series[float], source: Source, rule: SeriesRule) -> list[Finding]:
    """Days between the first and the last that no row of the wanted types has."""
    kinds = ", ".join(rule.types)
    if daily.empty:
        fix = "Correct series.types, first_date or last_date, or deliver newer data."
        return [Finding(source.date, (), f"no day with type {kinds}", "the days of the problem", fix)]
    first: date = rule.first_date or daily.index[0].date()
    last: date = rule.last_date or daily.index[-1].date()
    missing = pd.date_range(first, last).difference(pd.DatetimeIndex(daily.index))
    if missing.empty:
        return []
    places = tuple(f"{day:%Y-%m-%d}" for day in missing)
    expected = f"every day from {first} to {last}"
    fix = "Deliver the missing days; a gap is never filled in silence."
    return [Finding(source.date, places, f"no row of type {kinds}", expected, fix)]
