"""Which runs are found, and in what order and pages, through the real client."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

import pytest
import requests
from history_fixtures import *  # type: ignore[import-not-found]  # noqa: F403 - the fixtures
from history_fixtures import ids

from local_azure.machine_learning.clock import new_id, timestamp
from local_azure.machine_learning.storage.state import StateFolder
from local_azure.machine_learning.storage.store import Store

Unique = Callable[[str], str]


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
