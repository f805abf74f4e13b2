"""Runs a command below a supervisor, line by line, with a deadline; nothing that it starts outlives it."""

import contextlib
import os
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from enum import Enum, auto
from pathlib import Path

from local_azure.pipelines.run.agent.output_lines import Line, OutputLines

# As the build agent does it: ask twice, then end it; shorter, since a person waits.
_ESCALATION = ((signal.SIGINT, 3.0), (signal.SIGTERM, 2.0))
_END_SECONDS = 10.0
_POLL_SECONDS, _DRAIN_SECONDS = 0.1, 2.0
_READ_BYTES = 65_536
_SUPERVISOR = [sys.executable, "-I", "-S", str(Path(__file__).with_name("supervisor.py"))]


class Ending(Enum):
    """Why a command has ended."""

    BY_ITSELF = auto()
    CANCELED = auto()
    TIMED_OUT = auto()


def run_command(
    command: Sequence[str],
    folder: Path,
    environment: Mapping[str, str],
    on_line: Callable[[Line], None],
    *,
    deadline: float,
    canceled: threading.Event,
) -> tuple[int, Ending]:
    """Run a command until it ends, is canceled or passes `deadline` (of time.monotonic()).

    Every line of both streams goes to `on_line`. Returns the exit code, and why the command has ended.
    """
    with subprocess.Popen(
        [*_SUPERVISOR, *command],
        cwd=folder,
        env=dict(environment),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        bufsize=0,
        start_new_session=True,
    ) as process:
        watcher = _Watcher(process, deadline, canceled)
        watcher.start()
        try:
            for line in _lines(process):
                on_line(line)
        except BaseException:
            watcher.end_now.set()
            raise
        finally:
            watcher.output_ended.set()
            watcher.join()
        return process.wait(), watcher.ending


def _lines(process: subprocess.Popen[bytes]) -> Iterator[Line]:
    """Yield lines until the end of output; after the end of the process somebody may hold the stream for a while."""
    lines = OutputLines()
    for data in _output(process):
        yield from lines.add(data)
    yield from lines.end()


def _output(process: subprocess.Popen[bytes]) -> Iterator[bytes]:
    descriptor = process.stdout.fileno() if process.stdout else -1
    last_moment: float | None = None
    while last_moment is None or time.monotonic() < last_moment:
        if last_moment is None and process.poll() is not None:
            last_moment = time.monotonic() + _DRAIN_SECONDS
        if not select.select([descriptor], [], [], _POLL_SECONDS)[0]:
            continue
        data = os.read(descriptor, _READ_BYTES)
        if not data:
            return
        yield data


class _Watcher(threading.Thread):
    """Ends a command in time, with all that it has started."""

    def __init__(self, process: subprocess.Popen[bytes], deadline: float, canceled: threading.Event) -> None:
        super().__init__(daemon=True)
        self.ending = Ending.BY_ITSELF
        self.output_ended = threading.Event()
        self.end_now = threading.Event()
        self._process = process
        self._deadline = deadline
        self._canceled = canceled

    def run(self) -> None:
        """Watch the process to its end."""
        self.ending = self._wait()
        if self.ending is not Ending.BY_ITSELF:
            for number, seconds in _ESCALATION:
                self._signal_group(number)
                self._ended_within(seconds)
        self._close_input()
        if not self._ended_within(_END_SECONDS):
            self._process.kill()
        # A command that has killed its supervisor has left its group behind.
        self._signal_group(signal.SIGKILL)

    def _wait(self) -> Ending:
        told = False
        while not self._ended_within(_POLL_SECONDS) and not self.end_now.is_set():
            if self.output_ended.is_set() and not told:
                told = True
                self._tell_output_ended()
            if self._canceled.is_set():
                return Ending.CANCELED
            if time.monotonic() > self._deadline:
                return Ending.TIMED_OUT
        return Ending.BY_ITSELF

    def _ended_within(self, seconds: float) -> bool:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(seconds)
            return True
        return False

    def _tell_output_ended(self) -> None:
        if self._process.stdin:
            with contextlib.suppress(OSError):
                self._process.stdin.write(b".")

    def _close_input(self) -> None:
        """Tell the supervisor to end everything."""
        if self._process.stdin:
            with contextlib.suppress(OSError):
                self._process.stdin.close()

    def _signal_group(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, number)
