"""A server answers soon after its start, however long the logs of the runs are that the last one left."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from local_azure.machine_learning.domain.pipelines import pipeline_runs, script_runs
from local_azure.machine_learning.engines.steps import executor
from local_azure.machine_learning.engines.steps.executor import Executor


@pytest.fixture
def closed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The runs that were closed; two are left open, and no script run."""
    found: list[str] = []
    runs = [{"Id": "long"}, {"Id": "next"}]
    monkeypatch.setattr(pipeline_runs, "open_runs", lambda *_: iter(runs))
    monkeypatch.setattr(pipeline_runs, "is_running", lambda _: True)
    monkeypatch.setattr(pipeline_runs, "fail_cut_off", lambda _s, _w, run, _why: found.append(run["Id"]))
    monkeypatch.setattr(script_runs, "open_runs", lambda *_: iter([]))
    return found


def an_executor(work: Path) -> Executor:
    """One with a workspace; must be made in an event loop."""
    launcher = SimpleNamespace(start=lambda: None)
    workspaces = SimpleNamespace(all=lambda: [SimpleNamespace(id="w", name="w")])
    others = dict.fromkeys(("store", "files", "redactor", "tokens", "sign_in", "addresses"), cast("Any", None))
    return Executor(launcher=cast("Any", launcher), workspaces=cast("Any", workspaces), work=work, **others)


def test_a_start_waits_for_short_logs(tmp_path: Path, closed: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(executor, "scrub_logs", lambda *_: None)

    async def start() -> list[str]:
        await an_executor(tmp_path).start()
        return list(closed)

    assert asyncio.run(start()) == ["long", "next"]


def test_a_start_does_not_wait_for_long_logs_and_cleans_them_before_the_run_ends(
    tmp_path: Path, closed: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    cleaned = threading.Event()
    monkeypatch.setattr(executor, "scrub_logs", lambda *_: cleaned.wait(30))
    monkeypatch.setattr(executor, "RECOVERY_SECONDS", 0.1)

    async def start() -> list[str]:
        await asyncio.wait_for(an_executor(tmp_path).start(), 10)
        before = list(closed)
        cleaned.set()
        return before

    assert asyncio.run(start()) == []
    assert closed == ["long", "next"]
