"""`local_azure runs`: why a run failed, in one command; against runs that the real SDK has made."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from click.testing import CliRunner, Result

from local_azure.cli.main import main
from local_azure.cli.workspace import run_views
from local_azure.machine_learning.storage.state import StateFolder

FAILING = """
import sys
from azureml.core import Run
run = Run.get_context()
for loss in (0.5, 0.25, 0.125):
    run.log("loss", loss)
run.log_table("errors", {"day": 1, "size": 2})
print("all was well until here")
print("\\x1b[2Jboom", file=sys.stderr)
sys.exit(3)
"""

Runs = Callable[..., Result]


@pytest.fixture
def runs(ws: Any, state: StateFolder) -> Runs:
    """`local_azure runs` on the shared server."""

    def call(*words: str) -> Result:
        return CliRunner().invoke(main, ["--state", str(state.root), "runs", *words, "--workspace", ws.name])

    return call


@pytest.fixture(scope="module")
def failed() -> dict[str, str]:
    """Filled by the first test that needs it: ids of a failed pipeline run and of its step."""
    return {}


@pytest.fixture
def failed_run(failed: dict[str, str], project: Any, experiment: Any) -> dict[str, str]:
    """One pipeline run that failed, made once for all tests here."""
    if not failed:
        run = experiment.submit(project.pipeline(project.step("bad step", FAILING)))
        project.failing(run)
        failed.update(run=run.id, step=project.steps_of(run)["bad step"].id, experiment=experiment.name)
    return failed


def test_the_log_of_the_failed_step_is_one_command_away(runs: Runs, failed_run: dict[str, str]) -> None:
    done = runs("log", failed_run["run"])
    assert done.exit_code == 0
    assert "all was well until here\n" in done.stdout
    assert "\\x1b[2Jboom\n" in done.stdout, "a log cannot act on the terminal"
    assert failed_run["step"] in done.stderr
    last = runs("log", failed_run["run"], "--lines", "1").stdout
    assert len(last.splitlines()) == 1
    assert last in done.stdout
    assert runs("log", failed_run["run"], "--step", "bad step", "--lines", "0").stdout == done.stdout


def test_the_error_of_a_step_names_the_command(runs: Runs, failed_run: dict[str, str]) -> None:
    shown = runs("show", failed_run["step"])
    assert f"python -m local_azure runs log {failed_run['step']}" in shown.stdout
    assert "error: User program failed: step 'bad step', exit code 3." in shown.stdout


def test_a_run_shows_its_steps(runs: Runs, failed_run: dict[str, str]) -> None:
    lines = runs("show", failed_run["run"]).stdout.splitlines()
    (step,) = (line for line in lines if failed_run["step"] in line)
    assert step.split()[:3] == ["bad", "step", "Failed"]
    assert lines[-1].endswith(f"python -m local_azure runs log {failed_run['run']}")
    document = json.loads(runs("show", failed_run["run"], "--json").stdout)
    assert document["run"]["runId"] == failed_run["run"]
    assert [each["runId"] for each in document["steps"]] == [failed_run["step"]]


def test_runs_are_listed_newest_first_and_by_status(runs: Runs, failed_run: dict[str, str]) -> None:
    found = json.loads(runs("list", "--experiment", failed_run["experiment"], "--json").stdout)
    assert failed_run["run"] in [run["runId"] for run in found]
    assert found == sorted(found, key=lambda run: run["createdUtc"], reverse=True)
    assert {run["status"] for run in json.loads(runs("list", "--status", "failed", "--json").stdout)} == {"Failed"}
    table = runs("list", "--experiment", failed_run["experiment"]).stdout.splitlines()
    assert table[0].split()[:3] == ["RUN", "EXPERIMENT", "STATUS"]
    assert any(line.startswith(failed_run["run"]) and " Failed " in line for line in table)
    assert len(runs("list", "--top", "1").stdout.splitlines()) == 2


def test_metrics_of_a_run_and_its_steps(runs: Runs, failed_run: dict[str, str]) -> None:
    shown = runs("metrics", failed_run["run"]).stdout
    assert f"run {failed_run['step']}:" in shown
    assert "loss: 3 values, first 0.5, last 0.125, lowest 0.125, highest 0.5" in shown
    assert "errors: 1 row of day, size" in shown
    values = json.loads(runs("metrics", failed_run["run"], "--json").stdout)
    assert [value["loss"] for value in values[failed_run["step"]]["loss"]] == [0.5, 0.25, 0.125]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("show", "no-such-run"), "'no-such-run' was not found"),
        (("list", "--experiment", "no-such-experiment"), "no-such-experiment"),
    ],
)
def test_what_is_not_there_is_named(runs: Runs, words: tuple[str, ...], message: str) -> None:
    done = runs(*words)
    assert done.exit_code == 2
    assert message in done.stderr
    assert not done.stdout


def test_an_unknown_step_is_refused_with_those_there_are(runs: Runs, failed_run: dict[str, str]) -> None:
    done = runs("log", failed_run["run"], "--step", "good step")
    assert done.exit_code == 2
    assert f"The run {failed_run['run']} has no step 'good step'. It has: bad step." in done.stderr


def test_a_metric_in_words() -> None:
    texts = {"text": [{"text": "a\x1b[2J"}], "none": []}
    assert list(run_views.metric_lines(texts)) == ["text: a\\x1b[2J", "none: no values"]
