"""A build submits once: what a lost agent has left is picked up, what has failed is submitted anew."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest

from forecasting.decision.blocks import Override
from ml_service.settings.build import Build
from ml_service.settings.variables import Settings
from ml_service.training.runs import submitting as module
from ml_service.training.runs.submitting import SUBMISSION, RunRequest, submission_of

MakeSettings = Callable[[dict[str, str]], Settings]
BUILD = Build("17", "commit")
REQUEST = RunRequest(reason="code", data_version=4, pipeline_id="p")


@dataclass
class Kept:
    """A run of the experiment."""

    id: str
    properties: dict[str, str]
    status: str = "Running"


@dataclass
class History:
    """The runs of the experiment, the newest first."""

    runs: list[Kept] = field(default_factory=list)

    def resumed(self, settings: Settings, build: Build = BUILD, request: RunRequest = REQUEST) -> Any:
        """Id of the run that is picked up; None where one is submitted."""
        return module._resumed(None, settings, build, request)  # type: ignore[arg-type]


@pytest.fixture
def history(monkeypatch: pytest.MonkeyPatch) -> History:
    kept = History()
    monkeypatch.setattr(module, "list_runs", lambda *_: iter(kept.runs))
    monkeypatch.setattr(module, "find_pipeline_run", lambda _, run_id: run_id)
    return kept


@pytest.fixture
def settings(make_settings: MakeSettings) -> Settings:
    return make_settings({"TF_BUILD": "True"})


@pytest.mark.parametrize(
    ("status", "picked_up"), [("Running", "r"), ("Completed", "r"), ("Failed", None), ("Canceled", None)]
)
def test_the_run_of_this_build_is_picked_up_unless_it_has_failed(
    history: History, settings: Settings, status: str, picked_up: str | None
) -> None:
    history.runs = [Kept("other", {}), Kept("r", {SUBMISSION: "17 p 4 code none"}, status)]

    assert history.resumed(settings) == picked_up


def test_after_a_failure_the_older_run_of_the_same_build_is_not_taken(history: History, settings: Settings) -> None:
    same = {SUBMISSION: submission_of(settings, BUILD, REQUEST)}
    history.runs = [Kept("newer", same, "Failed"), Kept("older", same, "Completed")]

    assert history.resumed(settings) is None


@pytest.mark.parametrize(
    ("build", "request_"),
    [
        (Build("18", "commit"), REQUEST),
        (BUILD, RunRequest(reason="code", data_version=5, pipeline_id="p")),
        (
            BUILD,
            RunRequest(reason="code", data_version=4, pipeline_id="p", override=Override(person="Ada", reason="why")),
        ),
    ],
)
def test_another_build_or_request_submits_its_own(
    history: History, settings: Settings, build: Build, request_: RunRequest
) -> None:
    history.runs = [Kept("r", {SUBMISSION: "17 p 4 code none"})]

    assert history.resumed(settings, build, request_) is None


def test_at_a_terminal_each_run_is_submitted(history: History, make_settings: MakeSettings) -> None:
    assert submission_of(make_settings({}), BUILD, REQUEST) == ""
    assert submission_of(make_settings({"TF_BUILD": "True"}), Build("local-1", "c"), REQUEST) == ""


def test_a_run_names_the_build_that_has_submitted_it(
    settings: Settings, make_settings: MakeSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    found: list[dict[str, str]] = []
    submitted = SimpleNamespace(id="r", add_properties=found.append)
    monkeypatch.setattr(module, "_submitted", lambda *_: submitted)
    for given in (settings, make_settings({"TF_BUILD": ""})):
        module._submit(None, given, BUILD, None, REQUEST)  # type: ignore[arg-type]
    assert [properties["build_id"] for properties in found] == ["17"], "at a terminal there is no build"
