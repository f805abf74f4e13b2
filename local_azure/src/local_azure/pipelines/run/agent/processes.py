"""Runs a command in a process group of its own, line by line, with a deadline."""

import contextlib
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from enum import Enum, auto
from pathlib import Path

# As the build agent does it: ask twice, then end it; shorter, since a person waits.
_ESCALATION = ((signal.SIGINT, 3.0), (signal.SIGTERM, 2.0), (signal.SIGKILL, 5.0))
_POLL_SECONDS, _DRAIN_SECONDS = 0.1, 2.0


class Ending(Enum):
    """Why a command has ended."""

    BY_ITSELF = auto()
    CANCELED = auto()
    TIMED_OUT = auto()


def run_command(
    command: Sequence[str],
    folder: Path,
    environment: Mapping[str, str],
    on_line: Callable[[str], None],
    *,
    deadline: float,
    canceled: threading.Event,
) -> tuple[int, Ending]:
    """Run a command until it ends, is canceled or passes `deadline` (of time.monotonic()).

    Every line of both streams goes to `on_line`. Returns the exit code, and why the command has ended.
    """
    with subprocess.Popen(
        command,
        cwd=folder,
        env=dict(environment),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        start_new_session=True,
    ) as process:
        watcher = _Watcher(process, deadline, canceled)
        watcher.start()
        for line in process.stdout or ():
            on_line(line.rstrip("\n"))
        watcher.output_ended.set()
        watcher.join()
        return process.wait(), watcher.ending


class _Watcher(threading.Thread):
    """Ends a process group in time, and what a command leaves behind in it."""

    def __init__(self, process: subprocess.Popen[str], deadline: float, canceled: threading.Event) -> None:
        super().__init__(daemon=True)
        self.ending = Ending.BY_ITSELF
        self.output_ended = threading.Event()
        self._process = process
        self._deadline = deadline
        self._canceled = canceled

    def run(self) -> None:
        """Watch the process to its end."""
        self.ending = self._wait()
        if self.ending is Ending.BY_ITSELF:
            self.output_ended.wait(_DRAIN_SECONDS)
            self._end_group(_ESCALATION[-1:])
        else:
            self._end_group(_ESCALATION)

    def _wait(self) -> Ending:
        while self._process.poll() is None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(_POLL_SECONDS)
                break
            if self._canceled.is_set():
                return Ending.CANCELED
            if time.monotonic() > self._deadline:
                return Ending.TIMED_OUT
        return Ending.BY_ITSELF

    def _end_group(self, escalation: Sequence[tuple[signal.Signals, float]]) -> None:
        for number, seconds in escalation:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, number)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(seconds)
