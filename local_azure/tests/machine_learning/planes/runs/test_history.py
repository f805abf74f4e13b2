"""Runs, through the real client."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import requests
from history_fixtures import *  # type: ignore[import-not-found]  # noqa: F403 - the fixtures
from history_fixtures import ids

from local_azure.machine_learning.clock import new_id, timestamp
from local_azure.machine_learning.storage.state import StateFolder

Unique = Callable[[str], str]


def test_a_run_starts_and_completes(experiment: Any) -> None:
    run = experiment.start_logging(snapshot_directory=None)
    assert run.get_status() == "Running"
    assert abs(run.number - time.time()) < 60  # the second of its creation, as in the service
    run.complete()
    details = run.get_details()
    assert run.get_status() == details["status"] == "Completed"
    assert details["startTimeUtc"] <= details["endTimeUtc"]
    second = experiment.start_logging(snapshot_directory=None)
    second.cancel()
    assert second.number >= run.number
    assert second.get_status() == "Canceled"


def test_a_failed_run_says_why(run: Any) -> None:
    run.fail(error_details="The table has no column 'value'.", error_code="ContractError")
    details = run.get_details()
    assert details["status"] == "Failed"
    assert details["error"]["error"]["code"] == "ContractError"
    assert "no column 'value'" in details["error"]["error"]["message"]


def test_what_is_final_stays(run: Any) -> None:
    run.complete()
    before = run.get_details()
    run.fail("too late")
    run.cancel()
    assert run.get_details() == before


def test_tags_change_and_go(run: Any) -> None:
    run.tag("a", "1")
    run.set_tags({"a": "2", "b": "3", "c": None})
    run.remove_tags(["b", "unknown"])
    assert run.get_tags() == {"a": "2", "c": None}


def test_properties_are_written_once(run: Any) -> None:
    run.add_properties({"data_sha256": "aa"})
    run.add_properties({"data_sha256": "aa", "more": "x"})
    with pytest.raises(Exception, match=r"Property 'data_sha256' .* is 'aa' and cannot become 'bb'"):
        run.add_properties({"data_sha256": "bb", "lost": "y"})
    held = run.get_properties()
    assert (held["data_sha256"], held["more"], "lost" in held) == ("aa", "x", False)


def test_names_can_be_given_later(run: Any) -> None:
    run.display_name = "challenger"
    run.description = "about it"
    assert run.get_details()
    again = type(run).get(run.experiment.workspace, run.id)
    assert (again.display_name, again.description) == ("challenger", "about it")


def test_run_get_finds_it_in_the_workspace(ws: Any, run: Any) -> None:
    from azureml.core import Run

    found = Run.get(ws, run.id)
    assert (found.id, found.experiment.name) == (run.id, run.experiment.name)
    with pytest.raises(Exception, match="no-such-run"):
        Run.get(ws, "no-such-run")


def test_a_run_belongs_to_its_experiment(ws: Any, run: Any, unique: Unique) -> None:
    from azureml.core import Experiment, Run

    other = Experiment(ws, unique("other"))
    with pytest.raises(Exception, match=f"does not belong to experiment '{other.id}'"):
        Run(other, run.id)


def test_children_come_newest_first_as_the_client_asks(run: Any) -> None:
    first = run.child_run(name="first")
    second = run.child_run(name="second")
    assert ids(run.get_children()) == [second.id, first.id]
    assert first.parent.id == run.id
    assert first.get_status() == "Running"
    grandchild = first.child_run(name="grandchild")
    assert set(ids(run.get_children(recursive=True))) == {first.id, second.id, grandchild.id}
    assert set(ids(run.get_children(tags="none"))) == set()
    for one in (grandchild, second, first):
        one.complete()


def test_children_are_created_in_one_call(run: Any) -> None:
    children = list(run.create_children(tag_key="fold", tag_values=["1", "2", "3"]))
    assert {child.tags["fold"] for child in children} == {"1", "2", "3"}
    assert {child.get_status() for child in run.get_children()} == {"Running"}


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"colour": "red"}, "'colour'"),
        ({"tags": {"a": 1}}, "'a'"),
        ({"status": "Sleeping"}, "'Sleeping'"),
        ({"parentRunId": "another"}, "'parentRunId'"),
    ],
)
def test_a_change_that_is_not_understood_is_refused(
    call: Callable[..., requests.Response], run: Any, change: dict[str, Any], named: str
) -> None:
    answer = call("PATCH", f"/experiments/{run.experiment.name}/runs/{run.id}", json=change)
    assert answer.status_code == 400
    assert named in answer.json()["error"]["message"]


def test_the_client_refreshes_tokens(ws: Any, run: Any) -> None:
    operations = run._client.run._client.run
    scope = (ws.subscription_id, ws.resource_group, ws.name)
    by_id = operations.get_token_by_exp_id(*scope, run.experiment.id, run.id)
    for result in (by_id, run._client.run.get_token()):
        assert result.token.count(".") == 2
        assert result.expiry_time_utc > dt.datetime.now(dt.UTC)


def test_an_experiment_name_is_checked(call: Callable[..., requests.Response]) -> None:
    assert "'a b'" in call("POST", "/experiments/a%20b").json()["error"]["message"]


def test_a_run_may_refresh_its_own_token_only(call: Callable[..., requests.Response], run: Any, ws: Any) -> None:
    path = f"/experiments/{run.experiment.name}/runs"
    other = run.child_run()
    token = call("GET", f"{path}/{run.id}/token").json()["token"]
    own = {"Authorization": f"Bearer {token}"}
    base = call("GET", f"{path}/{run.id}").url.rpartition("/")[0]
    assert requests.get(f"{base}/{run.id}/token", headers=own, timeout=5).json()["expiryTimeUtc"] > timestamp()
    assert requests.get(f"{base}/{other.id}/token", headers=own, timeout=5).status_code == 401
    assert requests.get(f"{base}/{other.id}", headers=own, timeout=5).status_code == 200
    other.complete()


def test_events_move_a_run_forward_only(call: Callable[..., requests.Response], experiment: Any) -> None:
    path = f"/experiments/{experiment.name}/runs/{new_id()}"
    call("PATCH", path, json={"name": "external"})

    def after(kind: str, **data: Any) -> dict[str, Any]:
        answer = call("POST", f"{path}/events", json={"name": f"Microsoft.MachineLearning.Run.{kind}", "data": data})
        assert answer.status_code == 200, answer.text
        return dict(call("GET", path).json())

    assert after("Queued")["status"] == "Queued"
    started = after("Start", StartTime="2026-01-31T10:00:00Z")
    assert started["startTimeUtc"] == "2026-01-31T10:00:00+00:00"
    assert after("Start", StartTime="2026-01-31T11:00:00Z") == started
    assert after("Heartbeat", TimeToLiveSeconds=60) == started
    assert after("CancelRequested")["status"] == "CancelRequested"
    assert after("Start")["status"] == "CancelRequested"
    assert after("Warning", Source="me", Message="slow")["warnings"] == [{"source": "me", "message": "slow"}]
    ended = after("Canceled")
    assert (ended["status"], ended["endTimeUtc"] is None) == ("Canceled", False)
    assert after("Completed") == ended
    unknown = call("POST", f"{path}/events", json={"name": "Microsoft.MachineLearning.Run.Dance", "data": {}})
    assert unknown.status_code == 400
    assert "Run.Dance" in unknown.text


def test_a_batch_reports_each_failure(call: Callable[..., requests.Response], run: Any) -> None:
    path = f"/experiments/{run.experiment.name}/batch"
    good, bad = new_id(), new_id()
    answer = call("PATCH", f"{path}/runs", json={"runs": [{"runId": good}, {"runId": bad, "parentRunId": "nobody"}]})
    assert list(answer.json()["runs"]) == [good]
    assert "nobody" in answer.json()["errors"][bad]["error"]["message"]
    event = {"name": "Microsoft.MachineLearning.Run.Start", "data": {"RunId": bad}}
    errors = call("POST", f"{path}/events", json={"events": [event]}).json()["errors"]
    assert errors[0]["key"] == event
    assert bad in errors[0]["value"]["error"]["message"]


def test_logs_are_addressed_in_the_details(state: StateFolder, ws: Any, run: Any) -> None:
    folder = state.blobs / f"azureml-{ws._workspace_id_internal}" / "ExperimentRun" / f"dcid.{run.id}"
    for name in ("user_logs/std_log.txt", "outputs/model.txt", "azureml-logs/70_driver_log.txt"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name, encoding="utf-8")
    logs = run.get_details()["logFiles"]
    assert sorted(logs) == ["azureml-logs/70_driver_log.txt", "user_logs/std_log.txt"]
    assert requests.get(logs["user_logs/std_log.txt"], timeout=5).text == "user_logs/std_log.txt"


def test_a_folder_is_uploaded_and_comes_back(run: Any, folder: Path) -> None:
    (folder / "up" / "below").mkdir(parents=True)
    (folder / "up" / "a.txt").write_text("a")
    (folder / "up" / "below" / "b.txt").write_text("b")
    run.upload_folder("outputs/up", str(folder / "up"))
    run.download_files(output_directory=str(folder / "all"))
    run.download_files(prefix="outputs/up/below", output_directory=str(folder / "some"), append_prefix=False)
    assert (folder / "all" / "outputs" / "up" / "a.txt").read_text() == "a"
    assert [path.name for path in (folder / "some").rglob("*.txt")] == ["b.txt"]


def test_files_and_a_snapshot_of_an_interactive_run(experiment: Any, folder: Path) -> None:
    (folder / "code").mkdir()
    (folder / "code" / "train.py").write_text("print(1)\n", encoding="utf-8")
    (folder / "model.txt").write_text("model", encoding="utf-8")
    run = experiment.start_logging(snapshot_directory="code")
    run.upload_file("outputs/model.txt", "model.txt")
    assert "outputs/model.txt" in run.get_file_names()
    run.complete()
    assert run.get_details()["properties"]["ContentSnapshotId"] == run.get_snapshot_id()
