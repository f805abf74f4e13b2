"""What a user sees: results on standard output, progress on standard error, colour on terminals only."""

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
        self._closing = _console(out or sys.stdout, record=False)  # a page shows it first, apart from the result
        self.progress = _console(err or sys.stderr)

    def note(self, text: str) -> None:
        """Print a line of progress; never part of the result."""
        self.progress.print(harmless(text), markup=False, highlight=False, soft_wrap=True)

    def say(self, text: str = "", style: str = "") -> None:
        """A line of the result; dropped when the result is one JSON object. style: a color, on terminals only."""
        if not self.as_json:
            self._results.print(harmless(text), style=style or None, markup=False, highlight=False, soft_wrap=True)

    def heading(self, text: str) -> None:
        """A line that opens a part of the result."""
        if not self.as_json:
            self._results.print()
            self._results.print(harmless(text), style="bold", markup=False, highlight=False)

    def table(self, columns: Sequence[str], rows: Sequence[Sequence[str]], *, right: Sequence[str] = ()) -> None:
        """A small table; `right` names the columns that hold numbers."""
        if self.as_json:
            return
        table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
        for column in columns:
            table.add_column(column, justify="right" if column in right else "left", no_wrap=True)
        for row in rows:
            table.add_row(*map(harmless, row))
        self._results.print(table, markup=False, highlight=False)

    def close(self, lines: Iterable[str], *, failed: bool) -> None:
        """Print the last words of the command: after its result, or on standard error where it failed."""
        stream = self.progress if failed or self.as_json else self._closing
        for line in ("", *lines):
            stream.print(harmless(line), markup=False, highlight=False, soft_wrap=True)

    @property
    def transcript(self) -> str:
        """The result as it was printed so far, without colours; empty when it is one JSON object."""
        return self._results.export_text(clear=False)

    def command(self, text: str) -> None:
        """A line for the build agent, whole and in its own line; kept out of a JSON result."""
        stream = self.progress.file if self.as_json else self._results.file
        stream.write(text + "\n")
        stream.flush()

    def document(self, value: dict[str, Any]) -> None:
        """The result as one JSON object, when that was asked for."""
        if self.as_json:
            self._results.file.write(json.dumps(value, indent=2, sort_keys=False, default=str) + "\n")
            self._results.file.flush()


class _Lasting:
    """A stream whose reader may leave, as in `release | head`: the rest is dropped, and the command goes on."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write text, or drop it. Returns its number of characters."""
        self._lasting(lambda: self._stream.write(text))
        return len(text)

    def flush(self) -> None:
        """Hand over what was written, or drop it."""
        self._lasting(self._stream.flush)

    def _lasting(self, act: Callable[[], object]) -> None:
        try:
            act()
        except BrokenPipeError:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self._stream.fileno())  # Python itself flushes at the exit, and would end with 120
            os.close(nowhere)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def harmless(text: str) -> str:
    """Neutralize logging commands and control characters: the text may be the log of an untrusted service."""
    return printable(text).replace("##vso[", "##_vso[")


def _console(stream: TextIO, *, record: bool = True) -> Console:
    terminal = stream.isatty()
    width = None if terminal else _WIDTH_WITHOUT_TERMINAL
    return Console(file=cast(TextIO, _Lasting(stream)), width=width, no_color=not terminal, record=record)
