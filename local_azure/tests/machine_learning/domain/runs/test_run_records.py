"""What the executor does to runs, without a server around it."""

from __future__ import annotations

import datetime as dt
import re
from typing import Any

import pytest

from local_azure.machine_learning.domain.runs import metrics, run_documents, run_records
from local_azure.machine_learning.domain.runs.run_documents import Failure, Run, change
from local_azure.machine_learning.domain.runs.statuses import RunStatus
from local_azure.machine_learning.errors import ApiError
from local_azure.machine_learning.storage.store import Store

WS = "workspace"


def create(store: Store, run_id: str, **given: Any) -> Run:
    """A run of the experiment demo."""
    return run_records.create_named(store, WS, run_id, "demo", {"runType": "x", **given})


def test_a_pipeline_run_and_its_steps(store: Store) -> None:
    parent = create(store, "p", runType="azureml.PipelineRun", tags={"a": "1"})
    child = create(
        store,
        "c",
        runType="azureml.StepRun",
        parentRunId="p",
        name="prep",
        properties={"azureml.nodeid": "n"},
        target="cpu",
    )
    for run in (parent, child):
        assert run["runNumber"] == int(dt.datetime.fromisoformat(run["createdUtc"]).timestamp())
    assert (child["rootRunId"], child["parentRunId"]) == ("p", "p")
    assert child["experimentId"] == parent["experimentId"]
    assert (child["displayName"], child["target"], child["status"]) == ("prep", "cpu", "NotStarted")


def test_run_numbers_never_fall_when_the_clock_goes_back(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    seconds = (100, 100, 50, 60, 101, 200)
    times = iter([f"1970-01-01T00:{second // 60:02}:{second % 60:02}+00:00" for second in seconds])
    numbers = []
    for number in range(len(seconds)):
        with monkeypatch.context() as patched:
            now = next(times)
            patched.setattr(run_documents, "timestamp", lambda now=now: now)
            numbers.append(create(store, f"r{number}")["runNumber"])
    assert numbers == [100, 101, 102, 102, 102, 200]


def test_a_change_counts_and_no_change_does_not(store: Store) -> None:
    create(store, "r")
    run_records.update(store, WS, "r", lambda run: change(run, {"tags": {"a": "1"}}))
    changed = run_records.require(store, WS, "r")
    assert changed["revision"] == 2
    run_records.update(store, WS, "r", lambda run: change(run, {"tags": {"a": "1"}}))
    assert run_records.require(store, WS, "r") == changed


def test_a_run_cannot_be_made_twice_or_below_nothing(store: Store) -> None:
    create(store, "r")
    with pytest.raises(ApiError, match="'r' exists already"):
        create(store, "r")
    with pytest.raises(ApiError, match="Parent run 'nobody'"):
        create(store, "s", parentRunId="nobody")
    with pytest.raises(ApiError, match="not a run id"):
        create(store, "../r")


def test_a_final_status_is_not_left(store: Store) -> None:
    create(store, "r")
    run_records.set_status(store, WS, "r", RunStatus.RUNNING)
    run_records.set_status(store, WS, "r", RunStatus.FAILED, Failure("UserError", "exit code 1"))
    failed = run_records.require(store, WS, "r")
    error = failed["error"]["error"]
    assert (error["code"], error["message"], error["details"]) == ("UserError", "exit code 1", [])
    assert re.fullmatch(r"00:00:00(\.[0-9]{7})?", failed["duration"])
    assert failed["startTimeUtc"] <= failed["endTimeUtc"]
    run_records.set_status(store, WS, "r", RunStatus.COMPLETED)
    run_records.set_status(store, WS, "r", RunStatus.FAILED, Failure("Other", "again"))
    assert run_records.require(store, WS, "r") == failed


def test_a_run_canceled_before_it_started_has_no_start(store: Store) -> None:
    create(store, "r", status="Queued")
    run_records.set_status(store, WS, "r", RunStatus.CANCELED)
    run = run_records.require(store, WS, "r")
    assert (run["startTimeUtc"], run["endTimeUtc"] is None) == (None, False)
    with pytest.raises(ApiError, match="Known ones: NotStarted"):
        run_records.update(store, WS, "r", lambda run: change(run, {"status": "Done"}))


def test_metrics_of_a_reused_run_are_copied(store: Store) -> None:
    with store.transaction() as connection:
        for name in ("b", "a"):
            connection.execute("INSERT INTO metric VALUES (?, 'source', ?, '{}', '{}')", (WS, name))
            connection.execute(
                "INSERT INTO metric_value (workspace, run_id, name, created, doc) VALUES (?, 'source', ?, 't', '{}')",
                (WS, name),
            )
    metrics.copy(store, WS, "source", "target")
    rows = store.rows("SELECT name FROM metric WHERE run_id='target' ORDER BY rowid")
    assert [row["name"] for row in rows] == ["b", "a"]
    rows = store.rows("SELECT name FROM metric_value WHERE run_id='target' ORDER BY seq")
    assert [row["name"] for row in rows] == ["b", "a"]
