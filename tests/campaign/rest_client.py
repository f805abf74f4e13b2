"""Writes by plain requests until it is told to stop, through a server that is killed meanwhile.

`rest_client.py STATE STOP JOURNAL`. Every kind of object that a run leaves is written, changed and noted when the
server has acknowledged it.
"""

import hashlib
import json
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import requests

from tests.campaign.journal import Journal
from tests.faults.fault_server import Machine, scope

PAUSE_SECONDS = 0.02
EXPERIMENT = "campaign"


class LostError(Exception):
    """The server did not acknowledge a request."""


class Client:
    """Requests to the server of the moment."""

    def __init__(self, state: Path) -> None:
        self._machine = Machine(state)

    def connect(self) -> None:
        """Sign in at the running server; returns when there is one."""
        while True:
            info = self._machine.state.running_server()
            if info is not None:
                self._machine.info = info
                try:
                    self._machine.sign_in()
                    return
                except (requests.RequestException, AssertionError, KeyError, ValueError):
                    pass
            time.sleep(0.05)

    def send(self, method: str, path: str, body: object = None, **more: Any) -> requests.Response:
        """An acknowledged answer; raises LostError."""
        try:
            answer = self._machine.send(method, path, body, **more)
        except requests.RequestException as error:
            raise LostError(str(error)) from error
        if answer.status_code not in (200, 201):
            raise LostError(f"{answer.status_code} {answer.text}")
        return answer

    def post(self, path: str, body: object = None, method: str = "POST") -> Any:
        """The document of an acknowledged answer; raises LostError."""
        return json.loads(self.send(method, path, body).content or b"null")

    def blob(self, name: str, content: bytes) -> None:
        """Write a blob by a signed address; raises LostError."""
        try:
            answer = self._machine.blob("PUT", name, data=content)
        except (requests.RequestException, AssertionError) as error:
            raise LostError(str(error)) from error
        if answer.status_code != 201:
            raise LostError(answer.text)


def writes(client: Client, journal: Journal, name: str) -> Iterator[Callable[[], None]]:
    """One after another what belongs to one run."""
    path = f"/history/v1.0{scope()}/experiments/{EXPERIMENT}/runs/{name}"

    def run() -> None:
        client.post(path, {"runId": name, "tags": {"created": name}}, "PATCH")
        journal.note("run", run=name, tags={"created": name})

    def tag() -> None:
        client.post(path, {"runId": name, "tags": {"later": name}}, "PATCH")
        journal.note("tag", run=name, tags={"later": name})

    def prop() -> None:
        client.post(path, {"runId": name, "properties": {"sha": name}}, "PATCH")
        journal.note("property", run=name, properties={"sha": name})

    def metric() -> None:
        value = {"metricId": name, "createdUtc": "2026-01-01T00:00:00Z", "data": {"m": len(name)}}
        document = {"name": "m", "columns": {"m": "int"}, "properties": {"uxMetricType": "azureml.v1.scalar"}}
        client.post(f"/metric/v2.0{scope()}/runs/{name}/batch", {"values": [{**document, "value": [value]}]})
        journal.note("metric", run=name, metric="m", value=len(name))

    def artifact() -> None:
        content = f"{name}\n".encode() * 1000
        where = f"ExperimentRun/dcid.{name}/outputs/file.txt"
        client.send("POST", f"/artifact/v2.0{scope()}/artifacts/content/{where}", data=content)
        journal.note("artifact", artifact=where, sha256=hashlib.sha256(content).hexdigest())

    def blob() -> None:
        content = f"{name}\n".encode() * 500
        client.blob(f"campaign/{name}", content)
        journal.note("blob", blob=f"campaign/{name}", sha256=hashlib.sha256(content).hexdigest())

    def model() -> None:
        asset = client.post(f"/modelmanagement/v1.0{scope()}/assets", {"artifacts": [{"prefix": "x/y"}]})
        body = {"name": "written", "url": f"aml://asset/{asset['id']}", "properties": {"by": name}}
        registered = client.post(f"/modelmanagement/v1.0{scope()}/models", body)
        journal.note("model", model=registered["id"], by=name)

    def dataset() -> None:
        place = {"datastoreName": "workspaceblobstore", "relativePath": f"campaign/{name}"}
        saved = client.post(f"/dataset/v1.0{scope()}/saveddatasets/from-data-path", place)
        body = {"name": "written", "datasetType": "file", "latest": {"dataflow": saved["dataflowJson"]}}
        found = client.post(f"/dataset/v1.0{scope()}/datasets?updateDefinitionIfExists=true", body)["latest"]
        journal.note("dataset", dataset="written", version=found["versionId"], saved=found["savedDatasetId"])

    yield from (run, metric, tag, prop, artifact, blob, model, dataset)


def main(state: str, stop: str, journal_path: str) -> None:
    """Write until the file STOP is there. A write that was not acknowledged is not written again."""
    client, path = Client(Path(state)), Path(journal_path)
    journal, number = Journal(path), 0
    client.connect()
    while not Path(stop).exists():
        number += 1
        for write in writes(client, journal, f"{path.stem}-{number}"):
            try:
                write()
            except LostError:
                client.connect()
                break
            time.sleep(PAUSE_SECONDS)


if __name__ == "__main__":
    main(*sys.argv[1:])
