"""A test run that is killed leaves nothing behind, not even what has left its process group."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from tests.story.product import ROOT

TEST = """
import pathlib, subprocess, sys

def test_that_starts_a_server():
    server = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
    pathlib.Path("pid").write_text(str(server.pid))
    pathlib.Path("pid").rename("started")
    server.wait()
"""
SECONDS = 20


def waited_for(what: str, until: Callable[[], bool]) -> None:
    """Poll until a condition holds."""
    deadline = time.monotonic() + SECONDS
    while not until():
        assert time.monotonic() < deadline, what
        time.sleep(0.05)


def test_a_killed_run_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "test_server.py").write_text(TEST)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "tests.run_guard", "-c", "/dev/null", "test_server.py"]
    with subprocess.Popen(
        command, cwd=tmp_path, env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT)}, stdout=subprocess.DEVNULL
    ) as run:
        waited_for("the test has begun", (tmp_path / "started").exists)
        server = Path("/proc", (tmp_path / "started").read_text())
        assert server.exists()
        run.kill()
    waited_for("the server has ended", lambda: not server.exists() or " Z " in (server / "stat").read_text())
