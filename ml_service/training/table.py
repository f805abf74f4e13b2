"""The table that `data upload` takes, checked against the data contract.

Apart from the upload because it needs no Azure library: a bad table is refused in half the time.
"""

from __future__ import annotations

import csv
import gzip
import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from forecasting.data.contract import Delivery, read_table
from forecasting.data.series import facts_of
from forecasting.problem.problem_file import Problem
from ml_service.errors import UsageError
from ml_service.settings.variables import Settings


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


def check(settings: Settings, file: Path | None = None) -> CheckedTable:
    """Read a table (None: DATA_FILE) by the contract of the problem; needs no workspace.

    Raises: UsageError when the file does not exist; ContractError of mlops_code with every finding.
    """
    source = file or settings.data_file
    if not source.is_file():
        raise UsageError(
            f"data file {source} does not exist",
            expected="a table such as data/adventureworks/daily_by_type.csv",
            todo="name the file with --file, or correct DATA_FILE in variables.yml",
        )
    problem = Problem(settings.problem_file)
    delivery = Delivery(as_of=datetime.now(UTC).date())
    panel, sha256, rows = read_table(source, problem.source, problem.series, problem.contract, delivery)
    facts = facts_of(panel, sha256, rows, source.name)
    return CheckedTable(source, sha256, rows, facts["first_date"], facts["last_date"], _header(source))


def _header(table: Path) -> str:
    """A hash of the names of the columns, of a table that has kept its contract."""
    opened = gzip.open if table.suffix.lower() == ".gz" else open
    with opened(table, "rt", encoding="utf-8-sig", newline="") as content:
        columns = next(csv.reader(content))
    return hashlib.sha256("\n".join(columns).encode()).hexdigest()[:16]
