"""A table that is about to become a data version: its check, its facts, and what the version says about it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from forecasting.data.contract import Delivery, read_table, waived
from forecasting.data.delivery import ACCEPTED, BEFORE
from forecasting.data.reading import header_of
from forecasting.problem.problem_file import Problem
from forecasting.problem.reading import Reading

ROWS_TAG, FIRST_TAG, LAST_TAG = "rows", "first_date", "last_date"
PROBLEM_TAG, COLUMNS_TAG = "problem", "columns"
"""Tags of a data version: the problem that delivered it, and the hash of the table's header."""
BEFORE_TAG = "rows_before"
"""Tag of a version that was checked against the one before it: how many rows that has."""
ACCEPTED_TAG, REASON_TAG, AT_TAG = "accepted_by", "accepted_reason", "accepted_at"
"""Tags of a version whose delivery a person accepted against the contract."""


@dataclass(frozen=True)
class CheckedTable:
    """A file that keeps the data contract, with its facts."""

    path: Path
    sha256: str
    rows: int
    first_date: str
    last_date: str
    columns: str
    """Hash of the header: tables of one data set have the same columns."""
    notes: tuple[str, ...] = ()
    """What a person should know of its series."""


@dataclass(frozen=True)
class Acceptance:
    """Who takes a table although its delivery is unusual, why, and when (UTC)."""

    who: str
    reason: str
    when: str

    @property
    def tags(self) -> dict[str, str]:
        """As a data version carries it."""
        return {ACCEPTED_TAG: self.who, REASON_TAG: self.reason, AT_TAG: self.when}


@dataclass(frozen=True)
class Before:
    """What is known of the newest data version, which a delivery is compared with; nothing where there is none."""

    rows: int | None = None
    last: date | None = None
    columns: str = ""

    @classmethod
    def of_tags(cls, tags: Mapping[str, str]) -> Before:
        """From the tags of the version. One that was registered by other means says nothing."""
        rows, last = tags.get(ROWS_TAG, ""), tags.get(LAST_TAG, "")
        return cls(int(rows) if rows.isdecimal() else None, _date(last), tags.get(COLUMNS_TAG, ""))


def _date(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


def check_table(problem: Problem, path: Path, delivery: Delivery, *, accepted: bool = False) -> CheckedTable:
    """Read a table by the contract of a problem. accepted: by a person, so the delivery as a whole is not judged.

    Raises: ContractError with every finding; UsageError.
    """
    contract = problem.contract
    if accepted:
        contract, delivery = waived(contract, delivery)
    panel, sha256, rows = read_table(
        path, problem.source, problem.series, contract, delivery, reading=problem.reading, future=problem.future
    )
    first, last = panel.first.isoformat(), panel.last.isoformat()
    return CheckedTable(path, sha256, rows, first, last, columns_of(path, problem.reading), panel.notes)


def columns_of(table: Path, reading: Reading) -> str:
    """A hash of the names of the columns, of a table that has kept its contract."""
    return hashlib.sha256("\n".join(header_of(table, reading)).encode()).hexdigest()[:16]


def judged_in(version: Mapping[str, str]) -> dict[str, Any]:
    """How a registered version was judged when it came, from its tags; empty where it was registered by other means.

    The steps go by this and not by the champion's data: what was accepted once must not fail each later run.
    """
    judged: dict[str, Any] = {}
    if version.get(BEFORE_TAG, "").isdecimal():
        judged[BEFORE] = int(version[BEFORE_TAG])
    if ACCEPTED_TAG in version:
        judged |= {ACCEPTED: version[ACCEPTED_TAG], "reason": version.get(REASON_TAG, "")}
    return judged


def tags_of(table: CheckedTable, problem: str, before: Before, acceptance: Acceptance | None) -> dict[str, str]:
    """The tags of a table's data version, beside its hash."""
    compared = {BEFORE_TAG: str(before.rows)} if before.rows is not None else {}
    return {
        ROWS_TAG: str(table.rows),
        FIRST_TAG: table.first_date,
        LAST_TAG: table.last_date,
        PROBLEM_TAG: problem,
        COLUMNS_TAG: table.columns,
        **compared,
        **(acceptance.tags if acceptance else {}),
    }


def description_of(table: CheckedTable) -> str:
    """What a list of data versions shows."""
    return f"{table.rows} rows, {table.first_date} to {table.last_date}"
