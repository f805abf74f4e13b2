"""Nothing outlives a test run, even one that is killed: a guard process ends what the run has left behind.

Everything that a run starts inherits a variable with the mark of that run. The guard reads a pipe; the run holds its
only other end. When that end is closed, by whatever death, the guard kills the processes that carry the mark.
"""

from __future__ import annotations

import os
import subprocess
import sys
import uuid
from pathlib import Path

import pytest

VARIABLE = "MARK_OF_TEST_RUN"
# Runs alone: it must start fast and must not depend on the packages that are tested.
_GUARD = """
import os, pathlib, signal, sys
sys.stdin.buffer.read()
mark = sys.argv[1].encode()
left = True
while left:
    left = False
    for process in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            if int(process.name) != os.getpid() and mark in (process / "environ").read_bytes().split(b"\\0"):
                os.kill(int(process.name), signal.SIGKILL)
                left = left or (process / "stat").read_text().rpartition(")")[2].split()[0] != "Z"
        except OSError:
            pass
"""
_PROCESS = pytest.StashKey[subprocess.Popen[bytes]]()


def pytest_configure(config: pytest.Config) -> None:
    """Start the guard of a run; its worker processes are guarded with it."""
    if hasattr(config, "workerinput"):
        return
    mark = uuid.uuid4().hex
    os.environ[VARIABLE] = mark
    command = [sys.executable, "-I", "-S", "-c", _GUARD, f"{VARIABLE}={mark}"]
    config.stash[_PROCESS] = subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True, cwd=Path("/"))


def pytest_unconfigure(config: pytest.Config) -> None:
    """Let the guard look for what is left, and wait until it has ended."""
    guard = config.stash.get(_PROCESS, None)
    if guard is not None:
        guard.communicate()
