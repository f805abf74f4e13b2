"""Servers that are killed while clients write: nothing that was acknowledged is lost, nothing is torn.

`make campaign` does the same 200 times.
"""

from __future__ import annotations

import json
import random
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.faults.fault_server import Machine, scope

ROOT = Path(__file__).resolve().parents[2]
KILLS, CLIENTS = 2, 3


def acknowledged(told: list[Path]) -> Iterator[dict[str, Any]]:
    """Every fact that a client was told."""
    for path in told:
        yield from map(json.loads, path.read_text(encoding="utf-8").splitlines())


def wait_for_writes(told: list[Path], more: int) -> None:
    """Return when the clients have got this number of further acknowledgments."""
    wanted = sum(1 for _ in acknowledged(told)) + more
    deadline = time.monotonic() + 60
    while sum(1 for _ in acknowledged(told)) < wanted:
        assert time.monotonic() < deadline, "no writes get through"
        time.sleep(0.02)


@pytest.mark.slow
def test_what_was_acknowledged_survives_kills(machine: Machine, tmp_path: Path) -> None:
    machine.post(f"/history/v1.0{scope()}/experiments/writes")
    stop, told = tmp_path / "stop", [tmp_path / f"client{number}" for number in range(CLIENTS)]
    program = [sys.executable, "-m", "tests.faults.client_of_writes", str(machine.state.root), str(stop)]
    for path in told:
        path.touch()
    clients = [subprocess.Popen([*program, str(path)], cwd=ROOT) for path in told]
    moments = random.Random(11)  # noqa: S311 - not for secrets
    slowest = 0.0
    try:
        for _ in range(KILLS):
            wait_for_writes(told, 12)
            time.sleep(moments.uniform(0, 0.05))
            machine.kill()
            with sqlite3.connect(machine.state.database) as connection:
                assert connection.execute("PRAGMA integrity_check").fetchone()[0] == "ok"
            started = time.monotonic()
            machine.start()
            slowest = max(slowest, time.monotonic() - started)
        wait_for_writes(told, 12)
    finally:
        stop.touch()
        codes = [client.wait(30) for client in clients]
    assert codes == [0] * CLIENTS
    assert slowest < 10
    check(machine, list(acknowledged(told)))
    assert list((machine.state.blobs / ".partial").iterdir()) == [], "what was cut off is swept"


def check(machine: Machine, facts: list[dict[str, Any]]) -> None:
    """Everything acknowledged is there and whole."""
    container, _ = machine.signature("workspaceartifactstore")
    models = {}
    for fact in facts:
        if "run" in fact:
            assert machine.run(fact["run"])["tags"] == fact["tags"]
        elif "metric" in fact:
            found = machine.post(f"/metric/v2.0{scope()}/runs/{fact['metric']}/full", {"metricName": "m"})
            assert len(found["value"]) == 1
        elif "artifact" in fact:
            assert (machine.state.blobs / container / fact["artifact"]).stat().st_size == fact["size"]
        else:
            models[fact["model"]] = fact["by"]
    assert len(models) == sum("model" in fact for fact in facts), "every registration has a version of its own"
    listed = machine.get(f"/modelmanagement/v1.0{scope()}/models?name=written&count=100000")["value"]
    by = {model["id"]: model["properties"]["by"] for model in listed}
    assert {model: by.get(model) for model in models} == models
    versions = sorted(model["version"] for model in listed)
    assert versions == list(range(1, len(versions) + 1))
