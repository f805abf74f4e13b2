"""Runs a command in a process group of its own, line by line, with a deadline."""

import contextlib
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

# As the build agent does it: ask twice, then end it; shorter, since a person waits.
_ESCALATION = ((signal.SIGINT, 3.0), (signal.SIGTERM, 2.0), (signal.SIGKILL, 5.0))
_LOOK_SECONDS, _DRAIN_SECONDS = 0.1, 2.0


def run_command(
    command: Sequence[str],
    folder: Path,
    environment: Mapping[str, str],
    on_line: Callable[[str], None],
    *,
    deadline: float,
    canceled: threading.Event,
) -> tuple[int, str]:
    """Run and wait; every line of both streams goes to `on_line`.

    Returns the exit code, and why it was stopped: '', 'canceled', or 'timed out' after `deadline` (time.monotonic()).
    """
    stopped, read = "", threading.Event()

    def watch(process: subprocess.Popen[str]) -> None:
        nonlocal stopped
        while process.poll() is None and not stopped:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(_LOOK_SECONDS)
                break
            stopped = "canceled" if canceled.is_set() else "timed out" if time.monotonic() > deadline else ""
        if not stopped:
            read.wait(_DRAIN_SECONDS)
        # What a command leaves behind in its group ends with it.
        for number, seconds in _ESCALATION if stopped else _ESCALATION[-1:]:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, number)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(seconds)

    with subprocess.Popen(
        command, cwd=folder, env=dict(environment), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True, errors="replace", start_new_session=True,
    ) as process:  # fmt: skip
        watcher = threading.Thread(target=watch, args=(process,), daemon=True)
        watcher.start()
        for line in process.stdout or ():
            on_line(line.rstrip("\n"))
        read.set()
        watcher.join()
        return process.wait(), stopped
