"""Writes until it is told to stop, through a server that is killed meanwhile: `client_of_writes.py STATE STOP TOLD`.

TOLD gets one line of JSON for everything that the server has acknowledged.
"""

import json
import sys
import time
from pathlib import Path
from typing import Any, TextIO

import requests

from local_azure.machine_learning.storage.state import StateFolder
from tests.faults.fault_server import scope

state, stop, told = StateFolder(Path(sys.argv[1])), Path(sys.argv[2]), Path(sys.argv[3])
prefix = told.stem
session = requests.Session()
session.trust_env = False


def sign_in() -> str:
    """Address of the server of this moment, after signing in there."""
    while True:
        info = state.running_server()
        if info is not None:
            try:
                session.headers.pop("Authorization", None)
                token = session.post(f"{info.base_url}/msi/{info.token}/token", timeout=10).json()["access_token"]
                session.headers["Authorization"] = f"Bearer {token}"
                return info.base_url
            except (requests.RequestException, KeyError, ValueError):
                pass
        time.sleep(0.01)


def send(base: str, method: str, path: str, body: object) -> Any:
    """An acknowledged answer."""
    answer = session.request(method, base + path, json=body, timeout=10)
    if answer.status_code != 200:
        raise requests.RequestException(answer.text)
    return answer.json()


def write(base: str, number: int, out: TextIO) -> None:
    """A run, its metric and tag, a blob's worth of artifact, a model; each noted when acknowledged."""
    run_id = f"{prefix}-{number}"
    path = f"/history/v1.0{scope()}/experiments/writes/runs/{run_id}"
    send(base, "PATCH", path, {"runId": run_id, "tags": {"n": str(number)}})
    note(out, run=run_id, tags={"n": str(number)})
    value = {"metricId": run_id, "createdUtc": "2026-01-01T00:00:00Z", "data": {"m": number}}
    metric = {"name": "m", "columns": {"m": "int"}, "properties": {"uxMetricType": "azureml.v1.scalar"}}
    send(base, "POST", f"/metric/v2.0{scope()}/runs/{run_id}/batch", {"values": [{**metric, "value": [value]}]})
    note(out, metric=run_id)
    artifact = f"/artifact/v2.0{scope()}/artifacts/content/ExperimentRun/dcid.{run_id}/outputs/file.txt"
    content = f"{run_id}\n" * 1000
    if session.post(base + artifact, data=content.encode(), timeout=10).status_code == 200:
        note(out, artifact=f"ExperimentRun/dcid.{run_id}/outputs/file.txt", size=len(content))
    asset = send(base, "POST", f"/modelmanagement/v1.0{scope()}/assets", {"artifacts": [{"prefix": "x/y"}]})
    model = {"name": "written", "url": f"aml://asset/{asset['id']}", "properties": {"by": run_id}}
    registered = send(base, "POST", f"/modelmanagement/v1.0{scope()}/models", model)
    note(out, model=registered["id"], by=run_id)


def note(out: TextIO, **fact: object) -> None:
    """Keep what was acknowledged, whatever happens to this process."""
    out.write(json.dumps(fact) + "\n")
    out.flush()


base, number = sign_in(), 0
with told.open("a") as out:
    while not stop.exists():
        try:
            number += 1
            write(base, number, out)
        except requests.RequestException:
            base = sign_in()
