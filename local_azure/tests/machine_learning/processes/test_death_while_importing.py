"""A fork server whose emulator is killed while it still imports ends at once, not when it has imported everything."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the kernel of Linux tells of a parent's death")

EMULATOR = """
import socket, subprocess, sys, time
ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
command = [sys.executable, "-P", "-m", "local_azure.machine_learning.processes.forking.fork_server"]
options = ["--socket", str(theirs.fileno()), "--first", "slow_to_import"]
process = subprocess.Popen([*command, *options], pass_fds=(theirs.fileno(),), start_new_session=True)
print(process.pid, flush=True)
time.sleep(60)
"""
SLOW = """
import pathlib, time
pathlib.Path({path!r}).touch()
for _ in range(600):
    try:
        time.sleep(0.1)
    except BaseException:
        pass
"""


def test_an_emulator_killed_during_imports_leaves_no_fork_server(tmp_path: Path) -> None:
    begun = tmp_path / "begun"
    (tmp_path / "slow_to_import.py").write_text(SLOW.format(path=str(begun)))
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    with subprocess.Popen([sys.executable, "-c", EMULATOR], stdout=subprocess.PIPE, env=environment) as emulator:
        assert emulator.stdout is not None
        pid = int(emulator.stdout.readline())
        deadline = time.monotonic() + 30
        while not begun.exists() and time.monotonic() < deadline:
            time.sleep(0.02)
        emulator.kill()
    try:
        assert _gone(pid, 10)
    finally:
        if not _gone(pid, 0):
            os.kill(pid, signal.SIGKILL)


def _gone(pid: int, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while not _has_ended(pid):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def _has_ended(pid: int) -> bool:
    try:
        status = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0]
    except OSError:
        return True
    return status in "ZX"
