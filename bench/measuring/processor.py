"""Processor seconds: of our children, of a process and its children, of the whole machine. Linux only.

Wall time on a shared machine says little without them.
"""

from __future__ import annotations

import ctypes
import os
import resource
import time
from pathlib import Path

_PR_SET_CHILD_SUBREAPER = 36  # man prctl
_TICKS = os.sysconf("SC_CLK_TCK")
_QUIET_CORES = 0.2


def adopt_orphans() -> None:
    """Become the parent of what our children leave behind, such as a server, so that its time can be counted."""
    if ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_CHILD_SUBREAPER)")


def reaped_seconds() -> float:
    """Processor time of all children that have ended so far, and of theirs."""
    try:
        while os.waitpid(-1, os.WNOHANG) != (0, 0):
            pass
    except ChildProcessError:
        pass
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def tree_seconds(pid: int) -> float:
    """Processor time so far of a process, its children, and those that they have waited for.

    Source: man proc, the files stat (utime, stime, cutime, cstime) and children.
    """
    folder = Path(f"/proc/{pid}")
    try:
        fields = (folder / "stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        children = (folder / f"task/{pid}/children").read_text(encoding="utf-8").split()
    except FileNotFoundError:  # ended meanwhile
        return 0.0
    return sum(map(int, fields[11:15])) / _TICKS + sum(tree_seconds(int(child)) for child in children)


def machine_seconds() -> float:
    """Processor time that everybody has used since the machine started. Source: man proc, file stat."""
    user, nice, system, _idle, _iowait, irq, softirq, steal = (
        int(field) for field in Path("/proc/stat").read_text(encoding="utf-8").split()[1:9]
    )
    return (user + nice + system + irq + softirq + steal) / _TICKS


def wait_until_quiet(limit: float) -> None:
    """Return when the machine has used less than a fifth of a core for a second, or after `limit` seconds."""
    deadline = time.monotonic() + limit
    while time.monotonic() < deadline:
        before = machine_seconds()
        time.sleep(1)
        if machine_seconds() - before < _QUIET_CORES:
            return
