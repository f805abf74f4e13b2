"""`outcome`: one line says how a training ended and what waits for a person."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ml_service.audit import last_training as module
from ml_service.audit.last_training import LastTraining, encode, last_training, variable_of
from ml_service.retraining.inbox import Quarantined, Unused


def quarantined(*names: str) -> Unused:
    found = (Quarantined(name, "0" * 64, "2014-06-02T05:00:00+00:00", "demand", ("too old",)) for name in names)
    return Unused(tuple(found))


@pytest.mark.parametrize(
    ("last", "line", "todo"),
    [
        (("accepted", "margin", "run", (), Unused()), "accepted, margin", "approve or reject"),
        (
            ("kept", "margin", "run", (), quarantined("a.csv")),
            "kept, margin; quarantined: a.csv",
            "quarantined-data.md",
        ),
        (("red", "no-outcome", "run", (), Unused()), "red, no-outcome", "red-retraining.md"),
        (("kept", "another-run", "run", (), Unused()), "kept, another-run", "the other run hangs"),
        (
            ("kept", "margin", "run", ("the level has moved",), quarantined(*"abcd")),
            "kept, margin; quarantined: a, b and 2 more; drift: the level has moved",
            "quarantined-data.md",
        ),
        (
            ("kept", "no-new-data", "run", (), Unused(unread={"growing.csv": "it may still grow"})),
            "kept, no-new-data; not read: growing.csv",
            "quarantined-data.md",
        ),
        (
            ("none", "nothing-waits", "", (), Unused(unknown="HTTP 403")),
            "none, nothing-waits; the inbox cannot be read",
            "",
        ),
    ],
)
def test_a_line_says_all_that_a_person_must_know(last: tuple[Any, ...], line: str, todo: str) -> None:
    found = LastTraining("demand", *last)
    assert found.line == line
    assert todo in found.todo
    assert bool(todo) == bool(found.todo)


@pytest.fixture
def build(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A build whose stage may have set the variable; its run has found drift."""
    run = SimpleNamespace(properties={"drift": "level"})
    monkeypatch.setattr(module, "find_run", lambda _workspace, run_id: run if run_id == "run-1" else None)
    monkeypatch.setattr(module, "unused_or_why", lambda *_: Unused())
    return SimpleNamespace(problem_file=Path("demand.yml"), tf_build="True")


@pytest.mark.parametrize(
    ("variable", "line"),
    [
        (encode(0, "kept", "margin", "run-1"), "kept, margin; drift: the level has moved"),
        (encode(1, "accepted", "margin", "run-2"), "red, margin"),
        (encode(1, "", "", "run-2"), "red, no-outcome"),
        (module.NOTHING_WAITS, "none, nothing-waits"),
        ("", "red, no training of this build has ended; see the log of its stage"),
        ("$(TRAINED_demand)", "red, no training of this build has ended; see the log of its stage"),
    ],
)
def test_a_build_goes_by_what_its_stage_has_told(
    build: Any, monkeypatch: pytest.MonkeyPatch, variable: str, line: str
) -> None:
    monkeypatch.setenv(variable_of("demand"), variable)
    assert last_training(SimpleNamespace(), build).line == line  # type: ignore[arg-type]
