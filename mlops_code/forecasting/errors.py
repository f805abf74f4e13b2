"""Errors with a message for the user, and the exit code of each.

ForecastingError
|-- UsageError          2  a file, folder or setting that the caller must correct
`-- RefusedError        3  the input was understood and is not acceptable
    |-- ContractError      the data violates its contract; holds every finding at once
    |-- HistoryError       the series is too short for the backtest that was asked for
    `-- ModelFileError     a model or decision file that is damaged, foreign or not what it says
"""

from __future__ import annotations

import csv
import errno
import io
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

SHOWN_PLACES = 5
SHOWN_FINDINGS = 20
LISTED_PLACES = 10_000
LISTED_ROWS = 20_000
"""Of the whole of `ContractError.table`."""
_LONGEST_CELL = 500
"""Characters of a cell of `ContractError.table`: it repeats what it found in somebody else's table, in every line."""
FAILURES_FILE = "contract_failures.csv"
"""Name of the file that holds `ContractError.table`."""

_CODES_OF_PLACES = frozenset(
    getattr(errno, name)
    for name in ("EACCES", "EPERM", "EROFS", "ENOSPC", "EDQUOT", "ENOTDIR", "EISDIR", "EEXIST", "ENAMETOOLONG")
)


def is_about_a_place(error: OSError) -> bool:
    """Whether the folder or file that the user has named is at fault, and not our code."""
    return error.errno in _CODES_OF_PLACES


# Not printable for Python, but harmless: line ends, tabs, spaces that do not break, the joiner of emoji.
_HARMLESS = "\n\t\xa0\u202f\u200d"


class ForecastingError(Exception):
    """An error with a message for the person who can correct it, not for the programmer."""

    exit_code = 1


class UsageError(ForecastingError):
    """A path or a setting is wrong; nothing was looked at beyond it."""

    exit_code = 2


class RefusedError(ForecastingError):
    """The input was read and refused; `reason` is the code that run history records."""

    exit_code = 3
    reason = "error"

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.facts: dict[str, str] = {}
        """What run history should keep with the refusal, such as the hash of the refused data."""


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong with a table: where, what was found, what was expected, what to do.

    column is empty where the whole file is meant; places are lines or days.
    """

    column: str
    places: tuple[str, ...]
    found: str
    expected: str
    fix: str

    def __str__(self) -> str:
        shown = ", ".join(self.places[:SHOWN_PLACES])
        more = len(self.places) - SHOWN_PLACES
        where = f"column {self.column}" if self.column else "the table"
        if shown:
            where += f" at {shown}"
        if more > 0:
            where += f" and {more} more"
        return f"{where}: {self.found}; expected {self.expected}. {self.fix}"


def _told(findings: list[Finding]) -> list[str]:
    """The first findings, and how many more there are."""
    more = len(findings) - SHOWN_FINDINGS
    return [*map(str, findings[:SHOWN_FINDINGS]), *([f"and {more} more"] if more > 0 else [])]


class ContractError(RefusedError):
    """The table violates its contract; `findings` holds every violation, not only the first."""

    reason = "contract"

    def __init__(self, file: str, findings: list[Finding]) -> None:
        self.file = file
        self.findings = tuple(findings)
        count = f"{len(findings)} finding" + ("s" if len(findings) != 1 else "")
        super().__init__(f"{file} violates the data contract ({count}).\n  " + "\n  ".join(_told(findings)))

    def table(self) -> str:
        """The places of every finding as CSV: file, column, place, found, expected, fix.

        Where a finding has more than 10,000 places or the table more than 20,000 rows, a last row says how many are
        not listed. Long cells are cut.
        """
        text, rows = io.StringIO(), self._rows()
        lines = csv.writer(text, lineterminator="\n")
        lines.writerow(["file", "column", "place", "found", "expected", "fix"])
        for row in islice(rows, LISTED_ROWS):
            lines.writerow([harmless_cell(_cut(cell)) for cell in row])
        if more := sum(1 for _ in rows):
            lines.writerow([harmless_cell(_cut(self.file)), "", f"and {more} more", "", "", ""])
        return text.getvalue()

    def _rows(self) -> Iterator[tuple[str, ...]]:
        for finding in self.findings:
            more = len(finding.places) - LISTED_PLACES
            listed = (*finding.places[:LISTED_PLACES], f"and {more} more") if more > 0 else finding.places
            for place in listed or ("",):
                yield self.file, finding.column, place, finding.found, finding.expected, finding.fix


def _cut(cell: str) -> str:
    return cell if len(cell) <= _LONGEST_CELL else f"{cell[:_LONGEST_CELL]}..."


def printable(text: str) -> str:
    """A text that cannot act on a terminal: control characters and marks of direction are written out."""
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() or each in _HARMLESS else ascii(each)[1:-1] for each in text)


def harmless_cell(cell: str) -> str:
    """A cell that no spreadsheet takes for a formula; the data is somebody else's.

    Spreadsheets skip what stands blank before a sign, and read signs of full width as the plain ones.
    """
    first = unicodedata.normalize("NFKC", cell.lstrip()[:1])
    formula = first.startswith(("=", "+", "-", "@")) or cell[:1].isspace() or not cell[:1].isprintable()
    return "'" + cell if cell and formula else cell


class HistoryError(RefusedError):
    """The series has fewer days than the origins, the horizon and the recipes need."""

    reason = "too-few-origins"


class ModelFileError(RefusedError):
    """A model or decision file is damaged, of another format, or does not match its recorded hash."""
