"""Read a delivered file as a table of texts: which file, which bytes, which cells; the contract says what they mean.

Every refusal names the line where a person finds the place in an editor.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import re
import zlib
from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from itertools import islice
from pathlib import Path

import pandas as pd
from pandas.io.parsers import TextFileReader

from forecasting.data.sizes import check_columns, check_sizes, opened
from forecasting.errors import ContractError, Finding, UsageError
from forecasting.problem.reading import Reading
from forecasting.tables.workbook import ENDING, is_workbook, read_rows, text_of

ENDINGS = (".csv", ".csv.gz", ENDING)
_TEXTS = (".tsv", ".tab", ".txt")
"""Endings of text tables, whose separator the section `reading` says all the same."""
PLAIN = Reading()
SHOWN_HEADER = 1_000  # characters
SEARCHED_NAMES = 100  # of a header, for one that resembles a name that is missing
CELLS_AT_A_TIME = 2_000_000
FIRST_DATA_LINE = 2  # line 1 is the header
HEADER_LINES, HEADER_BYTES = 20, 64 * 1024  # among which a header below titles is looked for
AGAIN = "Deliver it again."
SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}
_BROKEN_ARCHIVE = (gzip.BadGzipFile, zlib.error, EOFError)
_CELLS = re.compile(r"Expected (\d+) fields in line (\d+), saw (\d+)")
_QUOTE = re.compile(r"EOF inside string starting at row (\d+)")


def line_of(index: int) -> str:
    """The line of the file that a row of the table comes from."""
    return f"line {index + FIRST_DATA_LINE}"


def find_table(path: Path) -> Path:
    """Return the one table that path is, or that the folder path holds.

    Raises: UsageError (nothing there, or no name of a table), ContractError (a folder with no table or with several).
    """
    if path.is_file():
        if not path.name.lower().endswith(ENDINGS):
            fix = "Rename it to end with .csv." if path.name.lower().endswith(_TEXTS) else "Convert or rename it."
            raise UsageError(f"{path}: expected a name that ends with {' or '.join(ENDINGS)}. {fix}")
        return path
    if not path.is_dir():
        raise UsageError(f"{path}: no such file or folder. Name the table, or the folder that holds it.")
    tables = sorted(file for file in path.rglob("*") if file.name.lower().endswith(ENDINGS) and file.is_file())
    if len(tables) != 1:
        names = tuple(file.name for file in tables)
        found = f"{len(tables)} tables ({', '.join(f'*{ending}' for ending in ENDINGS)})"
        raise ContractError(str(path), [Finding("", names, found, "exactly one", "Upload one data version.")])
    return tables[0]


def read_cells(table: Path, needed: Sequence[str], reading: Reading = PLAIN) -> pd.DataFrame:
    """The needed columns as text, a cell that is not there as ""; the index counts the lines after the header.

    Empty lines are left out. needed: the first one is a column that no row may leave empty.
    Raises: ContractError (too large, no text, no table, no rows, a column that is missing or there twice).
    """
    if is_workbook(table):
        raw = _sheet_cells(table, list(needed), reading)
    else:
        try:
            check_sizes(table, reading.separator)
        except _BROKEN_ARCHIVE as torn:
            raise _not_an_archive(table, torn) from None
        raw = _parsed(table, _checked(table, header_of(table, reading), needed, reading), list(needed), reading)
    if raw.empty:
        raise _refusal(table, "has a header but no rows", "a header and one row a day")
    return raw.fillna("")


def header_of(table: Path, reading: Reading = PLAIN) -> list[str]:
    """The names of the columns as the first line has them. Raises: ContractError."""
    if is_workbook(table):
        return [text_of(cell, reading) for cell in next(read_rows(table, reading), ())]
    try:
        with io.TextIOWrapper(opened(table), encoding=_codec(reading), newline="") as content:
            cells = next(csv.reader(content, delimiter=reading.separator), None)
    except _BROKEN_ARCHIVE as torn:
        raise _not_an_archive(table, torn) from None
    except UnicodeError:
        raise _not_encoded(table, reading) from None
    except csv.Error as mistake:
        raise _refusal(table, f"is not a header ({mistake})", "names of columns", places=("line 1",)) from None
    if cells is None:
        raise _refusal(table, "is an empty file", "a header and one row a day")
    return cells


def _codec(reading: Reading) -> str:
    """Python's name of the encoding; a mark that Excel puts in front of UTF-8 is no part of the first name."""
    return "utf-8-sig" if reading.encoding == "utf-8" else reading.encoding


def _sheet_cells(table: Path, needed: list[str], reading: Reading) -> pd.DataFrame:
    """The needed columns of a sheet, as `_parsed` has those of a text."""
    rows = read_rows(table, reading)
    names = _checked(table, [text_of(cell, reading) for cell in next(rows, ())], needed, reading)
    places = [names.index(name) for name in needed]
    lines, kept = [], []
    for number, row in enumerate(rows):
        if any(cell is not None for cell in row):
            lines.append(number)
            kept.append([text_of(row[place] if place < len(row) else None, reading) for place in places])
    return pd.DataFrame(kept, index=lines, columns=needed, dtype=str)


def _checked(table: Path, cells: list[str], needed: Sequence[str], reading: Reading) -> list[str]:
    """The names of the columns without blanks around them. Raises: ContractError (one is missing or there twice)."""
    check_columns(table, len(cells))
    names = [name.strip() for name in cells]
    if set(needed).isdisjoint(names) and (line := _line_of_header(table, needed, reading)):
        found, fix = f"is not the header, which is in line {line}", "Remove the lines above the header."
        raise _refusal(table, found, "the header", fix=fix, places=("line 1",))
    if not any(names):
        raise _refusal(table, "is empty", "the header", places=("line 1",))
    if mark := _other_separator(names, needed, reading):
        found, expected = f"is separated by {SEPARATORS[mark]}", SEPARATORS[reading.separator]
        fix = f"Set reading.separator to {json.dumps(mark)} in the problem file, or export the table with {expected}."
        raise _refusal(table, found, expected, fix=fix, places=("line 1",))
    said = ", ".join(names)
    said = said if len(said) <= SHOWN_HEADER else f"{said[:SHOWN_HEADER]}..."
    findings = [
        Finding(name, (), "missing", f"a column of this name; the header is {said}", _cure_of(name, names))
        for name in needed
        if name not in names
    ]
    findings += [
        Finding(name, ("line 1",), "more than one column of this name", "one", "Remove or rename the others.")
        for name in needed
        if names.count(name) > 1
    ]
    if findings:
        raise ContractError(str(table), findings)
    return names


def _cure_of(missing: str, names: Sequence[str]) -> str:
    """What to do about a column that is not there: often its name is misspelt."""
    by_folded = {name.casefold(): name for name in names[:SEARCHED_NAMES]}
    close = get_close_matches(missing.casefold(), by_folded, n=1)
    return f"Did you mean {by_folded[close[0]]}? Else rename or add it." if close else "Rename or add it."


def _line_of_header(table: Path, needed: Sequence[str], reading: Reading) -> int:
    """The line below titles and notes that has all needed names; 0 if there is none."""
    for line, cells in _first_lines(table, reading):
        if line >= FIRST_DATA_LINE and set(needed) <= {cell.strip() for cell in cells}:
            return line
    return 0


def _first_lines(table: Path, reading: Reading) -> Iterator[tuple[int, list[str]]]:
    """The number of each of the first lines, and its cells; of a text once for each mark that may separate them."""
    if is_workbook(table):
        for line, row in enumerate(islice(read_rows(table, reading), HEADER_LINES), 1):
            yield line, [text_of(cell, reading) for cell in row]
        return
    with opened(table) as content:
        text = content.read(HEADER_BYTES).decode(_codec(reading), errors="replace")
    for line, written in enumerate(text.splitlines()[:HEADER_LINES], 1):
        for mark in SEPARATORS:
            yield line, written.replace('"', "").split(mark)


def _other_separator(names: list[str], needed: Sequence[str], reading: Reading) -> str:
    """What separates the cells, where the mark does not: whatever the columns are called, no needed one is found."""
    if not set(needed).isdisjoint(names):
        return ""
    header = "".join(names)
    counts = {mark: header.count(mark) for mark in SEPARATORS if mark != reading.separator}
    mark = max(counts, key=counts.__getitem__)
    return mark if counts[mark] >= len(names) else ""


def _parsed(table: Path, names: list[str], needed: list[str], reading: Reading) -> pd.DataFrame:
    """Every cell of the needed columns as text, every line a row; of the other columns only a part at a time is held.

    pandas' own choice of columns would let rows with too many cells pass.
    """
    parts = []
    try:
        with opened(table) as content, _reader(content, len(names), reading) as reader:
            for part in reader:
                if not isinstance(part.index, pd.RangeIndex):  # pandas takes surplus leading cells for an index
                    raise _ragged(table, FIRST_DATA_LINE, "more cells than the header")
                part.columns = pd.Index(names)
                parts.append(_kept(part, needed))
    except UnicodeError:
        raise _not_encoded(table, reading) from None
    except _BROKEN_ARCHIVE as torn:
        raise _not_an_archive(table, torn) from None
    except (pd.errors.ParserError, OSError) as mistake:
        raise _unparsed(table, str(mistake)) from None
    return pd.concat(parts) if parts else pd.DataFrame(columns=needed)


def _reader(content: gzip.GzipFile | io.BufferedReader, columns: int, reading: Reading) -> TextFileReader:
    """The table in parts of so many rows that a part has few cells."""
    rows = max(1, CELLS_AT_A_TIME // columns)
    return pd.read_csv(
        content, dtype=str, keep_default_na=False, sep=reading.separator, encoding=_codec(reading),
        skip_blank_lines=False, chunksize=rows,
    )  # fmt: skip


def _kept(part: pd.DataFrame, needed: list[str]) -> pd.DataFrame:
    """The needed columns, without the rows that hold nothing in any column."""
    empty = part[needed[0]].fillna("").str.strip() == ""
    if empty.any():
        blank = part[empty].fillna("").map(lambda cell: not str(cell).strip()).all(axis=1)
        part = part.drop(index=blank.index[blank])
    return part[needed]


def _unparsed(table: Path, said: str) -> ContractError:
    """What pandas says, with the line that it speaks of."""
    cells, quote = _CELLS.search(said), _QUOTE.search(said)
    if cells:
        wanted, line, found = cells.groups()
        return _ragged(table, int(line), f"{found} cells, the header has {wanted}")
    if quote:
        place = (f"line {int(quote.group(1)) + 1}",)
        return _refusal(table, "has a quotation mark that is never closed", "pairs", places=place)
    return _refusal(table, f"is not readable as CSV ({said.strip()})", "comma-separated UTF-8")


def _ragged(table: Path, line: int, cells: str) -> ContractError:
    fix = "Quote texts that contain a comma, and write numbers with a point: 12.5, not 12,5."
    return _refusal(table, f"has {cells}", "one cell a column", fix=fix, places=(f"line {line}",))


def _not_an_archive(table: Path, torn: Exception) -> ContractError:
    return _refusal(table, f"is not a complete gzip file ({torn})", "a file as gzip wrote it")


def _not_encoded(table: Path, reading: Reading) -> ContractError:
    """Names the first line that is written in another encoding."""
    name = reading.encoding.upper()
    fix = f"Save it as {name}, or set reading.encoding, such as cp932 for Shift_JIS or cp1252 for Western Europe."
    with opened(table) as content:
        for number, line in enumerate(content, 1):
            try:
                line.decode(reading.encoding)
            except UnicodeDecodeError as wrong:
                found = f"is not {name} (byte {line[wrong.start]:#04x} at position {wrong.start + 1})"
                return _refusal(table, found, name, fix=fix, places=(f"line {number}",))
            except UnicodeError:
                break
    return _refusal(table, f"is not {name}", name, fix=fix)


def _refusal(
    table: Path, found: str, expected: str, *, fix: str = AGAIN, places: tuple[str, ...] = ()
) -> ContractError:
    return ContractError(str(table), [Finding("", places, found, expected, fix)])
