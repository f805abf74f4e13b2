"""Experiments and runs, through the real client."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from local_azure.machine_learning.clock import new_id, timestamp
from local_azure.machine_learning.state import ServerInfo, StateFolder
from local_azure.machine_learning.store import Store

Unique = Callable[[str], str]


@pytest.fixture
def experiment(ws: Any, unique: Unique) -> Any:
    """A fresh experiment."""
    from azureml.core import Experiment

    return Experiment(ws, unique("experiment"))


@pytest.fixture
def run(experiment: Any) -> Iterator[Any]:
    """A running interactive run."""
    started = experiment.start_logging(snapshot_directory=None)
    yield started
    started.complete()


@pytest.fixture
def call(ws: Any, server: ServerInfo) -> Callable[..., requests.Response]:
    """A request to the run history of the workspace, as the person: `call("GET", "/runs/x")`."""

    def send(method: str, path: str, **more: Any) -> requests.Response:
        address = f"{server.base_url}/history/v1.0{ws.service_context._get_workspace_scope()}{path}"
        header = ws._auth_object.get_authentication_header()
        return requests.request(method, address, headers=header, timeout=30, **more)

    return send


def names(experiments: list[Any]) -> set[str]:
    return {experiment.name for experiment in experiments}


def ids(runs: Any) -> list[str]:
    return [run.id for run in runs]


def test_an_experiment_is_made_once(ws: Any, unique: Unique) -> None:
    from azureml.core import Experiment

    name = unique("twice")
    first, second = Experiment(ws, name), Experiment(ws, name)
    assert first.id == second.id
    assert name in names(Experiment.list(ws))
    assert names(Experiment.list(ws, experiment_name=name)) == {name}


def test_experiment_tags(ws: Any, experiment: Any) -> None:
    from azureml.core import Experiment

    experiment.set_tags({"a": "1", "b": "2"})
    experiment.tag("a", "3")
    experiment.remove_tags(["b"])
    experiment.refresh()
    assert experiment.tags == {"a": "3"}
    assert experiment.name in names(Experiment.list(ws, tags={"a": "3"}))
    assert experiment.name not in names(Experiment.list(ws, tags={"a": "1"}))


def test_an_archived_experiment_is_hidden_and_frees_its_name(ws: Any, experiment: Any) -> None:
    from azureml.core import Experiment
    from azureml.core.experiment import ViewType

    experiment.archive()
    assert experiment.name not in names(Experiment.list(ws))
    assert experiment.name in names(Experiment.list(ws, view_type=ViewType.ArchivedOnly))
    successor = Experiment(ws, experiment.name)
    assert successor.id != experiment.id
    with pytest.raises(Exception, match="another active experiment"):
        experiment.reactivate()
    Experiment.delete(ws, successor.id)
    experiment.reactivate()
    assert Experiment(ws, experiment.name).id == experiment.id


def test_only_an_empty_experiment_is_deleted(ws: Any, experiment: Any, run: Any) -> None:
    from azureml.core import Experiment

    with pytest.raises(Exception, match="has runs and cannot be deleted"):
        Experiment.delete(ws, experiment.id)


def test_a_run_starts_and_completes(experiment: Any) -> None:
    run = experiment.start_logging(snapshot_directory=None)
    assert run.get_status() == "Running"
    assert run.number == 1
    run.complete()
    details = run.get_details()
    assert run.get_status() == details["status"] == "Completed"
    assert details["startTimeUtc"] <= details["endTimeUtc"]
    second = experiment.start_logging(snapshot_directory=None)
    second.cancel()
    assert second.number == 2
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


def test_children_come_newest_first(run: Any) -> None:
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


def test_get_runs_filters(experiment: Any) -> None:
    runs = [experiment.start_logging(snapshot_directory=None) for _ in range(3)]
    oldest, middle, newest = runs
    oldest.set_tags({"team": "blue", "note": 'say "hi" (now) and go'})
    middle.add_properties({"kind": "x"})
    child = newest.child_run()
    assert ids(experiment.get_runs()) == [newest.id, middle.id, oldest.id]
    assert set(ids(experiment.get_runs(include_children=True))) == {*ids(runs), child.id}
    assert ids(experiment.get_runs(tags="team")) == [oldest.id]
    assert ids(experiment.get_runs(tags={"team": "blue"})) == [oldest.id]
    assert ids(experiment.get_runs(tags={"note": 'say "hi" (now) and go'})) == [oldest.id]
    assert ids(experiment.get_runs(tags={"team": "red"})) == []
    assert ids(experiment.get_runs(properties={"kind": "x"})) == [middle.id]
    assert ids(experiment.get_runs(properties="kind")) == [middle.id]
    assert ids(experiment.get_runs(type="azureml.PipelineRun")) == []
    for one in (child, *runs):
        one.complete()


def test_runs_by_status_type_and_time(experiment: Any) -> None:
    from azureml._restclient.experiment_client import ExperimentClient

    client = ExperimentClient(experiment.workspace.service_context, experiment.name, experiment.id)
    done = experiment.start_logging(snapshot_directory=None)
    done.complete()
    open_run = experiment.start_logging(snapshot_directory=None)
    created = client.get_run(open_run.id).created_utc

    def listed(**filters: Any) -> list[str]:
        return [dto.run_id for dto in client.get_runs(**filters)]

    assert listed(status="Completed") == [done.id]
    assert listed(created_after=created) == [open_run.id]
    assert listed(target_name="local") == [open_run.id, done.id]
    assert listed(trait="unspecified", orchestrator="External") == [open_run.id, done.id]
    assert listed(trait="automl") == []
    assert listed(order_by=("RunNumber", "asc")) == [done.id, open_run.id]
    assert listed(page_size=1) == [open_run.id, done.id]
    assert listed(last=1) == [open_run.id, done.id]
    assert [dto.run_id for dto in client.get_runs_by_run_ids([done.id])] == [done.id]
    open_run.complete()


@pytest.mark.parametrize(
    ("query", "named"),
    [
        ({"filter": "contains(Name, 'x')"}, "contains"),
        ({"filter": "Name like x"}, "operator 'like'"),
        ({"filter": "Colour eq red"}, "field 'Colour'"),
        ({"filter": "(Name eq x"}, "the end"),
        ({"filter": "Name eq x Name eq y"}, "Name eq y"),
        ({"filter": "RunNumber gt many"}, "'many'"),
        ({"filter": "CreatedUtc gt yesterday"}, "'yesterday'"),
        ({"filter": "StartTimeUtc gt null"}, "null"),
        ({"orderby": "Colour desc"}, "field 'Colour'"),
        ({"orderby": "Name sideways"}, "sideways"),
        ({"top": 0}, "page size"),
        ({"continuationToken": "%%%"}, "continuation token"),
    ],
)
def test_a_query_that_is_not_understood_is_refused(
    call: Callable[..., requests.Response], experiment: Any, query: dict[str, Any], named: str
) -> None:
    answer = call("POST", f"/experiments/{experiment.name}/runs:query", json=query)
    assert answer.status_code == 400
    assert named in answer.json()["error"]["message"]


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


def insert_runs(state: StateFolder, ws: Any, experiment: Any, count: int) -> None:
    """Runs as the server would have stored them; through the client a thousand would take a minute."""
    store = Store(state.database)
    start = dt.datetime.now(dt.UTC)
    with store.transaction():
        for number in range(1, count + 1):
            run_id = new_id()
            document = {
                "runId": run_id,
                "runNumber": number,
                "rootRunId": run_id,
                "parentRunId": None,
                "experimentId": experiment.id,
                "createdUtc": timestamp(start + dt.timedelta(seconds=number)),
                # Started in threes at one moment, and not in the order of their creation.
                "startTimeUtc": timestamp(start + dt.timedelta(hours=1, seconds=number * 7919 % count // 3)),
                "status": "Completed",
                "runType": "azureml.scriptrun",
                "hidden": False,
                "dataContainerId": f"dcid.{run_id}",
                "tags": {"parity": str(number % 2)},
                "properties": {},
            }
            store.insert(ws._workspace_id_internal, "run", run_id, document, name=experiment.id)
    store.close()


def test_a_thousand_runs_come_page_by_page(state: StateFolder, ws: Any, experiment: Any) -> None:
    from azureml._restclient.experiment_client import ExperimentClient

    insert_runs(state, ws, experiment, 1000)
    client = ExperimentClient(ws.service_context, experiment.name, experiment.id)
    every = list(client.get_runs(page_size=300))
    assert len({run.run_id for run in every}) == 1000
    started = [run.start_time_utc for run in every]
    assert started == sorted(started, reverse=True)
    ascending = list(client.get_runs(page_size=300, order_by=("RunNumber", "asc")))
    assert [run.run_number for run in ascending] == list(range(1, 1001))
    odd = list(client.get_runs(page_size=300, tags={"parity": "1"}))
    assert len(odd) == 500


def test_runs_of_a_compute_target(ws: Any, experiment: Any, unique: Unique) -> None:
    from azureml._restclient.workspace_client import WorkspaceClient

    run = experiment.start_logging(snapshot_directory=None)
    client = WorkspaceClient(ws.service_context)
    assert run.id in [found.run_id for found in client.get_runs_by_compute("local")]
    assert list(client.get_runs_by_compute(unique("none"))) == []
    run.complete()


def test_events_move_a_run_forward_only(call: Callable[..., requests.Response], experiment: Any) -> None:
    path = f"/experiments/{experiment.name}/runs/{new_id()}"
    call("PATCH", path, json={"name": "external"})

    def after(kind: str, **data: Any) -> dict[str, Any]:
        answer = call("POST", f"{path}/events", json={"name": f"Microsoft.MachineLearning.Run.{kind}", "data": data})
        assert answer.status_code == 200, answer.text
        return dict(call("GET", path).json())

    assert after("Queued")["status"] == "Queued"
    started = after("Start", StartTime="2026-01-31T10:00:00Z")
    assert started["startTimeUtc"] == "2026-01-31T10:00:00.000000+00:00"
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
