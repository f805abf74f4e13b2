"""A campaign that is killed, or whose starter is, leaves no process behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.campaign.processes import descendants, is_alive, still_there

ROOT = Path(__file__).resolve().parents[2]
STARTER = "import subprocess, sys; subprocess.run(sys.argv[1:])"
# A client in a session of its own, and one below a process that has ended: like a server that `up` has started.
CAMPAIGN = """
import subprocess, sys, threading
from pathlib import Path
from tests.campaign.guard import run_guarded
from tests.campaign.processes import Started

def main():
    started = Started()
    started(["sleep", "701"])
    started(["sh", "-c", "setsid sleep 702 & exit 0"]).wait()
    print("begun", flush=True)
    threading.Event().wait()

if __name__ == "__main__":
    run_guarded(main)
"""


@pytest.mark.parametrize("victim", ["starter", "guard", "campaign"])
def test_kill_9_of_a_campaign_or_its_starter_ends_its_clients(victim: str) -> None:
    command = [sys.executable, "-c", STARTER, sys.executable, "-c", CAMPAIGN]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, env=_environment()) as starter:
        assert starter.stdout is not None
        assert starter.stdout.readline() == "begun\n"
        guard, campaign, *clients = _below(starter.pid)
        assert len(clients) == 2
        os.kill({"starter": starter.pid, "guard": guard, "campaign": campaign}[victim], signal.SIGKILL)
        assert still_there([guard, campaign, *clients], seconds=10) == []


def _below(starter: int) -> list[int]:
    """Guard, campaign, clients: a parent comes before its children."""
    return [pid for pid in descendants(starter) if is_alive(pid)]


def _environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT)}
