"""The daily series that steps hand to each other: one finite value a day, no gap, and its origin."""

from __future__ import annotations

import csv
import hashlib
import io
import itertools
import json
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .errors import ContractError, Finding, UsageError

SERIES_FILE, FACTS_FILE = "series.csv", "facts.json"


@dataclass(frozen=True)
class Series:
    """A daily series. values: shape (days,), finite, unit of the measure; first: the day of values[0]."""

    first: date
    values: NDArray[np.float64]

    @property
    def last(self) -> date:
        """The newest day; a model fitted on the whole series has it as its cutoff."""
        return self.first + timedelta(days=len(self.values) - 1)

    def day(self, index: int) -> date:
        """The day of values[index]; index may lie beyond the end."""
        return self.first + timedelta(days=index)


def facts_of(series: Series, data_sha256: str, rows: int, file: str) -> dict[str, Any]:
    """Describe a series and its table; rows and file speak of the table, the rest of the series."""
    return {
        "data_sha256": data_sha256,
        "file": file,
        "rows": rows,
        "first_date": series.first.isoformat(),
        "last_date": series.last.isoformat(),
        "days": len(series.values),
        "mean": float(series.values.mean()),
    }


def sha256_of(path: Path) -> str:
    """Hash of a file's bytes, hexadecimal."""
    with path.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def write_series(folder: Path, series: Series, facts: dict[str, Any]) -> None:
    """Write series.csv (date,value) and facts.json; values keep every digit: reading gives the same bits."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = [f"{series.day(index)},{float(value)!r}" for index, value in enumerate(series.values)]
    (folder / SERIES_FILE).write_text("date,value\n" + "\n".join(lines) + "\n", encoding="utf-8")
    (folder / FACTS_FILE).write_text(json.dumps(facts, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def read_series(folder: Path) -> tuple[Series, dict[str, Any]]:
    """Read what write_series wrote.

    Raises: UsageError (a file is not there), ContractError (a day is missing or a value is not finite: the
    folder was edited by hand or comes from elsewhere).
    """
    path = folder / SERIES_FILE
    for needed in (path, folder / FACTS_FILE):
        if not needed.is_file():
            raise UsageError(f"{needed}: no such file. Name a folder that prepare.py or train.py has written.")
    rows = list(csv.reader(io.StringIO(path.read_text(encoding="utf-8"))))
    days, values, findings = _parse(rows)
    if findings:
        raise ContractError(str(path), findings)
    series = Series(days[0], np.array(values, dtype=np.float64))
    facts = json.loads((folder / FACTS_FILE).read_text(encoding="utf-8"))
    if series.last.isoformat() != facts.get("last_date") or len(values) != facts.get("days"):
        mismatch = Finding(
            "date", (), "the days differ from facts.json", "the two files of one run", "Prepare again."
        )
        raise ContractError(str(path), [mismatch])
    return series, facts


def _parse(rows: list[list[str]]) -> tuple[list[date], list[float], list[Finding]]:
    """Return days, values and what is wrong; the first two are usable only without findings."""
    fix = "Prepare the series again."
    days: list[date] = []
    values: list[float] = []
    bad: list[str] = []
    for number, row in enumerate(rows[1:], 2):
        try:
            day, text = row
            days.append(date.fromisoformat(day))
            values.append(float(text))
        except ValueError:
            bad.append(f"line {number}")
    if rows[:1] != [["date", "value"]] or not values or bad:
        return (
            days,
            values,
            [Finding("date,value", tuple(bad), "unreadable", "a day and a number a line", fix)],
        )
    findings = []
    wild = tuple(str(day) for day, value in zip(days, values, strict=True) if not np.isfinite(value))
    if wild:
        findings.append(Finding("value", wild, "NaN or infinite", "finite numbers", fix))
    steps = itertools.pairwise(days)
    torn = tuple(str(after) for before, after in steps if after - before != timedelta(days=1))
    if torn:
        findings.append(Finding("date", torn, "does not follow the day before", "one line a day in order", fix))
    return days, values, findings
