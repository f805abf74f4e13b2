"""Reads back what clients were told, and looks at how runs ended: by REST, and by the SDK what the SDK wrote."""

from __future__ import annotations

import hashlib
import json
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.campaign.journal import Fact, facts
from tests.campaign.processes import Started
from tests.campaign.server import CampaignServer
from tests.faults.fault_server import Machine, scope

SDK_SECONDS = 300
FINAL = ("Completed", "Failed", "Canceled")


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _run(machine: Machine, fact: Fact) -> bool:
    run = machine.run(fact["run"])
    return all(run[part].items() >= fact[part].items() for part in ("tags", "properties") if part in fact)


def _metric(machine: Machine, fact: Fact) -> bool:
    found = machine.post(f"/metric/v2.0{scope()}/runs/{fact['run']}/full", {"metricName": fact["metric"]})
    return [cell["data"][fact["metric"]] for cell in found["value"]] == [fact["value"]]


def _artifact(machine: Machine, fact: Fact) -> bool:
    answer = machine.send("GET", f"/artifact/v2.0{scope()}/artifacts/content/{fact['artifact']}")
    return answer.status_code == 200 and bool(_sha256(answer.content) == fact["sha256"])


def _blob(machine: Machine, fact: Fact) -> bool:
    return bool(_sha256(machine.blob("GET", fact["blob"]).content) == fact["sha256"])


def _model(machine: Machine, fact: Fact) -> bool:
    found = machine.get(f"/modelmanagement/v1.0{scope()}/models/{fact['model']}")
    return bool(found["properties"]["by"] == fact["by"])


def _dataset(machine: Machine, fact: Fact) -> bool:
    path = f"/dataset/v1.0{scope()}/datasets/query/name={fact['dataset']}?versionId={fact['version']}"
    return bool(machine.get(path)["latest"]["savedDatasetId"] == fact["saved"])


def _submission(machine: Machine, fact: Fact) -> bool:
    return bool(machine.pipeline_state(fact["run"]))


READERS: dict[str, Callable[[Machine, Fact], bool]] = {
    "run": _run,
    "tag": _run,
    "property": _run,
    "metric": _metric,
    "artifact": _artifact,
    "blob": _blob,
    "model": _model,
    "dataset": _dataset,
    "submission": _submission,
}


class ReadBack:
    """Everything acknowledged in a folder of journals. Each fact is counted once."""

    def __init__(self, server: CampaignServer, started: Started, journals: Path) -> None:
        self.lost: list[str] = []
        self._server = server
        self._started = started
        self._journals = journals
        self._read = 0

    def acknowledged(self) -> Counter[str]:
        """How many facts of each kind there are."""
        return Counter(fact["kind"] for fact in facts(self._journals))

    def by_rest(self, *, again: bool = False) -> None:
        """Read what is new since the last time, or everything."""
        known = [fact for fact in facts(self._journals) if fact["kind"] in READERS]
        for fact in known if again else known[self._read :]:
            self._look(fact)
        self._read = len(known)

    def _look(self, fact: Fact) -> None:
        try:
            if READERS[fact["kind"]](self._server.machine, fact):
                return
            why = "not as it was"
        except (AssertionError, KeyError, IndexError, ValueError) as error:
            why = f"{type(error).__name__}: {error}"
        self.lost.append(f"{json.dumps(fact)}: {why[:300]}")

    def by_sdk(self) -> None:
        """Let the SDK close what its clients left open and read what they wrote."""
        for words in (["close"], ["read", str(self._journals)]):
            command = [sys.executable, "-m", "tests.campaign.sdk_client", *words]
            with self._started(
                command, cwd=self._server.folder, env=self._server.environment(), stdout=-1, stderr=-1
            ) as process:
                out, err = process.communicate(timeout=SDK_SECONDS)
            if process.returncode != 0:
                self.lost.append(f"the SDK could not {words[0]}: {err[-1000:]}")
            self.lost += [line for line in out.splitlines() if words[0] == "read" and line.startswith("{")]


def _pages(machine: Machine, path: str, body: dict[str, Any]) -> list[Fact]:
    found, token = [], None
    while True:
        page = machine.post(path, {**body, "continuationToken": token} if token else body)
        found += page["value"]
        token = page.get("continuationToken")
        if not token:
            return found


def all_runs(machine: Machine) -> list[Fact]:
    """Every run of the workspace."""
    base = f"/history/v1.0{scope()}"
    names = [one["name"] for one in _pages(machine, f"{base}/experiments:query", {})]
    return [run for name in names for run in _pages(machine, f"{base}/experiments/{name}/runs:query", {})]


def run_faults(runs: list[Fact], *, made_by_clients: str) -> list[str]:
    """Runs that go on although nothing does, and runs that failed without a reason.

    made_by_clients: how the ids of runs begin that clients have made and never begun; they may stay so.
    """
    found = []
    for run in runs:
        reason = ((run.get("error") or {}).get("error") or {}).get("message")
        is_left_alone = run["status"] == "NotStarted" and run["runId"].startswith(made_by_clients)
        if run["status"] not in FINAL and not is_left_alone:
            found.append(f"run {run['runId']} is {run['status']}")
        elif run["status"] == "Failed" and not reason:
            found.append(f"run {run['runId']} has failed without a reason")
    return found
