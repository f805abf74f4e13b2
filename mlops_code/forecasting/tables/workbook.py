"""Read one sheet of a workbook (.xlsx) row by row, within caps; a formula counts as the value that Excel last showed.

The library is asked for rows, never for a whole sheet, so a cell far below or far to the right costs no memory.
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterator, Sequence
from contextlib import closing
from datetime import date, datetime, time
from pathlib import Path
from typing import Any

from forecasting.errors import ContractError, Finding
from forecasting.problem.reading import Reading
from forecasting.tables.cells import number_text

ENDING = ".xlsx"
MAX_UNPACKED = 256 * 1024 * 1024
"""Bytes of all parts of a workbook together."""
MAX_PARTS = 1_000
MAX_ROWS = 1_048_576
"""Of a sheet, as in Excel itself."""
MAX_CELLS = 20_000_000
_SPLIT = "Split it, or deliver it as CSV."


def is_workbook(table: Path) -> bool:
    """Whether the name promises a workbook."""
    return table.name.lower().endswith(ENDING)


def read_rows(table: Path, reading: Reading) -> Iterator[Sequence[Any]]:
    """The rows of the sheet from the first on, each as long as its last cell; an empty row is empty.

    Raises: ContractError (no workbook, too large, no such sheet).
    """
    try:
        _check_sizes(table)
        yield from _rows(table, reading)
    except ContractError:
        raise
    except Exception as mistake:
        found = f"is not a readable workbook ({type(mistake).__name__})"
        raise _refused(table, found, f"a workbook as Excel saves it ({ENDING})", "Save it again.") from None


def text_of(cell: object, reading: Reading) -> str:
    """A cell as the section `reading` would have it written, so that one rule reads texts, dates and numbers."""
    if cell is None:
        return ""
    if isinstance(cell, bool):
        return str(cell).upper()
    if isinstance(cell, int | float):
        return number_text(cell, reading)
    if isinstance(cell, datetime):
        return cell.strftime(reading.date_format) if reading.timed or cell.time() == time() else cell.isoformat(" ")
    return cell.strftime(reading.date_format) if isinstance(cell, date) else str(cell)


def _check_sizes(table: Path) -> None:
    """By the archive's own directory, which the library's reader does not go beyond."""
    with zipfile.ZipFile(table) as archive:
        parts = archive.infolist()
    if len(parts) > MAX_PARTS:
        raise _refused(table, f"has {len(parts)} parts", f"at most {MAX_PARTS}", _SPLIT)
    if (size := sum(part.file_size for part in parts)) > MAX_UNPACKED:
        raise _refused(table, f"unpacks to {size} bytes", f"at most {MAX_UNPACKED} bytes", _SPLIT)


def _rows(table: Path, reading: Reading) -> Iterator[Sequence[Any]]:
    from openpyxl import load_workbook

    with (
        table.open("rb") as file,  # ours to close: the library leaves its own open where it refuses a file
        closing(load_workbook(file, read_only=True, data_only=True, keep_links=False)) as book,
    ):
        name = _sheet_of(table, [sheet.title for sheet in book.worksheets], reading)
        sheet = next(each for each in book.worksheets if each.title == name)
        sheet.reset_dimensions()  # what the file says of its own size is not to be trusted
        cells = 0
        for number, row in enumerate(sheet.iter_rows(values_only=True), 1):
            cells += len(row)
            if number > MAX_ROWS:
                raise _refused(table, f"has more than {MAX_ROWS} rows", f"at most {MAX_ROWS} rows", _SPLIT)
            if cells > MAX_CELLS:
                raise _refused(table, f"has more than {MAX_CELLS} cells", f"at most {MAX_CELLS} cells", _SPLIT)
            yield row


def _sheet_of(table: Path, names: list[str], reading: Reading) -> str:
    """The sheet that is meant. Raises: ContractError where that is not clear."""
    shown = ", ".join(names[:20])
    if reading.sheet is None:
        if len(names) == 1:
            return names[0]
        fix = "Name the sheet in reading.sheet. Join the rows in one sheet if there is one for each year."
        raise _refused(table, f"has {len(names)} sheets ({shown})", "one", fix)
    if reading.sheet not in names:
        found = f"has no sheet {reading.sheet!r}"
        raise _refused(table, found, f"one of {shown}", "Correct reading.sheet, or rename the sheet.")
    return reading.sheet


def _refused(table: Path, found: str, expected: str, fix: str) -> ContractError:
    return ContractError(str(table), [Finding("", (), found, expected, fix)])
