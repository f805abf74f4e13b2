"""One client of bench.load: the requests of a training script that logs, over one persistent connection."""

from __future__ import annotations

import json
import threading
import time
import uuid
from collections import defaultdict
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from typing import Any

from bench.measuring.processes import BenchError

WORKSPACE = (
    "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/local-rehearsal"
    "/providers/Microsoft.MachineLearningServices/workspaces/local-development"
)
VALUES = 10  # of one metric in one batch


@dataclass(frozen=True)
class Server:
    """Where a server answers, and its per-start token."""

    port: int
    token: str


@dataclass
class Acknowledged:
    """What one client measured: seconds by kind of request, the writes that were acknowledged, the refusals."""

    seconds: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    tags: dict[str, dict[str, str]] = field(default_factory=dict)
    metrics: dict[str, int] = field(default_factory=dict)
    refused: list[str] = field(default_factory=list)


class Client:
    """Sends requests of the run history and of metrics."""

    def __init__(self, server: Server) -> None:
        self._connection = HTTPConnection("127.0.0.1", server.port, timeout=60)
        self._headers = {"Content-Type": "application/json"}
        token = self.call("POST", f"/msi/{server.token}/token")["access_token"]
        self._headers["Authorization"] = f"Bearer {token}"

    def send(self, method: str, path: str, body: object = None) -> bytes:
        """Return the response body; raises BenchError for any status but 200."""
        content = None if body is None else json.dumps(body)
        self._connection.request(method, path, content, self._headers)
        answer = self._connection.getresponse()
        received = answer.read()
        if answer.status != 200:
            raise BenchError(f"{method} {path}: {answer.status} {received[:200]!r}")
        return received

    def call(self, method: str, path: str, body: object = None) -> Any:
        """Return the response's document."""
        return json.loads(self.send(method, path, body) or b"null")

    @staticmethod
    def history(experiment: str, rest: str = "") -> str:
        """Path below an experiment."""
        return f"/history/v1.0{WORKSPACE}/experiments/{experiment}/{rest}".rstrip("/")

    @staticmethod
    def metric(run_id: str, verb: str) -> str:
        """Path of a run's metrics."""
        return f"/metric/v2.0{WORKSPACE}/runs/{run_id}/{verb}"


class _Work:
    """One client's work until a deadline."""

    def __init__(self, server: Server) -> None:
        self._client = Client(server)
        self.acknowledged = Acknowledged()

    def _timed(self, verb: str, method: str, path: str, body: object = None) -> Any:
        started = time.perf_counter()
        answer = self._client.call(method, path, body)
        self.acknowledged.seconds[verb].append(time.perf_counter() - started)
        return answer

    def one_run(self) -> None:
        """Create a run, log, tag twice, read it and complete it."""
        run_id = uuid.uuid4().hex
        path = Client.history("crowd", f"runs/{run_id}")
        self._timed("create run", "PATCH", path, {"runId": run_id, "status": "Running", "tags": {"stage": "new"}})
        self.acknowledged.tags[run_id] = {"stage": "new"}
        now = "2026-01-31T10:00:00.{:06}+00:00"
        values = [
            {"metricId": uuid.uuid4().hex, "createdUtc": now.format(number), "data": {"loss": 1 / (1 + number)}}
            for number in range(VALUES)
        ]
        metric = {"name": "loss", "columns": {"loss": "double"}, "properties": {"uxMetricType": "azureml.v1.scalar"}}
        batch = {"values": [{**metric, "value": values}]}
        if self._timed("log 10 values", "POST", Client.metric(run_id, "batch"), batch)["errors"] == []:
            self.acknowledged.metrics[run_id] = VALUES
        self._timed("set a tag", "PATCH", path, {"runId": run_id, "tags": {"stage": "logged"}})
        self.acknowledged.tags[run_id] = {"stage": "logged"}
        self._timed("get run", "GET", path)
        self._timed("complete run", "PATCH", path, {"runId": run_id, "status": "Completed"})

    def until(self, deadline: float) -> None:
        """Create runs until the deadline; a refused request ends this client."""
        try:
            while time.monotonic() < deadline:
                self.one_run()
        except (BenchError, OSError, HTTPException) as error:
            self.acknowledged.refused.append(repr(error))


def work_together(server: Server, count: int, seconds: float) -> list[Acknowledged]:
    """Run clients in threads of this process; returns what each measured."""
    works = [_Work(server) for _ in range(count)]
    deadline = time.monotonic() + seconds
    threads = [threading.Thread(target=work.until, args=(deadline,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return [work.acknowledged for work in works]
