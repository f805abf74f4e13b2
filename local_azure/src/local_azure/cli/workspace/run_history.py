"""Reads runs of a workspace for the terminal: the newest ones, the steps below one, logs and metrics."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from itertools import islice
from typing import Any
from urllib.parse import quote

from local_azure.cli.workspace.service_client import Document, ServiceClient

_NEWEST_FIRST = "StartTimeUtc desc"
_FAILED = "Failed"


class RunHistory:
    """The runs of one workspace. Every method raises urllib.error.HTTPError for what the server refuses."""

    def __init__(self, client: ServiceClient, workspace_path: str) -> None:
        self._client = client
        self._history = f"/history/v1.0{workspace_path}"
        self._metrics = f"/metric/v2.0{workspace_path}"

    def newest(self, *, experiment: str | None, status: str | None, most: int) -> list[Document]:
        """Return top-level runs, newest first, each with the name of its experiment as `experiment`."""
        conditions = ["ParentRunId eq null", *([f'Status eq "{status}"'] if status else [])]
        query = {"filter": " and ".join(conditions), "orderby": _NEWEST_FIRST, "top": most}
        names = [experiment] if experiment else self._experiments()
        found = (run for name in names for run in islice(self._runs_of(name, query), most))
        return heapq.nlargest(most, found, key=lambda run: str(run["createdUtc"]))

    def run(self, run_id: str) -> Document:
        """Return one run, with the name of its experiment as `experiment`."""
        run = self._client.get(f"{self._history}/runs/{quote(run_id, safe='')}")
        experiment = self._client.get(f"{self._history}/experimentids/{run['experimentId']}")
        return {**run, "experiment": experiment["name"]}

    def steps(self, run_id: str) -> list[Document]:
        """Return all runs below a run, a parent before its children."""
        children = list(self._children(run_id))
        return [each for child in children for each in (child, *self.steps(child["runId"]))]

    def failed_part(self, run: Document) -> Document:
        """Return the innermost run that failed first, or the run itself when nothing below it failed."""
        failed = [child for child in self._children(run["runId"]) if child["status"] == _FAILED]
        if not failed:
            return run
        return self.failed_part(min(failed, key=lambda child: str(child["endTimeUtc"])))

    def logs(self, run_id: str) -> dict[str, str]:
        """Return the addresses of a run's logs by name; one that has two names is named once."""
        from local_azure.machine_learning.domain.runs.run_files import DRIVER_LOG, STANDARD_LOG  # no other command

        details = self._client.get(f"{self._history}/runs/{quote(run_id, safe='')}/details")
        found: dict[str, str] = details["logFiles"]
        return {name: address for name, address in found.items() if name != DRIVER_LOG or STANDARD_LOG not in found}

    def lines(self, address: str) -> Iterator[str]:
        """Yield the lines of a log."""
        return self._client.text(address)

    def metrics(self, run_id: str) -> dict[str, list[dict[str, Any]]]:
        """Return every value of every metric of a run: its columns, oldest value first."""
        path = f"{self._metrics}/runs/{quote(run_id, safe='')}"
        names = [metric["metricKey"]["name"] for metric in self._client.post(f"{path}/list", {})["value"]]
        return {name: self._values(f"{path}/full", name) for name in names}

    def _values(self, path: str, name: str) -> list[dict[str, Any]]:
        return [value["data"] for value in self._client.query(path, {"metricName": name})]

    def _experiments(self) -> Iterator[str]:
        for experiment in self._client.query(f"{self._history}/experiments:query", {"viewType": "All"}):
            yield experiment["name"]

    def _runs_of(self, experiment: str, query: Document) -> Iterator[Document]:
        path = f"{self._history}/experiments/{quote(experiment, safe='')}/runs:query"
        for run in self._client.query(path, query):
            yield {**run, "experiment": experiment}

    def _children(self, run_id: str) -> Iterator[Document]:
        return self._client.listing(f"{self._history}/runs/{quote(run_id, safe='')}/children")
