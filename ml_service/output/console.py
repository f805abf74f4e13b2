"""What a user sees: results on standard output, progress on standard error, color on terminals only."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TextIO, cast

from rich.console import Console
from rich.table import Table

from forecasting.errors import printable

_WIDTH_WITHOUT_TERMINAL = 10_000
"""Wide enough that nothing is truncated in a log or a file; a table takes only the width that it needs."""


class Terminal:
    """The two streams of one command."""

    def __init__(self, *, as_json: bool = False, out: TextIO | None = None, err: TextIO | None = None) -> None:
        self.as_json = as_json
        self._results = _console(out or sys.stdout)
        self._closing = _console(
            out or sys.stdout, record=False
        )  # not in the transcript: pages show the closing on its own, at the top
        self.progress = _console(err or sys.stderr)

    def err(self, text: str) -> None:
        """Print a line of progress on standard error; never part of the result."""
        self.progress.print(sanitize(text), markup=False, highlight=False, soft_wrap=True)

    def out(self, text: str = "", style: str = "") -> None:
        """Print a line of the result on standard output; dropped with --json. style: a color, on terminals only."""
        if not self.as_json:
            self._results.print(sanitize(text), style=style or None, markup=False, highlight=False, soft_wrap=True)

    def heading(self, text: str) -> None:
        """Print a heading."""
        if not self.as_json:
            self._results.print()
            self._results.print(sanitize(text), style="bold", markup=False, highlight=False)

    def table(self, columns: Sequence[str], rows: Sequence[Sequence[str]], *, right: Sequence[str] = ()) -> None:
        """Print a small table. right: the columns that hold numbers."""
        if self.as_json:
            return
        table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
        for column in columns:
            table.add_column(column, justify="right" if column in right else "left", no_wrap=True)
        for row in rows:
            table.add_row(*map(sanitize, row))
        self._results.print(table, markup=False, highlight=False)

    def print_closing(self, lines: Iterable[str], *, failed: bool) -> None:
        """Print the closing lines: on standard output, or on standard error after a failure or with --json."""
        stream = self.progress if failed or self.as_json else self._closing
        for line in ("", *lines):
            stream.print(sanitize(line), markup=False, highlight=False, soft_wrap=True)

    @property
    def transcript(self) -> str:
        """The result as it was printed so far, without colors; empty when it is one JSON object."""
        return self._results.export_text(clear=False)

    def logging_command(self, text: str) -> None:
        """Write a logging command for the build agent on its own line; on standard error with --json."""
        stream = self.progress.file if self.as_json else self._results.file
        stream.write(text + "\n")
        stream.flush()

    def document(self, value: dict[str, Any]) -> None:
        """Print the result as one JSON object, with --json."""
        if self.as_json:
            self._results.file.write(json.dumps(value, indent=2, sort_keys=False, default=str) + "\n")
            self._results.file.flush()


class _PipeSafeStream:
    """A stream that survives a closed pipe, as in `release | head`: later output is dropped."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write text, or drop it after a closed pipe; returns its number of characters."""
        self._unless_closed(lambda: self._stream.write(text))
        return len(text)

    def flush(self) -> None:
        """Flush, or drop what was written after a closed pipe."""
        self._unless_closed(self._stream.flush)

    def _unless_closed(self, act: Callable[[], object]) -> None:
        try:
            act()
        except BrokenPipeError:
            devnull = os.open(os.devnull, os.O_WRONLY)
            os.dup2(devnull, self._stream.fileno())  # otherwise Python's flush at exit fails with exit code 120
            os.close(devnull)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def sanitize(text: str) -> str:
    """Neutralize logging commands and control characters: the text may be the log of an untrusted service."""
    return printable(text).replace("##vso[", "##_vso[")


def _console(stream: TextIO, *, record: bool = True) -> Console:
    terminal = stream.isatty()
    width = None if terminal else _WIDTH_WITHOUT_TERMINAL
    return Console(file=cast(TextIO, _PipeSafeStream(stream)), width=width, no_color=not terminal, record=record)
