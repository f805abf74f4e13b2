"""A server of a test's own, the requests that the SDK would send to it, and ways to do it harm."""

from __future__ import annotations

import json
import os
import select
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

import requests

from local_azure.cli import lifecycle
from local_azure.machine_learning.domain.workspace.coordinates import RESOURCE_GROUP, SUBSCRIPTION, WORKSPACE_NAME
from local_azure.machine_learning.storage.state import ServerInfo, StateFolder

WAIT_SECONDS = 60.0
PIPELINE_WORDS = {"0": "not started", "1": "running", "2": "failed", "3": "finished", "4": "canceled"}
Document = dict[str, Any]


def scope(workspace: str = WORKSPACE_NAME) -> str:
    """The `W` of a route."""
    return (
        f"/subscriptions/{SUBSCRIPTION}/resourceGroups/{RESOURCE_GROUP}"
        f"/providers/Microsoft.MachineLearningServices/workspaces/{workspace}"
    )


def await_true(condition: Callable[[], object], what: str, seconds: float = WAIT_SECONDS) -> Any:
    """The first true value of a condition; fails naming what never came."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found = condition()
        if found:
            return found
        time.sleep(0.02)
    raise AssertionError(f"{what} did not come within {seconds} s")


def gone(pid: int, seconds: float = 10) -> bool:
    """Whether a process ends within some time."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    with os.fdopen(descriptor):
        return bool(select.select([descriptor], [], [], seconds)[0])


def children(pid: int) -> list[int]:
    """Processes that a process has started and that still run."""
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()]


def command_line(pid: int) -> str:
    """What everybody on the machine can see of how a process was started."""
    return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()


def memory(pid: int, field: str) -> int:
    """Bytes of resident memory: `VmRSS` now, `VmHWM` at its highest. Source: man proc, file status."""
    lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith(f"{field}:"))


class Machine:
    """A state folder, the server on it, and a client that signs in anew after each start."""

    def __init__(self, folder: Path) -> None:
        self.state = StateFolder(folder)
        self.info = ServerInfo(0, 0, 0, "")
        self._session = requests.Session()
        self._session.trust_env = False

    def start(self) -> Machine:
        """Start the server and sign in."""
        self.info = lifecycle.start(self.state)
        return self.sign_in()

    def sign_in(self) -> Machine:
        """Get a token of the running server."""
        self._session.headers.pop("Authorization", None)
        token = self.post(f"/msi/{self.info.token}/token")["access_token"]
        self._session.headers["Authorization"] = f"Bearer {token}"
        return self

    def stop(self) -> None:
        """Stop the server as `down` does."""
        lifecycle.stop(self.state)

    def kill(self) -> None:
        """kill -9 of the server alone."""
        os.kill(self.info.pid, signal.SIGKILL)
        assert gone(self.info.pid)

    def send(self, method: str, path: str, body: object = None, **more: Any) -> requests.Response:
        """A request with the person's token, whatever the answer."""
        return self._session.request(method, self.info.base_url + path, json=body, timeout=60, **more)

    def post(self, path: str, body: object = None, method: str = "POST") -> Any:
        """The document of a successful answer."""
        answer = self.send(method, path, body)
        assert answer.status_code == 200, (method, path, answer.status_code, answer.text)
        return json.loads(answer.content or b"null")

    def get(self, path: str) -> Any:
        """The document of a successful GET."""
        return self.post(path, method="GET")

    # --- run history, models, blobs

    def create_run(self, run_id: str, experiment: str = "faults", **more: Any) -> Document:
        """Create or change a run."""
        self.post(f"/history/v1.0{scope()}/experiments/{experiment}")
        path = f"/history/v1.0{scope()}/experiments/{experiment}/runs/{run_id}"
        return dict(self.post(path, {"runId": run_id, **more}, "PATCH"))

    def run(self, run_id: str) -> Document:
        """One run of the history."""
        return dict(self.get(f"/history/v1.0{scope()}/runs/{run_id}"))

    def signature(self, datastore: str = "workspaceblobstore") -> tuple[str, str]:
        """Container of a datastore and the query that signs requests for it."""
        section = self.get(f"/datastore/v1.0{scope()}/datastores/{datastore}")["azureStorageSection"]
        return section["containerName"], section["sasToken"]

    def blob(self, method: str, name: str, query: str = "", **more: Any) -> requests.Response:
        """A signed request for a blob of the default datastore."""
        container, signature = self.signature()
        address = f"{self.info.base_url}/{container}/{quote(name)}?{signature}&{query}"
        return requests.request(method, address, timeout=60, **more)

    # --- pipelines

    def submit(self, pipeline: str, **assigned: str) -> str:
        """Submit a published pipeline by its name; returns the run's id."""
        published = self.get(f"/pipelines/v1.0{scope()}/Pipelines")
        found = next(one for one in published if one["Name"] == pipeline)
        body = {"ExperimentName": "faults", "ParameterAssignments": assigned}
        return str(self.post(f"/pipelines/v1.0{scope()}/PipelineRuns/PipelineSubmit/{found['Id']}", body)["Id"])

    def pipeline_state(self, run_id: str) -> str:
        """How a pipeline run stands, in a word."""
        run = self.get(f"/pipelines/v1.0{scope()}/PipelineRuns/{run_id}")
        return PIPELINE_WORDS[run["Status"]["StatusCode"]]

    def ended(self, run_id: str) -> str:
        """How a pipeline run ended."""
        return str(
            await_true(
                lambda: (state := self.pipeline_state(run_id)) in ("failed", "finished", "canceled") and state,
                f"the end of {run_id}",
            )
        )

    def steps(self, run_id: str) -> list[Document]:
        """The runs of a pipeline run's steps, oldest first."""
        found = self.get(f"/history/v1.0{scope()}/runs/{run_id}/children")["value"]
        return sorted(found, key=lambda run: str(run["createdUtc"]))

    def step_error(self, run_id: str, number: int = 0) -> str:
        """Why a step failed, as people see it."""
        return str(self.steps(run_id)[number]["error"]["error"]["message"])

    def step_log(self, run_id: str, number: int = 0) -> str:
        """What a step printed, as the SDK would fetch it."""
        step = self.steps(run_id)[number]["runId"]
        files = self.get(f"/history/v1.0{scope()}/runs/{step}/details")["logFiles"]
        return requests.get(files["azureml-logs/70_driver_log.txt"], timeout=30).text


def number_in(path: Path) -> int:
    """The process id that a step wrote, as soon as it is there."""

    def read() -> str:
        with suppress(FileNotFoundError):
            return path.read_text(encoding="utf-8").strip()
        return ""

    return int(await_true(read, str(path)))
