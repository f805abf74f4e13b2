"""One broken document never keeps the server from starting, nor from running other steps; it is reported."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from local_azure.machine_learning.domain.workspace.redaction import forms
from tests.faults.conftest import copied
from tests.faults.fault_server import Machine, gone, number_in, scope

SECTION = {"credentialType": "AccountKey", "accountName": "a", "containerName": "c"}


def break_documents(machine: Machine, kind: str, changes: dict[str, Any], key: str = "") -> int:
    """Write into documents of a kind what no route takes any more, as an older version may have stored it."""
    with sqlite3.connect(machine.state.database) as connection:
        rows = connection.execute("SELECT seq, doc FROM entity WHERE kind = ? AND (? IN ('', id))", (kind, key))
        found = [(seq, json.loads(text)) for seq, text in rows.fetchall()]
        for seq, document in found:
            text = json.dumps({**document, **changes})
            connection.execute("UPDATE entity SET doc = ? WHERE seq = ?", (text, seq))
    connection.close()
    return len(found)


def insert(machine: Machine, kind: str, key: str, document: dict[str, Any], parent: str = "") -> None:
    """Write a document as an older version may have stored it."""
    with sqlite3.connect(machine.state.database) as connection:
        workspace = connection.execute("SELECT workspace FROM entity WHERE kind = 'compute'").fetchone()[0]
        connection.execute(
            "INSERT INTO entity (workspace, kind, id, name, parent, doc) VALUES (?, ?, ?, '', ?, ?)",
            (workspace, kind, key, parent, json.dumps(document)),
        )
    connection.close()


def killed_in_a_step(machine: Machine, folder: Path) -> str:
    """A pipeline run that was going on when its server was killed."""
    run_id = machine.submit("plain", first="sleep", folder=str(folder))
    number_in(folder / "step")
    machine.kill()
    return run_id


@pytest.mark.parametrize("container", ["../../x", "a/../../b", "", "dcid.other", "\n", "x" * 5000])
def test_the_container_of_a_run_is_the_servers_own(shared: Machine, container: str) -> None:
    shared.create_run("contained")
    path = f"/history/v1.0{scope()}/experiments/faults/runs/contained"
    answer = shared.send("PATCH", path, {"runId": "contained", "dataContainerId": container})
    assert answer.status_code == 400
    assert "dataContainerId" in answer.text
    assert shared.run("contained")["dataContainerId"] == "dcid.contained"
    shared.post(path, {"dataContainerId": "dcid.contained"}, "PATCH")  # what the SDK has read it may say again
    new = shared.send("PATCH", path + "-new", {"runId": "contained-new", "dataContainerId": container})
    assert new.status_code == 400
    assert shared.send("GET", f"/history/v1.0{scope()}/runs/contained-new").status_code == 404


@pytest.mark.parametrize("key", [5, ["a"], {"a": "b"}, True, "with blank", "ü" * 20, "a\nb", "x" * 5000])
def test_a_key_of_a_service_is_a_text_that_fits_a_header(shared: Machine, key: object) -> None:
    image = {"driverProgram": "score.py"}
    body = {"name": "keyed", "computeType": "ACI", "environmentImageRequest": image, "keys": {"primaryKey": key}}
    answer = shared.send("POST", f"/modelmanagement/v1.0{scope()}/services", body)
    assert answer.status_code == 400
    assert "ey" in answer.json()["message"]
    assert shared.send("GET", f"/modelmanagement/v1.0{scope()}/services/keyed").status_code == 404


@pytest.mark.parametrize("credential", [5, ["a"], {"a": "b"}])
def test_a_credential_of_a_datastore_is_a_text(shared: Machine, credential: object) -> None:
    body = {
        "name": "creds",
        "dataStoreType": "AzureBlob",
        "azureStorageSection": {**SECTION, "credential": credential},
    }
    assert shared.send("POST", f"/datastore/v1.0{scope()}/datastores", body).status_code == 400
    assert shared.send("GET", f"/datastore/v1.0{scope()}/datastores/creds").status_code == 404


BROKEN: dict[str, tuple[str, dict[str, Any]]] = {
    "container of a run": ("run", {"dataContainerId": "../../x"}),
    "container of a run that is a number": ("run", {"dataContainerId": 5}),
    "status of a run": ("run", {"status": "Unheard"}),
    "experiment of a run": ("run", {"experimentId": None}),
    "graph of a pipeline run": ("pipeline_run", {"GraphId": 7}),
    "status of a pipeline run": ("pipeline_run", {"Status": None}),
    "node": ("node", {"StatusCode": None, "RunId": None}),
    "credential": ("datastore", {"azureStorageSection": {"credential": "\ud800abcdefgh"}}),
    "section": ("datastore", {"azureStorageSection": [5], "other": None}),
    "keys": ("service", {"keys": {"primaryKey": 5, "secondaryKey": None}}),
    "keys that are half a pair": ("service", {"keys": {"primaryKey": "\udfffabcdefgh"}}),
    "no keys": ("service", {"keys": None}),
    "address of a service": ("service", {"scoringUri": "http://[::1"}),
    "image of a service": ("service", {"environmentImageRequest": 5}),
    "state of a schedule": ("schedule_state", {"next": "never", "anchor": 5}),
    "schedule": ("schedule", {"Recurrence": "x", "PipelineSubmissionInfo": None}),
    "secret": ("secret", {"value": 5}),
}


@pytest.fixture(scope="module")
def cut_off(published: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A state with one object of every kind that a start looks at, of a server that was killed in a step."""
    folder = tmp_path_factory.mktemp("cut_off")
    machine = copied(published, folder / "state").start()
    body = {"name": "broken", "dataStoreType": "AzureBlob", "azureStorageSection": {**SECTION, "credential": "k" * 9}}
    machine.post(f"/datastore/v1.0{scope()}/datastores", body)
    machine.post(f"/credential/v2.0{scope()}/secrets", {"name": "broken", "value": "abcdefgh"}, "PUT")
    pipeline = machine.get(f"/pipelines/v1.0{scope()}/Pipelines")[0]["Id"]
    body = {
        "PipelineId": pipeline,
        "ScheduleType": "Recurrence",
        "PipelineSubmissionInfo": {"ExperimentName": "broken"},
        "Recurrence": {"Frequency": "Month", "Interval": 1, "StartTime": "2100-01-01T00:00:00"},
    }
    machine.post(f"/pipelines/v1.0{scope()}/Schedules/Create", body)
    service: dict[str, Any] = {
        "name": "broken",
        "state": "Healthy",
        "keys": {"primaryKey": "abcdefgh"},
        "scoringUri": None,
    }
    service |= {"environmentImageRequest": {"modelIds": []}, "authEnabled": True, "kvTags": {}, "properties": {}}
    killed_in_a_step(machine, folder)
    assert gone(number_in(folder / "step")), "nothing writes into the state while it is copied"
    insert(machine, "service", "broken", service)
    return machine.state.root


@pytest.fixture
def broken(cut_off: Path, tmp_path: Path) -> Iterator[Machine]:
    """A server on a copy of that state, which is not started yet."""
    machine = copied(cut_off, tmp_path / "state")
    yield machine
    machine.stop()


GROUPS = (
    ("container of a run", "graph of a pipeline run", "node", "credential", "keys", "state of a schedule", "secret"),
    ("status of a run", "status of a pipeline run", "no keys", "section", "schedule"),
    ("container of a run that is a number", "keys that are half a pair", "image of a service"),
    ("experiment of a run", "address of a service"),
)


def test_every_broken_document_is_in_a_group() -> None:
    assert {kind for group in GROUPS for kind in group} == set(BROKEN)


@pytest.mark.slow
@pytest.mark.parametrize(
    "group", [*GROUPS[:2], *(pytest.param(group, marks=pytest.mark.campaign) for group in GROUPS[2:])]
)
def test_a_server_starts_over_broken_documents_and_runs_steps(
    broken: Machine, tmp_path: Path, group: tuple[str, ...]
) -> None:
    for kind in group:
        assert break_documents(broken, *BROKEN[kind]), kind
    broken.start()
    assert broken.ended(broken.submit("plain", folder=str(tmp_path))) == "finished"


def test_the_run_next_to_a_broken_one_is_ended_in_words(machine: Machine, tmp_path: Path) -> None:
    run_ids = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        run_ids.append(machine.submit("plain", first="sleep", folder=str(tmp_path / name)))
        number_in(tmp_path / name / "step")
    machine.kill()
    break_documents(machine, "run", {"dataContainerId": "../../x"}, run_ids[0])
    machine.start()
    for run_id in run_ids:
        assert machine.pipeline_state(run_id) == "failed"
        assert "server was stopped" in machine.run(run_id)["error"]["error"]["message"]
    assert run_ids[0] in machine.state.server_log.read_text(), "what was broken is reported"


@pytest.mark.parametrize("secret", ["\ud800" * 20, 5, None, ["abcdefghij"], {"a": 1}, "abcdefgh\udfff"])
def test_the_forms_of_no_secret_break_the_masking(secret: Any) -> None:
    assert all(isinstance(form, bytes) for form in forms(secret))


def test_secrets_are_masked_as_urls_and_pages_hold_them() -> None:
    expected = {b"long%2fsecret%26%22%27", b"long%2Fsecret%26%22%27", b"long/secret&amp;&quot;&#x27;"}
    assert {*expected, b"long/secret&amp;&#34;&#39;"} <= forms("long/secret&\"'")
