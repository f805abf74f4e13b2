"""`run` submits nothing while another run trains the problem, and stops where another one was quicker."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, cast

import pytest

from azure_ml.pipelines import trainings
from ml_service.training.runs import submitting as module
from ml_service.training.runs.submitting import AnotherTrainingError, RunRequest
from tests.unit.azure_ml.test_claims import MemoryBlobs


@dataclass
class Known:
    """A run of the history."""

    id: str
    status: str = "Running"
    properties: dict[str, str] = field(default_factory=dict)
    canceled: bool = False
    created: str = "2026-11-23T05:00:07+00:00"

    def cancel(self) -> None:
        """Note it."""
        self.canceled = True

    def add_properties(self, _: object) -> None:
        """Fail, as a service does that has just taken the run."""
        raise ConnectionError("the service does not answer")


@dataclass
class Workplace:
    """Storage and history of the workspace in memory, with the runs that were submitted."""

    blobs: MemoryBlobs
    submitted: list[Known] = field(default_factory=list)
    meanwhile: str = ""
    """The run that takes the claim between our question and our submission."""
    history: list[Known] = field(default_factory=list)
    """The runs of the experiment."""

    def held_by(self, run_id: str) -> None:
        """Let a run have the claim."""
        self.blobs.create("training/sales.json", json.dumps({"run_id": run_id}).encode())

    def submit(self, *_: object) -> Known:
        """Submit ours."""
        if self.meanwhile:
            self.held_by(self.meanwhile)
        self.submitted.append(Known("ours"))
        return self.submitted[0]

    def begin(self) -> Known:
        """What `run` does."""
        request = RunRequest(ours=cast(Any, SimpleNamespace(problem="sales", endpoint=None)))
        nothing, settings = cast(Any, None), cast(Any, SimpleNamespace(experiment_name="sales"))
        return cast(Known, module._begun(nothing, settings, nothing, nothing, request))


@pytest.fixture
def workplace(monkeypatch: pytest.MonkeyPatch) -> Workplace:
    """One run trains, and some do not any more."""
    found = Workplace(MemoryBlobs())
    runs = {
        "trains": Known("trains"),
        "ended": Known("ended", "Completed"),
        "kept": Known("kept", properties={"outcome": "kept", "reason": "another-run"}),
    }
    monkeypatch.setattr(trainings, "open_blobs", lambda _: found.blobs)
    for asked in (trainings, module):
        monkeypatch.setattr(asked, "find_run", lambda _, run_id: runs.get(run_id))
    monkeypatch.setattr(trainings, "list_runs", lambda *_: iter(found.history))
    monkeypatch.setattr(module, "_submit", found.submit)
    return found


def test_nothing_is_submitted_while_another_run_trains(workplace: Workplace) -> None:
    workplace.held_by("trains")
    with pytest.raises(AnotherTrainingError) as refused:
        workplace.begin()
    assert (refused.value.run_id, workplace.submitted) == ("trains", [])
    assert refused.value.found == "run trains, which began 23 Nov 2026, 05:00 UTC"
    assert "cancel it: python -m ml_service run --follow trains --timeout" in refused.value.todo


@pytest.mark.parametrize("before", ["", "ended", "kept", "gone"])
def test_a_run_that_trains_no_more_holds_nobody_up(workplace: Workplace, before: str) -> None:
    if before:
        workplace.held_by(before)
    ours = workplace.begin()
    assert workplace.blobs.held is not None
    assert (json.loads(workplace.blobs.held[0]), ours.canceled) == ({"run_id": "ours"}, False)


def test_where_another_was_quicker_ours_is_stopped(workplace: Workplace) -> None:
    workplace.meanwhile = "trains"
    with pytest.raises(AnotherTrainingError, match="sales"):
        workplace.begin()
    assert workplace.submitted[0].canceled


def test_a_run_that_was_submitted_without_a_claim_is_waited_for(workplace: Workplace) -> None:
    workplace.history = [Known("over", "Failed"), Known("by-hand")]
    with pytest.raises(AnotherTrainingError) as refused:
        workplace.begin()
    assert (refused.value.run_id, workplace.submitted) == ("by-hand", [])


def test_a_run_whose_claim_fails_is_canceled(workplace: Workplace, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> str:
        raise ConnectionError("the storage does not answer")

    monkeypatch.setattr(module, "claim_training", fail)
    with pytest.raises(ConnectionError):
        workplace.begin()
    assert workplace.submitted[0].canceled


def test_a_run_that_cannot_be_marked_is_canceled(monkeypatch: pytest.MonkeyPatch) -> None:
    submitted, nothing = Known("ours"), cast(Any, None)
    monkeypatch.setattr(module, "_submitted", lambda *_: submitted)
    monkeypatch.setattr(module, "submission_of", lambda *_: "7 default newest manual none")
    build = cast(Any, SimpleNamespace(person={}))
    with pytest.raises(ConnectionError):
        module._submit(nothing, cast(Any, SimpleNamespace(tf_build=False)), build, nothing, RunRequest())
    assert submitted.canceled
