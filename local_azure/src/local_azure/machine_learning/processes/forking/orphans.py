"""Orphans: processes whose parent has died. A subreaper becomes their parent, and can end and reap them."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import sys
import threading
import time
from pathlib import Path

_PR_SET_CHILD_SUBREAPER, _PR_GET_CHILD_SUBREAPER = 36, 37
GUARD = threading.Lock()  # held while a child is started, and while children are looked at
KEPT: set[int] = set()  # children of this process that are not orphans
SWEEP_SECONDS = 2.0
_PAUSE_SECONDS = 0.02
_QUIET_TURNS = 5  # without an orphan; what an orphan had started comes only after its own end


def adopt_orphans() -> None:
    """Ask the kernel to make this process the parent of its descendants' orphans."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def adopts_orphans() -> bool:
    """Whether this process has asked for them."""
    if sys.platform != "linux":
        return False
    answer = ctypes.c_int(0)
    ctypes.CDLL(None).prctl(_PR_GET_CHILD_SUBREAPER, ctypes.byref(answer), 0, 0, 0)
    return bool(answer.value)


def own_children() -> set[int]:
    """Process ids of this process's children, whichever of its threads started them."""
    found: set[int] = set()
    with contextlib.suppress(FileNotFoundError):
        for task in Path("/proc/self/task").iterdir():
            with contextlib.suppress(FileNotFoundError):
                found.update(int(pid) for pid in (task / "children").read_text(encoding="ascii").split())
    return found


def end_orphans() -> None:
    """Kill and reap all children but those in KEPT, and what comes to us from them in turn; returns when none comes.

    Returns at once where this process adopts no orphans.
    """
    if not adopts_orphans():
        return
    deadline, quiet = time.monotonic() + SWEEP_SECONDS, 0
    while quiet < _QUIET_TURNS and time.monotonic() < deadline:
        with GUARD:
            orphans = own_children() - KEPT
            for pid in orphans:
                with contextlib.suppress(ProcessLookupError, ChildProcessError):
                    os.kill(pid, signal.SIGKILL)
                    os.waitpid(pid, 0)
        quiet = 0 if orphans else quiet + 1
        time.sleep(_PAUSE_SECONDS)
