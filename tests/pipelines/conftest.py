"""Small pipelines in a folder of their own, checked and run in this process."""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Callable, Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from local_azure.cli.pipeline_runs import RunOptions, run_file
from local_azure.machine_learning.storage.state import StateFolder
from local_azure.pipelines.check.pipeline_check import check
from local_azure.pipelines.check.schema import service_schema
from local_azure.pipelines.expand.queue_facts import QueueFacts


@dataclass
class Outcome:
    """What a run left: its exit code, result.json, and the logs of its jobs by label."""

    code: int
    document: dict[str, Any]
    logs: dict[str, str]

    @property
    def results(self) -> dict[str, str]:
        """Results of stages and jobs."""
        found: dict[str, str] = self.document["results"]
        return found


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Write files of a small repository; returns the path of the pipeline."""

    def _write(pipeline: str, **files: str) -> Path:
        root = tmp_path / "repository"
        for name, text in {"azure-pipelines.yml": pipeline, **files}.items():
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(textwrap.dedent(text).lstrip("\n"), encoding="utf-8")
        return root / "azure-pipelines.yml"

    return _write


@pytest.fixture
def faults(write: Callable[..., Path]) -> Callable[..., list[str]]:
    """The faults of a small pipeline, as text."""

    def _faults(pipeline: str, parameters: dict[str, str] | None = None, **files: str) -> list[str]:
        _, problems = check(write(pipeline, **files), parameters)
        return [str(problem) for problem in problems]

    return _faults


@pytest.fixture
def run(write: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Outcome]:
    """Run a small pipeline; steps find the emulator's state folder below `tmp_path`.

    Time limits may be fractions of a minute here, so that tests of them take no minute.
    """
    monkeypatch.setattr(service_schema, "_WHOLE_NUMBER", re.compile(r"[0-9]+([.][0-9]+)?"))

    def _run(pipeline: str, *, facts: QueueFacts | None = None, **options: Any) -> Outcome:
        state = StateFolder(tmp_path / "state")
        code = run_file(state, write(pipeline), {}, facts or QueueFacts(), RunOptions(**options))
        folders = sorted((state.root / "pipelines").glob("*"), key=lambda path: int(path.name))
        if not folders:
            return Outcome(code, {}, {})
        logs = {path.stem: path.read_text(encoding="utf-8") for path in (folders[-1] / "logs").glob("*.log")}
        return Outcome(code, json.loads((folders[-1] / "result.json").read_text(encoding="utf-8")), logs)

    return _run


def mute(text: str) -> str:
    """Logging commands in the output of a failed test must not be obeyed by the build agent that runs the tests."""
    return text.replace("##vso[", "##_vso[")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Mute what a report would print."""
    report = yield
    report.sections = [(name, mute(text)) for name, text in report.sections]
    if report.failed and "##vso[" in str(report.longrepr):
        report.longrepr = mute(str(report.longrepr))
    return report
