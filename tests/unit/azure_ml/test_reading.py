"""What the SDK's objects say, as plain data."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from azure_ml import datasets
from azure_ml.datasets import DatasetVersion, find_by_hash
from azure_ml.pipelines.runs import ENDED, Run, newest_first, one_word
from azure_ml.workspace import Workspace, creator_of

HERE = Workspace(None, "ws", "rg", {"b": "2", "a": "1"})


def test_a_workspace_shows_its_tags_and_none_in_a_step() -> None:
    assert HERE.banner == "ws in rg [a=1, b=2]"
    assert Workspace(None, "ws", "rg").banner == "ws in rg"


@pytest.mark.parametrize(
    ("document", "name"),
    [
        ({"user_name": "Ada", "user_object_id": "1"}, "Ada"),
        ({"userName": "", "userObjectId": "1"}, "1"),
        ({}, "unknown"),
        (None, "unknown"),
    ],
)
def test_who_created_is_named_as_far_as_the_service_says(document: Any, name: str) -> None:
    assert creator_of(document) == name


def test_both_services_have_one_word_for_an_ended_run() -> None:
    assert [one_word(status) for status in ("Completed", "Finished", "Failed", "Queued")] == [
        *("Finished", "Finished", "Failed", "Queued"),
    ]
    assert {"Finished", "Failed", "Canceled"} == ENDED


def version(number: int) -> DatasetVersion:
    return DatasetVersion(None, "data", number, {"sha256": f"hash-{number}"})


def test_the_bytes_of_a_table_are_looked_for_in_every_version(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(datasets, "find_dataset", lambda _workspace, _name, number: version(number))

    known = find_by_hash(HERE, version(5), "hash-1")

    assert known == version(1)
    assert find_by_hash(HERE, version(5), "hash-6") is None
    assert find_by_hash(HERE, None, "hash-1") is None


def dated(number: int, created: str) -> Any:
    return SimpleNamespace(id=f"r{number}", _run_dto={"run_number": number, "created_utc": created})


def test_runs_are_ordered_by_their_numbers_though_the_clock_went_back() -> None:
    runs = [Run(dated(1, "2026-01-02")), Run(dated(2, "2026-01-03")), Run(dated(3, "2025-01-01"))]
    assert [run.id for run in newest_first(runs)] == ["r3", "r2", "r1"]


def test_steps_are_ordered_by_their_numbers_though_the_clock_went_back() -> None:
    def step(number: int, created: str) -> SimpleNamespace:
        about: dict[str, Any] = {"start_time_utc": None, "end_time_utc": None, "properties": {}, "status": "Queued"}
        return SimpleNamespace(name=f"s{number}", run_id="", run_number=number, created_utc=created, **about)

    documents = [step(2, "2025-01-01"), step(1, "2026-01-02")]
    client = SimpleNamespace(get_descendants=lambda **_: documents)
    steps = Run(SimpleNamespace(id="r", _client=client)).read_steps()
    assert [found.name for found in steps] == ["s1", "s2"]
