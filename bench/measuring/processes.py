"""Runs one command and takes its wall time; starts and stops a server around others."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.measuring.processor import machine_seconds, reaped_seconds, tree_seconds

_TIMEOUT_SECONDS = 600
_SHOWN_LINES = 25
_QUIET_SHARE = 0.05
_SETTLE_SECONDS = 60
# Compiled bytecode for everybody, telemetry for nobody; nothing of the caller's own server or build agent.
_DROPPED = ("PYTHONDONTWRITEBYTECODE", "LOCAL_AZURE_STATE", "BUILD_BUILDID", "BUILD_SOURCEVERSION")
_ADDED = {"DVC_NO_ANALYTICS": "1", "DO_NOT_TRACK": "1"}


class BenchError(Exception):
    """A command failed or did other work than it was meant to do: its time means nothing."""


@dataclass(frozen=True)
class Finished:
    """A command that ended with 0, and all that it wrote.

    seconds: wall time. cpu: processor seconds of it and of all that it started. others: processor seconds that the
    rest of the machine used meanwhile.
    """

    seconds: float
    cpu: float
    others: float
    output: str


def environment(more: Mapping[str, str] | None = None) -> dict[str, str]:
    """Variables of every measured command."""
    kept = {name: value for name, value in os.environ.items() if name not in _DROPPED}
    return {**kept, **_ADDED, **(more or {})}


def run(
    command: Sequence[str], folder: Path, more: Mapping[str, str] | None = None, helpers: Sequence[int] = ()
) -> Finished:
    """Run a command in a folder; raises BenchError with the end of its output when it does not end with 0.

    helpers: ids of processes that work for the command, and that were there before.
    """
    busy, used, started = machine_seconds(), _used_seconds(helpers), time.perf_counter()
    done = subprocess.run(
        command,
        cwd=folder,
        env=environment(more),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=_TIMEOUT_SECONDS,
    )
    seconds = time.perf_counter() - started
    cpu = _used_seconds(helpers) - used
    if done.returncode:
        tail = "\n".join(done.stdout.splitlines()[-_SHOWN_LINES:])
        raise BenchError(f"{' '.join(command)} ended with {done.returncode} in {folder}:\n{tail}")
    return Finished(seconds, cpu, max(0.0, machine_seconds() - busy - cpu), done.stdout)


def _used_seconds(helpers: Sequence[int]) -> float:
    return reaped_seconds() + sum(map(tree_seconds, helpers))


def local_azure(state: Path, *words: str) -> list[str]:
    """Command line of the server's tool on a state folder."""
    return [sys.executable, "-m", "local_azure", "--state", str(state), *words]


@contextmanager
def server(state: Path, folder: Path, *, warm: bool = False) -> Iterator[list[int]]:
    """Process id of a server that has been started and has come to rest, as one that has been up for a while.

    warm: with the process that preloads client programs, whose id is the second.
    """
    run(local_azure(state, "up"), folder)
    try:
        pids = [int(json.loads(run(local_azure(state, "status", "--json"), folder).output)["pid"])]
        if warm:
            run(local_azure(state, "exec", "--warm", "--", sys.executable, "-c", ""), folder)
            pids.append(json.loads((state / "clients/parent.json").read_text(encoding="utf-8"))["pid"])
        for pid in pids:
            _settle(pid)
        yield pids
    finally:
        run(local_azure(state, "down"), folder)


def _settle(pid: int) -> None:
    """Wait until a process and its children use no more than a twentieth of a core.

    `up` returns as soon as the server answers, while it still imports what the steps will need.
    """
    deadline = time.monotonic() + _SETTLE_SECONDS
    used = tree_seconds(pid)
    while time.monotonic() < deadline:
        time.sleep(0.5)
        before, used = used, tree_seconds(pid)
        if used - before < 0.5 * _QUIET_SHARE:
            return
    raise BenchError(f"The server did not come to rest within {_SETTLE_SECONDS} s.")
