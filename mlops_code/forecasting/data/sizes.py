"""How large a table may be, found out before anything is parsed: bytes, lines, cells; an archive may not blow up.

One pass over the bytes in small pieces: a table that is too large costs neither memory nor more than a second.
"""

from __future__ import annotations

import gzip
import io
from pathlib import Path

from forecasting.errors import ContractError, Finding

MAX_BYTES = 512 * 1024 * 1024
"""Of the table as text; of a .gz as unpacked."""
MAX_RATIO = 100
"""Unpacked bytes for each byte of a .gz; gzip makes real tables five to thirty times smaller."""
FREE_BYTES = 16 * 1024 * 1024
"""An archive of at most so many unpacked bytes may have any ratio."""
MAX_LINE_BYTES = 256 * 1024
MAX_ROWS = 10_000_000
MAX_COLUMNS = 2_000
MAX_CELLS = 100_000_000
_SPLIT = "Split it, or deliver fewer columns or a shorter history."


def opened(table: Path) -> gzip.GzipFile | io.BufferedReader:
    """The bytes of the table, whatever else its name promises."""
    return gzip.open(table, "rb") if is_archive(table) else table.open("rb")


def is_archive(table: Path) -> bool:
    """Whether the name promises gzip."""
    return table.name.lower().endswith(".gz")


def check_sizes(table: Path, separator: str) -> None:
    """Raises: ContractError that names the cap, what was found up to there and the line; what gzip raises."""
    packed = table.stat().st_size
    allowed = min(MAX_BYTES, max(FREE_BYTES, packed * MAX_RATIO)) if is_archive(table) else MAX_BYTES
    seen = lines = cells = unfinished = 0
    mark = separator.encode()
    with opened(table) as content:
        while piece := content.read(MAX_LINE_BYTES):  # a line within a piece is never too long
            seen += len(piece)
            ends = max(piece.count(b"\n"), piece.count(b"\r"))
            unfinished = _unfinished(table, piece, unfinished, lines)
            lines += ends
            cells += piece.count(mark) + ends
            if seen > allowed:
                raise _too_large(table, *_bytes(packed, allowed))
            if lines > MAX_ROWS + 1:  # the header is a line, too
                raise _too_large(table, f"has more than {MAX_ROWS} rows", f"at most {MAX_ROWS} rows")
            if cells > MAX_CELLS:
                raise _too_large(table, f"has more than {MAX_CELLS} cells", f"at most {MAX_CELLS} cells")


def _unfinished(table: Path, piece: bytes, before: int, lines: int) -> int:
    """Bytes of the line that the piece leaves unfinished. before: those of the line that it begins with."""
    text = piece.replace(b"\r", b"\n")
    first, last = text.find(b"\n"), text.rfind(b"\n")
    longest = before + (len(text) if first < 0 else first)
    if longest > MAX_LINE_BYTES:
        found = f"has more than {MAX_LINE_BYTES} bytes without a line break"
        raise _too_large(table, found, f"lines of at most {MAX_LINE_BYTES} bytes", places=(f"line {lines + 1}",))
    return longest if first < 0 else len(text) - last - 1


def check_columns(table: Path, count: int) -> None:
    """Raises: ContractError where a header has too many names."""
    if count > MAX_COLUMNS:
        found, expected = f"has {count} columns", f"at most {MAX_COLUMNS} columns"
        raise _too_large(table, found, expected, places=("line 1",))


def _bytes(packed: int, allowed: int) -> tuple[str, str]:
    """What was found and what was expected of a table of too many bytes."""
    if allowed == MAX_BYTES:
        return f"has more than {MAX_BYTES} bytes", f"at most {MAX_BYTES} bytes, unpacked"
    found = f"unpacks to more than {allowed} bytes from {packed}"
    return found, f"at most {MAX_RATIO} times its {packed} bytes, or {FREE_BYTES} bytes"


def _too_large(table: Path, found: str, expected: str, places: tuple[str, ...] = ()) -> ContractError:
    return ContractError(str(table), [Finding("", places, found, expected, _SPLIT)])
