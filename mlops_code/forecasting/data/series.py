"""The series that steps hand to each other: one finite value a step and series, no gap, and their origin.

A step is that of the calendar: a day, a week, a month. What is called `days` in files counts steps.

One series is a table of two columns (date,value). Many series are one line each, with a column a step, because a
table of a few hundred columns is read many times faster than one of twenty thousand.
"""

from __future__ import annotations

import csv
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from forecasting.calendars import DAILY, Calendar, calendar_of
from forecasting.data.known_file import read_known, write_known
from forecasting.data.notes import Change
from forecasting.errors import ContractError, Finding, UsageError
from forecasting.json_text import UNREADABLE, reason, strict_json
from forecasting.known import Known
from forecasting.limits import FIRST_DAY, LAST_DAY

SERIES_FILE, FACTS_FILE = "series.csv", "facts.json"
ONE_HEADER, MANY_HEADER = ["date", "value"], "series"
KEY_SEPARATOR = "/"
TOTALS = "totals"
"""Key of a manifest for `totals_of`."""
FIX = "Prepare the series again."


@dataclass(frozen=True)
class Panel:
    """Series of one calendar. first: the date of column 0; values: shape (series, days), finite, unit of the measure.

    keys: name of each series, in row order; values of several key columns are joined by a slash.
    """

    first: date
    values: NDArray[np.float64]
    keys: tuple[str, ...]
    notes: tuple[str, ...] = ()
    """Sentences on the series for a person, such as which were left out; only where they come from a table."""
    calendar: Calendar = DAILY
    known: Known | None = None
    """What is known in advance, of all days and of some ahead."""
    changes: tuple[Change, ...] = ()
    """Series that are late, ended, young or left out; only where they come from a table."""

    @property
    def days(self) -> int:
        """Number of steps."""
        return int(self.values.shape[1])

    @property
    def last(self) -> date:
        """The newest date; a model fitted on the whole panel has it as its cutoff."""
        return self.day(self.days - 1)

    def day(self, index: int) -> date:
        """The date of column index; index may lie beyond the end."""
        return self.calendar.after(self.first, index)

    def until(self, days: int) -> Panel:
        """The first `days` steps alone."""
        known = self.known.until(days) if self.known else None
        return Panel(self.first, self.values[:, :days], self.keys, calendar=self.calendar, known=known)

    def rows(self, index: Sequence[int]) -> Panel:
        """Some of the series."""
        keys = tuple(self.keys[row] for row in index)
        known = self.known.rows(index) if self.known else None
        return Panel(self.first, self.values[list(index)], keys, calendar=self.calendar, known=known)


def facts_of(panel: Panel, data_sha256: str, rows: int, file: str) -> dict[str, Any]:
    """Describe a panel and its table; rows and file speak of the table, the rest of the series."""
    told: dict[str, Any] = {"notes": list(panel.notes)} if panel.notes else {}
    if panel.calendar != DAILY:
        told["frequency"] = panel.calendar.frequency
    if panel.changes:
        told["changes"] = {change.kind: change.as_json() for change in panel.changes}
    return {
        **told,
        "data_sha256": data_sha256,
        "file": file,
        "rows": rows,
        "first_date": panel.first.isoformat(),
        "last_date": panel.last.isoformat(),
        "days": panel.days,
        "series": len(panel.keys),
        "name": panel.keys[0] if len(panel.keys) == 1 else None,
        "mean": float(panel.values.mean()),
        "maximum": float(panel.values.max()),
        "share_of_zeros": float((panel.values == 0).mean()),
    }


def totals_of(panel: Panel) -> dict[str, Any]:
    """The sum over all series of each date, by which later data shows what was revised since."""
    return {"first_date": panel.first.isoformat(), "values": panel.values.sum(axis=0).tolist()}


def sha256_of(path: Path) -> str:
    """Hash of a file's bytes, hexadecimal."""
    with path.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def write_series(folder: Path, panel: Panel, facts: dict[str, Any]) -> None:
    """Write series.csv and facts.json; values keep every digit: reading gives the same bits."""
    folder.mkdir(parents=True, exist_ok=True)
    days = [day.isoformat() for day in panel.calendar.range(panel.first, panel.days)]
    with (folder / SERIES_FILE).open("w", encoding="utf-8", newline="") as content:
        lines = csv.writer(content, lineterminator="\n")
        if len(panel.keys) == 1:
            lines.writerow(ONE_HEADER)
            lines.writerows(zip(days, panel.values[0].tolist(), strict=True))
        else:
            lines.writerow([MANY_HEADER, *days])
            # A row at a time: the text of a large panel is several times its numbers.
            lines.writerows([key, *row.tolist()] for key, row in zip(panel.keys, panel.values, strict=True))
    write_known(folder, panel.known, panel.keys)
    (folder / FACTS_FILE).write_text(json.dumps(facts, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def read_series(folder: Path) -> tuple[Panel, dict[str, Any]]:
    """Read what write_series wrote.

    Raises: UsageError (a file is not there), ContractError (a day is missing or a value is not finite: the
    folder was edited by hand or comes from elsewhere).
    """
    path = folder / SERIES_FILE
    for needed in (path, folder / FACTS_FILE):
        if not needed.is_file():
            raise UsageError(f"{needed}: no such file. Name a folder written by prepare.py or train.py.")
    try:
        facts = strict_json((folder / FACTS_FILE).read_bytes())
        calendar = calendar_of(facts.get("frequency", DAILY.frequency))
    except UNREADABLE as mistake:
        unreadable = Finding("", (), f"is unreadable ({reason(mistake)})", "the file that came with the series", FIX)
        raise ContractError(str(folder / FACTS_FILE), [unreadable]) from None
    with path.open(encoding="utf-8", newline="") as content:
        lines = csv.reader(content)
        header = next(lines, [])
        if header == ONE_HEADER:
            panel, findings = _one(str(facts.get("name")), lines, calendar)
        else:
            panel, findings = _many(header, lines, calendar)
    if panel is None or findings:
        raise ContractError(str(path), findings)
    described = (facts.get("last_date"), facts.get("days"), facts.get("series"))
    if described != (panel.last.isoformat(), panel.days, len(panel.keys)):
        mismatch = Finding("date", (), "the dates differ from facts.json", "the two files of one run", FIX)
        raise ContractError(str(path), [mismatch])
    return replace(panel, known=read_known(folder, panel.keys, panel.days)), facts


def _one(key: str, lines: Any, calendar: Calendar) -> tuple[Panel | None, list[Finding]]:
    """One series: a line a step."""
    days: list[str] = []
    texts: list[str] = []
    bad = []
    for number, cells in enumerate(lines, 2):
        if len(cells) == 2:
            days.append(cells[0])
            texts.append(cells[1])
        else:
            bad.append(f"line {number}")
    return _panel(days, [texts], [key], bad, calendar)


def _many(header: list[str], lines: Any, calendar: Calendar) -> tuple[Panel | None, list[Finding]]:
    """Many series: a line each, a column a step."""
    keys: list[str] = []
    rows: list[list[str]] = []
    bad = [] if header[:1] == [MANY_HEADER] else ["line 1"]
    for number, cells in enumerate(lines, 2):
        if len(cells) == len(header):
            keys.append(cells[0])
            rows.append(cells[1:])
        else:
            bad.append(f"line {number}")
    return _panel(header[1:], rows, keys, bad, calendar)


def _panel(
    texts: list[str], rows: Sequence[Sequence[str]], keys: list[str], bad: list[str], calendar: Calendar
) -> tuple[Panel | None, list[Finding]]:
    expected = "a date and a number a line, or a line for each of several series"
    try:
        days = [date.fromisoformat(text) for text in texts]
        numbers = [list(map(float, row)) for row in rows]
        values = np.array(numbers, dtype=np.float64)
        if not FIRST_DAY <= min(days, default=FIRST_DAY) <= max(days, default=LAST_DAY) <= LAST_DAY:
            raise ValueError(f"a day outside {FIRST_DAY} to {LAST_DAY}")
    except ValueError as mistake:
        return None, [Finding("", tuple(bad), f"is unreadable ({mistake})", expected, FIX)]
    if bad or not values.size:
        return None, [Finding("", tuple(bad), "is unreadable", expected, FIX)]
    findings = []
    if not np.isfinite(values).all():
        places = tuple(f"{keys[row]} {days[column]}" for row, column in np.argwhere(~np.isfinite(values)))
        findings.append(Finding("value", places, "NaN or infinite", "finite numbers", FIX))
    torn = tuple(str(after) for before, after in pairwise(days) if after != calendar.after(before, 1))
    if torn or not calendar.holds(days[0]):
        places = torn or (str(days[0]),)
        expected = f"all {calendar.units} in order, each dated {calendar.expected}"
        findings.append(Finding("date", places, f"does not follow the {calendar.unit} before", expected, FIX))
    if len(set(keys)) != len(keys):
        findings.append(Finding("series", (), "a name occurs twice", "one line a series", FIX))
    return Panel(days[0], values, tuple(keys), calendar=calendar), findings
