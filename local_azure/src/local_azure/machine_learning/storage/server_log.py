"""The server's own log: standard error, redirected to a file of limited size.

Every process of the server appends to that file, so it is not renamed but copied and emptied: all of them go on
writing at its new end.
"""

from __future__ import annotations

import logging
import os
import shutil
import sys
from pathlib import Path
from typing import TextIO

MAX_LOG_BYTES = 16 * 1024 * 1024
MAX_LINE_CHARS = 64 * 1024  # a traceback is a part of its line
_LOOK_EVERY_BYTES = 64 * 1024


class ServerLog(logging.StreamHandler):  # type: ignore[type-arg]
    """Writes to standard error; where that is the log's file, keeps the last `MAX_LOG_BYTES` and as many before."""

    def __init__(self, path: Path, most: int = MAX_LOG_BYTES, stream: TextIO | None = None) -> None:
        super().__init__(stream or sys.stderr)
        self._path = path
        self._most = most
        self._written = 0

    def format(self, record: logging.LogRecord) -> str:
        """The line of a record, without the rest of one that is too long."""
        line = super().format(record)
        return line if len(line) <= MAX_LINE_CHARS else f"{line[:MAX_LINE_CHARS]} ... ({len(line)} characters)"

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record, and look at the size of the file now and then."""
        super().emit(record)
        self._written += len(record.msg) + 100
        if self._written >= min(_LOOK_EVERY_BYTES, self._most):
            self._written = 0
            self._rotate()

    def rotate(self) -> None:
        """Keep the file below its size, also what others have written."""
        self._rotate()

    def _rotate(self) -> None:
        try:
            ours, file = os.fstat(self.stream.fileno()), self._path.stat()
            if (ours.st_dev, ours.st_ino) != (file.st_dev, file.st_ino) or file.st_size <= self._most:
                return
            before = self._path.with_name(f"{self._path.name}.1")
            partial = self._path.with_name(f"{self._path.name}.partial")
            shutil.copyfile(self._path, partial)
            partial.chmod(0o600)
            partial.replace(before)
            os.truncate(self._path, 0)
        except (OSError, ValueError):  # a full disk, or no file at all: the log is the least that matters then
            return
