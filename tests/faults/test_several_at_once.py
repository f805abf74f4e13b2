"""Four processes that register, publish and tag at the same moment; the same twice; uploads that are not complete."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import uuid
from pathlib import Path
from typing import Any

import pytest

from tests.faults.fault_server import Machine, scope

ROOT = Path(__file__).resolve().parents[2]
PROCESSES = 4


def race(machine: Machine, what: str, count: int) -> list[Any]:
    """What the processes were told, one after another."""
    token = str(machine._session.headers["Authorization"]).split()[1]
    command = [sys.executable, "-m", "tests.faults.client_of_races", machine.info.base_url, token, what, str(count)]
    runners = [
        subprocess.Popen([*command, str(number)], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for number in range(PROCESSES)
    ]
    for runner in runners:
        assert runner.stdin
        runner.stdin.write("go\n")
        runner.stdin.flush()
    return [told for runner in runners for told in json.loads(runner.communicate(timeout=120)[0])]


def test_versions_of_a_model_are_distinct_and_without_gaps(shared: Machine) -> None:
    versions = race(shared, "model", 25)
    assert sorted(versions) == list(range(1, PROCESSES * 25 + 1))


def test_versions_of_a_dataset_are_distinct_and_without_gaps(shared: Machine) -> None:
    versions = race(shared, "dataset", 10)
    assert all(isinstance(one, str | int) for one in versions), versions
    assert sorted(map(int, versions)) == list(range(1, PROCESSES * 10 + 1))


def test_a_name_is_given_once(shared: Machine) -> None:
    told = race(shared, "datastore", 10)
    for number in range(10):
        assert sorted(told[number::10]) == [200, 400, 400, 400]


def test_no_tag_is_lost(shared: Machine) -> None:
    shared.create_run("raced")
    assert set(race(shared, "tag", 25)) == {200}
    assert len(shared.run("raced")["tags"]) == PROCESSES * 25


# --- the same once more, and half of it


def _snapshot(machine: Machine, name: str, content: bytes, size: int | None = None) -> tuple[str, dict[str, Any]]:
    base = f"/content/v2.0{scope()}/snapshots"
    node = machine.post(f"{base}/getblob", {"FileNames": [name]})["fileNodes"][0]
    container, signature = machine.signature("workspaceartifactstore")
    path = node["blobUri"].partition("/azureml-")[2].partition("?")[0]
    address = f"{machine.info.base_url}/azureml-{path}?{signature}"
    assert machine._session.put(address, data=content, headers={"Authorization": ""}).status_code == 201, container
    file_node = {"FullName": name, "BlobUri": node["blobUri"], "FileSize": len(content) if size is None else size}
    tree = {"name": "", "type": "Directory", "children": {name: {"name": name, "type": "File"}}}
    return base, {"FileRevisionList": {"FileNodes": [file_node]}, "DirTreeNode": tree}


def test_the_same_snapshot_twice_is_one_and_another_under_its_id_is_refused(shared: Machine) -> None:
    base, body = _snapshot(shared, "a.py", b"print(1)")
    identifier = str(uuid.uuid4())
    for _ in range(2):
        assert shared.post(f"{base}/{identifier}", body) == {"snapshotId": identifier}
    _, other = _snapshot(shared, "a.py", b"print(2)")
    answer = shared.send("POST", f"{base}/{identifier}", other)
    assert (answer.status_code, answer.json()["code"]) == (409, "Conflict")


def test_a_snapshot_is_not_to_be_seen_before_all_of_it_is_there(shared: Machine) -> None:
    base, body = _snapshot(shared, "half.py", b"print(", size=1000)
    identifier = str(uuid.uuid4())
    answer = shared.send("POST", f"{base}/{identifier}", body)
    assert answer.status_code == 400
    assert "half.py" in answer.text
    assert shared.send("POST", f"{base}/{identifier}/zip").status_code == 404


def test_the_same_run_twice_is_one_and_a_changed_property_is_refused(shared: Machine) -> None:
    for _ in range(2):
        shared.create_run("twice", properties={"model_sha256": "a"})
    path = f"/history/v1.0{scope()}/experiments/faults/runs/twice"
    answer = shared.send("PATCH", path, {"runId": "twice", "properties": {"model_sha256": "b"}})
    assert answer.status_code == 400
    assert "model_sha256" in answer.text
    assert shared.run("twice")["properties"] == {"model_sha256": "a"}


@pytest.mark.parametrize("query", ["", "&comp=block&blockid=AAAA"])
def test_an_upload_that_is_cut_off_is_not_to_be_seen(shared: Machine, query: str) -> None:
    name = f"cut/{uuid.uuid4().hex}"
    container, signature = shared.signature()
    head = (
        f"PUT /{container}/{name}?{signature}{query} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", shared.info.http_port)) as connection:
        connection.sendall(head.encode() + b"x" * 500_000)
    assert shared.blob("HEAD", name).status_code == 404
    assert shared.blob("PUT", name, data=b"whole").status_code == 201
    assert shared.blob("GET", name).content == b"whole"
