"""Logs by windows from their end, so that a log of any size costs the same; secrets are masked while a log grows."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from local_azure.machine_learning.domain.data.blobs import content
from local_azure.machine_learning.domain.workspace.redaction import Redactor

WINDOW_BYTES = 128 * 1024
SEARCHED_BYTES = 32 * 1024 * 1024  # from the end; a search is one pass over them
MOST_HITS = 200
_MOST_LINE_CHARACTERS = 2_000
_ALARMING = ("error", "exception", "traceback", "fatal", "##[error]")


@dataclass(frozen=True)
class Line:
    """One line. alarming: it names an error."""

    text: str
    alarming: bool


@dataclass(frozen=True)
class Window:
    """A piece of a log. start and end: its place in the file, in bytes; size: of the whole file."""

    lines: list[Line]
    start: int
    end: int
    size: int


def read_window(path: Path, redactor: Redactor, end: int | None = None) -> Window:
    """Return the lines before byte `end`, or the last ones."""
    if not path.is_file():
        return Window([], 0, 0, 0)
    size = path.stat().st_size
    end = size if end is None else max(0, min(end, size))
    start = max(0, end - WINDOW_BYTES)
    data = _bytes(path, redactor, start, end)
    if start > 0:  # the first line is cut
        cut = data.find(b"\n") + 1
        start, data = start + cut, data[cut:]
    return Window([line_of(text) for text in data.decode(errors="replace").splitlines()], start, end, size)


def tail(path: Path, redactor: Redactor, count: int) -> list[Line]:
    """Return the last lines."""
    return read_window(path, redactor).lines[-count:]


def search(path: Path, redactor: Redactor, text: str) -> tuple[list[Line], bool]:
    """Return the last lines that hold a text, whatever its case, and whether all of the log was searched."""
    if not path.is_file() or not text:
        return [], True
    size = path.stat().st_size
    start = max(0, size - SEARCHED_BYTES)
    wanted = text.lower().encode()
    data = _bytes(path, redactor, start, size)
    found = deque(_hits(data, data.lower(), wanted), MOST_HITS)
    return [line_of(line.decode(errors="replace")) for line in found], start == 0


def _hits(data: bytes, lowered: bytes, wanted: bytes) -> Iterator[bytes]:
    at = lowered.find(wanted)
    while at >= 0:
        first = data.rfind(b"\n", 0, at) + 1
        last = data.find(b"\n", at)
        last = len(data) if last < 0 else last
        yield data[first:last]
        at = lowered.find(wanted, last)


def _bytes(path: Path, redactor: Redactor, start: int, end: int) -> bytes:
    return b"".join(content(redactor, path, start, end - start))


def line_of(text: str) -> Line:
    """Return a line as it is shown."""
    lowered = text[:_MOST_LINE_CHARACTERS].lower()
    return Line(text[:_MOST_LINE_CHARACTERS], any(word in lowered for word in _ALARMING))
