"""Runs a command in a process group of its own, line by line, with a deadline."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

# As the build agent does it: ask twice, then end it; shorter, since a person waits.
_ESCALATION = ((signal.SIGINT, 3.0), (signal.SIGTERM, 2.0), (signal.SIGKILL, 5.0))
_LOOK_SECONDS = 0.1
_DRAIN_SECONDS = 2.0


@dataclass(frozen=True)
class Ended:
    """How a command ended: its code, and why it was stopped ('' when it ended by itself)."""

    code: int
    stopped: str = ""
    wrote_to_stderr: bool = False


@dataclass(frozen=True)
class Limits:
    """When to stop a command: a time of time.monotonic(), and who may ask for an early end."""

    deadline: float
    canceled: threading.Event


def run_command(
    command: Sequence[str],
    *,
    folder: Path,
    environment: Mapping[str, str],
    limits: Limits,
    on_line: Callable[[str], None],
) -> Ended:
    """Run and wait; every line of both streams goes to `on_line`, one at a time."""
    process = subprocess.Popen(
        command, cwd=folder, env=dict(environment), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True, errors="replace", start_new_session=True,
    )  # fmt: skip
    lock = threading.Lock()
    errors: list[bool] = []

    def read(stream: object, error: bool) -> None:
        for line in stream:  # type: ignore[attr-defined]
            with lock:
                if error:
                    errors.append(True)
                on_line(line.rstrip("\n"))

    readers = [
        threading.Thread(target=read, args=(stream, stream is process.stderr), daemon=True)
        for stream in (process.stdout, process.stderr)
    ]
    for reader in readers:
        reader.start()
    stopped = _wait(process, readers, limits)
    for stream in (process.stdout, process.stderr):
        if stream is not None:
            stream.close()
    return Ended(process.returncode, stopped, bool(errors))


def _wait(process: subprocess.Popen[str], readers: list[threading.Thread], limits: Limits) -> str:
    stopped = ""
    while process.poll() is None and not stopped:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_LOOK_SECONDS)
        if limits.canceled.is_set():
            stopped = "canceled"
        elif time.monotonic() > limits.deadline:
            stopped = "timed out"
    if stopped:
        _stop(process)
    for reader in readers if not stopped else []:
        reader.join(_DRAIN_SECONDS)
    # What the command left behind in its group ends with it, as the build agent does.
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    for reader in readers:
        reader.join()
    return stopped


def _stop(process: subprocess.Popen[str]) -> None:
    for number, seconds in _ESCALATION:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(seconds)
            return
