"""The live progress of a run, its logs, and the summary at its end."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

_MARKS = {"Succeeded": "ok", "SucceededWithIssues": "ok, with issues", "Failed": "FAILED", "Canceled": "CANCELED",
          "Skipped": "skipped"}  # fmt: skip
_SHOWN_LINES = 40


class Report:
    """Writes progress lines; every line of every job also goes into a log file."""

    def __init__(self, write: Callable[[str], None], logs: Path, *, verbose: bool = False) -> None:
        self._write = write
        self._logs = logs
        self._verbose = verbose
        self._lock = threading.Lock()
        self._started = time.monotonic()
        logs.mkdir(parents=True, exist_ok=True)

    def say(self, text: str) -> None:
        """A line of progress with the time since the start."""
        with self._lock:
            self._write(f"{time.monotonic() - self._started:6.1f} s  {text}")

    def line(self, label: str, text: str) -> None:
        """A line of a job's output."""
        with self._lock:
            with (self._logs / f"{label}.log").open("a", encoding="utf-8") as log:
                log.write(text + "\n")
            if self._verbose:
                self._write(f"          {label} | {text}")

    def step(self, label: str, title: str, result: str, seconds: float, lines: list[str]) -> None:
        """The end of a step; of a failed one the end of its output is shown."""
        self.say(f"    {label}: {title}: {_MARKS[result]} ({seconds:.1f} s)")
        if result in ("Failed", "Canceled") and not self._verbose:
            with self._lock:
                for line in lines[-_SHOWN_LINES:]:
                    self._write(f"          | {line}")

    def part(self, indent: str, kind: str, name: str, result: str, seconds: float) -> None:
        """The end of a stage or a job."""
        self.say(f"{indent}{kind} {name}: {_MARKS[result]}" + (f" ({seconds:.1f} s)" if seconds else ""))
