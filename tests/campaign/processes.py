"""Which processes a campaign has started, directly or not: it adopts whatever loses its parent, and counts it."""

from __future__ import annotations

import contextlib
import ctypes
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path

_PR_SET_CHILD_SUBREAPER = 36
KILL_SECONDS = 5.0


def adopt_orphans() -> None:
    """From now on a process below this one whose parent dies becomes a child of this one."""
    if sys.platform != "linux":
        raise SystemExit("campaigns need Linux: they count processes by /proc and kill them by their numbers")
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def children(pid: int) -> list[int]:
    """Processes that a process has started, also those that have ended and are not reaped yet."""
    found: list[int] = []
    with contextlib.suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            with contextlib.suppress(OSError):
                found += [int(child) for child in (task / "children").read_text(encoding="ascii").split()]
    return found


def descendants(pid: int) -> list[int]:
    """Children, their children and so on."""
    found = children(pid)
    for child in found:
        found += children(child)
    return found


def is_alive(pid: int) -> bool:
    """Whether a process still runs; one that waits to be reaped does not."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
    return status.rpartition(")")[2].split()[0] not in ("Z", "X")


def folder_of(pid: int) -> Path | None:
    """The working directory of a process; None when it has gone."""
    try:
        return Path(f"/proc/{pid}/cwd").readlink()
    except OSError:
        return None


def words_of(pid: int) -> str:
    """The command line of a process, for people."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
    return ""


def kill(pid: int) -> bool:
    """kill -9; False when it had gone before."""
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return False
    return True


def still_there(pids: Iterable[int], seconds: float) -> list[int]:
    """Those of some processes that have not ended after a time."""
    deadline = time.monotonic() + seconds
    return [pid for pid in pids if not _ends_before(pid, deadline)]


def _ends_before(pid: int, deadline: float) -> bool:
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    with os.fdopen(descriptor):
        return bool(select.select([descriptor], [], [], max(0.0, deadline - time.monotonic()))[0])


def end_descendants() -> list[str]:
    """Kill whatever runs below this program, by its number; returns the command lines of what was there."""
    ended: list[str] = []
    while alive := [pid for pid in descendants(os.getpid()) if is_alive(pid)]:
        ended += [f"{pid} {words_of(pid)}" for pid in alive]
        for pid in alive:
            kill(pid)
        still_there(alive, KILL_SECONDS)
    return ended


class Started:
    """The processes that this program has started itself and waits for itself."""

    def __init__(self) -> None:
        self._processes: list[subprocess.Popen[str]] = []

    def __call__(self, words: list[str], **more: object) -> subprocess.Popen[str]:
        """Start one; in a session of its own, so that a Ctrl-C reaches this program alone."""
        self._processes = [process for process in self._processes if process.returncode is None]
        process = subprocess.Popen(words, text=True, start_new_session=True, **more)  # type: ignore[call-overload]
        self._processes.append(process)
        return process  # type: ignore[no-any-return]

    def reap_others(self) -> None:
        """Reap adopted processes that have ended."""
        own = {process.pid for process in self._processes}
        for pid in children(os.getpid()):
            if pid not in own and not is_alive(pid):
                with contextlib.suppress(ChildProcessError):
                    os.waitpid(pid, os.WNOHANG)

    def end(self) -> list[str]:
        """End whatever runs below this program and reap it; returns the command lines of what was there."""
        left = end_descendants()
        for process in self._processes:
            process.wait()
        self.reap_others()
        return left
