"""What a scheduled run does before it trains, with a run history in memory."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

import resolve
from azure_ml.datasets import DatasetVersion
from azure_ml.pipelines.trainings import LOOKED_AT
from azure_ml.step_run import StepRun, ended_before_training

DATA = DatasetVersion(None, "sales", 3, {"sha256": "a" * 64})


@dataclass(frozen=True)
class Other:
    """A run of the experiment."""

    id: str
    number: int
    status: str = "Completed"
    properties: dict[str, str] = field(default_factory=dict)


class Ours(StepRun):
    """The run of this step."""

    id = "ours"
    experiment = "sales"
    workspace: Any = None


@pytest.fixture
def why_not(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Ask with these other runs, and this holder of the claim."""

    def ask(*others: Other, holder: str = "ours") -> str:
        runs = [Other("ours", 10, "Running"), *others]
        monkeypatch.setattr(resolve, "list_runs", lambda *_: iter(runs))
        monkeypatch.setattr(resolve, "claim_training", lambda *_: holder)
        return resolve.why_not(Ours(), "sales", DATA)

    return ask


def test_the_first_run_trains(why_not: Any) -> None:
    assert why_not() == ""


@pytest.mark.parametrize("outcome", ["accepted", "kept", "failed"])
def test_data_that_was_decided_on_is_not_trained_on_again(why_not: Any, outcome: str) -> None:
    decided = Other("old", 1, properties={"outcome": outcome, "data_sha256": DATA.sha256})
    assert why_not(decided) == "no-new-data"
    assert why_not(Other("old", 1, properties={"data_sha256": "b" * 64})) == ""
    assert why_not(Other("broken", 1, "Failed", {"data_version": "3"})) == "", "a fault is tried again"


def test_a_run_that_began_before_and_still_trains_goes_first(why_not: Any) -> None:
    assert why_not(Other("manual", 9, "Running")) == "another-run"
    assert why_not(Other("later", 11, "Running")) == ""
    for reason in ("no-new-data", "another-run"):
        assert why_not(Other("over", 9, "Running", {"reason": reason})) == "", "it trains nothing"


def test_of_two_runs_of_the_same_second_the_claim_decides(why_not: Any) -> None:
    assert why_not(Other("twin", 10, "Running"), holder="twin") == "another-run"
    assert why_not(Other("twin", 10, "Running"), holder="ours") == ""


def test_data_is_trained_on_once_however_many_runs_without_new_data_follow(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = [Other("decided", 1, properties={"outcome": "kept", "data_sha256": DATA.sha256})]

    class Scheduled(Ours):
        """A run whose outcome becomes a part of the history."""

        def mark(self, properties: Mapping[str, str]) -> None:
            """Properties that say nothing of the outcome."""

        def tag(self, tags: Mapping[str, str]) -> None:
            """Tags that say nothing of the outcome."""

        def record(self, outcome: str, reason: str, facts: Mapping[str, str]) -> None:
            told = {"outcome": outcome, "reason": reason, **facts}
            runs.append(Other(f"run-{len(runs)}", len(runs) + 1, properties=told))

    monkeypatch.setattr(resolve, "take_delivered", lambda *_: None)
    monkeypatch.setattr(resolve, "find_dataset", lambda *_: DATA)
    monkeypatch.setattr(resolve, "claim_training", lambda *_: Ours.id)
    monkeypatch.setattr(resolve, "list_runs", lambda _workspace, _experiment, most: reversed(runs[-most:]))
    monkeypatch.setattr(resolve, "fetch_version", lambda *_: pytest.fail("trained on again"))
    problem = tmp_path / "sales.yml"
    problem.write_text("series: {name: sales, measure: Units, aggregation: sum}\n")
    args = argparse.Namespace(problem=problem, dataset_name="sales", resolved=tmp_path / "resolved")
    for _ in range(LOOKED_AT + 10):
        assert resolve.resolve(args, Scheduled()) == 0
    assert {run.properties["reason"] for run in runs[1:]} == {"no-new-data"}


def test_only_what_the_first_step_has_ended_is_passed_over() -> None:
    assert ended_before_training({"outcome": "kept", "reason": "no-new-data"}) == "no-new-data"
    assert ended_before_training({"outcome": "kept", "reason": "not-better"}) == ""
    assert ended_before_training({"outcome": "kept", "reason": "no-new-data", "decision_sha256": "d"}) == ""
