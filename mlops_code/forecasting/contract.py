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
from .policy import Contract, SeriesRule, Source
from .regular import check_deliveries, check_rows, panel_of
from .series import KEY_SEPARATOR, Panel, sha256_of

CONTRACT_VERSION = "2"
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
KEY = Rule("key", f"empty or with a {KEY_SEPARATOR}", "the name of a series", f"Fill it in, without {KEY_SEPARATOR}.")
FINITE = Rule("finite", "NaN, infinite or not a number", "a finite number", "Correct or remove the row.")
NOT_NEGATIVE = Rule("not_negative", "negative", "at least 0", "Deliver reversals as a type of their own.")
COUNT = Rule("count", "not a whole number of at least 1", "a count", "Leave out days without transactions.")
RULES = {rule.name: rule for rule in (DAY, TYPE, KEY, FINITE, NOT_NEGATIVE, COUNT)}


@dataclass(frozen=True)
class Delivery:
    """What is known beside the table. as_of: the day of the run, for freshness; None: not checked.

    accepted_rows: rows of the last accepted data version; None: there is none.
    """

    as_of: date | None = None
    accepted_rows: int | None = None


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


def read_table(
    path: Path,
    source: Source,
    rule: SeriesRule,
    contract: Contract | None = None,
    delivery: Delivery | None = None,
) -> tuple[Panel, str, int]:
    """Check the table and make the daily series of it.

    Returns the series, the sha256 of the file and its number of rows.
    Raises: ContractError with all findings, UsageError (no such file; the problem names a measure that the
    source does not have).
    """
    if rule.measure not in source.measures:
        raise UsageError(f"series.measure {rule.measure} is not one of source.measures {source.measures}.")
    if rule.types and source.type is None:
        raise UsageError("series.types needs source.type, the column that holds them.")
    table = find_table(path)
    sha256 = sha256_of(table)
    try:
        panel, rows = _check(table, source, rule, contract or Contract(), delivery or Delivery())
    except ContractError as refusal:
        refusal.facts["data_sha256"] = sha256
        raise
    return panel, sha256, rows


def _check(
    table: Path, source: Source, rule: SeriesRule, contract: Contract, delivery: Delivery
) -> tuple[Panel, int]:
    raw = _read_text(table, source, rule)
    rows = len(raw)
    frame, findings = _typed(raw, source, rule, contract)
    del raw  # the text of a large table is several times its numbers
    findings += _duplicates(frame, source, rule)
    findings += check_rows(rows, delivery.accepted_rows, contract)
    panel, wrong = panel_of(frame, source, rule, contract)
    findings += wrong
    if panel is not None:
        findings += check_deliveries(panel, source, contract, delivery.as_of)
    if findings or panel is None:
        raise ContractError(str(table), findings)
    return panel, rows


def _read_text(table: Path, source: Source, rule: SeriesRule) -> pd.DataFrame:
    """Read the cells as text; refuses what is no table at all, has no rows or lacks a column."""
    row = "a header and one row a day"
    try:
        raw = pd.read_csv(table, dtype=str, keep_default_na=False, encoding="utf-8-sig")
    except pd.errors.EmptyDataError:
        empty = Finding("", (), "is an empty file", row, "Deliver it again.")
        raise ContractError(str(table), [empty]) from None
    except (pd.errors.ParserError, UnicodeDecodeError, EOFError, OSError) as mistake:
        torn = Finding("", (), f"is not readable as CSV ({mistake})", "comma-separated UTF-8", "Deliver it again.")
        raise ContractError(str(table), [torn]) from None
    if not isinstance(raw.index, pd.RangeIndex):  # pandas takes surplus leading cells for an index
        wide = Finding("", (), "has rows with more cells than the header", "one cell a column", "Deliver it again.")
        raise ContractError(str(table), [wide])
    raw.columns = raw.columns.str.strip()
    header = ", ".join(raw.columns)
    needed = _columns(source, rule)
    findings = [
        Finding(name, (), "missing", f"a column of this name; the header is {header}", "Rename or add it.")
        for name in needed
        if name not in raw.columns
    ]
    if raw.empty and not findings:
        findings = [Finding("", (), "has a header but no rows", row, "Deliver it again.")]
    if findings:
        raise ContractError(str(table), findings)
    return raw[needed].fillna("")  # cells that a short row does not have


def _columns(source: Source, rule: SeriesRule) -> list[str]:
    """The columns that are read, each once."""
    optional = [name for name in (source.type, source.count) if name]
    return list(dict.fromkeys([source.date, *optional, *rule.keys, *source.measures]))


def _typed(
    raw: pd.DataFrame, source: Source, rule: SeriesRule, contract: Contract
) -> tuple[pd.DataFrame, list[Finding]]:
    """Convert text to days and numbers, and check each column by itself."""
    texts = dict.fromkeys([*([source.type] if source.type else []), *rule.keys])
    frame = pd.DataFrame({name: raw[name].str.strip() for name in texts}, index=raw.index)
    frame[source.date] = pd.to_datetime(raw[source.date].str.strip(), format="%Y-%m-%d", errors="coerce")
    for name in (*([source.count] if source.count else []), *source.measures):
        frame[name] = pd.to_numeric(raw[name], errors="coerce").astype(np.float64)
    try:
        _schema(source, rule, contract).validate(frame, lazy=True)
    except pa.errors.SchemaErrors as failures:
        return frame, _findings_of(failures.failure_cases, raw)
    return frame, []


def _schema(source: Source, rule: SeriesRule, contract: Contract) -> pa.DataFrameSchema:
    """Column checks. Nulls are let through to the checks: pandera's own null check would pass infinity."""

    def column(kind: object, *checks: pa.Check) -> pa.Column:
        return pa.Column(kind, list(checks), nullable=True)

    def check(demand: Rule, passes: Callable[[pd.Series[Any]], object]) -> pa.Check:
        return pa.Check(passes, name=demand.name, error=demand.name, ignore_na=False)

    numbers = [check(FINITE, np.isfinite)]
    if contract.non_negative:
        numbers.append(check(NOT_NEGATIVE, lambda values: ~(values < 0)))
    key = check(KEY, lambda texts: (texts != "") & ~texts.str.contains(KEY_SEPARATOR, regex=False))
    columns = {source.date: column("datetime64[ns]", check(DAY, lambda days: days.notna()))}
    columns |= {name: column(str, key) for name in rule.keys}
    if source.type and source.type not in columns:
        columns[source.type] = column(str, check(TYPE, lambda texts: texts != ""))
    if source.count:
        columns[source.count] = column(float, check(COUNT, lambda values: (values >= 1) & (values % 1 == 0)))
    columns |= {name: column(float, *numbers) for name in source.measures}
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


def _duplicates(frame: pd.DataFrame, source: Source, rule: SeriesRule) -> list[Finding]:
    identity = list(dict.fromkeys([source.date, *([source.type] if source.type else []), *rule.keys]))
    twice = frame[frame.duplicated(identity, keep="first") & frame[source.date].notna()]
    if twice.empty:
        return []
    days, names = twice[source.date], [name for name in identity if name != source.date]
    places = tuple(
        f"line {index + FIRST_DATA_LINE} ({' '.join([f'{day:%Y-%m-%d}', *twice.loc[index, names]])})"
        for index, day in zip(twice.index, days, strict=True)
    )
    fix = "Remove the repeated rows, or add them up if they are parts of one."
    found = f"a {' and '.join(['day', *names])} that occurred before"
    return [Finding(" and ".join(identity), places, found, "one row each", fix)]
