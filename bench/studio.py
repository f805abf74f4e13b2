"""How fast the studio's pages are on a full store: 10,000 runs of both kinds, 200 models, a log of 200 MB.

    python -m bench.studio [--runs 10000]

Writes the documents through the domain functions into a state folder of its own, starts a server on it and asks for
each page as a browser does. Exit codes: 0 every page below the aim, 1 one is not.
"""

from __future__ import annotations

import argparse
import http.client
import re
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from urllib.parse import urlsplit

from local_azure.cli import lifecycle
from local_azure.cli.workspace.studio_command import one_time_address
from local_azure.machine_learning.domain.data.artifacts import run_artifact
from local_azure.machine_learning.domain.runs import metrics, run_records
from local_azure.machine_learning.domain.runs.statuses import RunStatus
from local_azure.machine_learning.domain.serving import models
from local_azure.machine_learning.domain.workspace.coordinates import RESOURCE_GROUP, SUBSCRIPTION, WORKSPACE_NAME
from local_azure.machine_learning.domain.workspace.workspaces import Workspace, Workspaces
from local_azure.machine_learning.storage.files import BlobFiles
from local_azure.machine_learning.storage.state import ServerInfo, StateFolder
from local_azure.machine_learning.storage.store import Store
from local_azure.pipelines.run.builds.progress import Progress
from local_azure.pipelines.run.builds.record import BuildRecord
from local_azure.pipelines.run.results import Result

HOME = Path(__file__).resolve().parent.parent / ".bench" / "studio"
AIM_MILLISECONDS = 100.0
REPETITIONS = 7
MODELS, POINTS, LOG_BYTES = 200, 100_000, 200 * 1024**2
BUILD_STAGES, BUILD_LINES = 6, 60  # as a release has them
LOG = "user_logs/std_log.txt"
W = f"/studio/w/{WORKSPACE_NAME}"


def fill(state: StateFolder, runs: int) -> None:
    """Write what the pages show."""
    state.create()
    store, files = Store(state.database), BlobFiles(state.blobs)
    workspace = Workspaces(store).ensure(SUBSCRIPTION, RESOURCE_GROUP, WORKSPACE_NAME)
    with store.transaction():
        for number in range(runs):
            given = {"name": f"run {number}", "tags": {"problem": f"p{number % 7}", "note": "x" * 40}}
            given["properties"] = {f"property_{n}": "v" * 40 for n in range(10)}
            run_records.create_named(store, workspace.id, f"run-{number:06d}", f"experiment-{number % 20}", given)
            ending = RunStatus.FAILED if number % 10 == 0 else RunStatus.COMPLETED
            run_records.set_status(store, workspace.id, f"run-{number:06d}", ending)
        for number in range(MODELS):
            asset = models.create_asset(store, workspace, {"name": "m", "artifacts": [{"id": "x", "prefix": "x/y"}]})
            posted = {"name": f"model-{number % 20}", "url": f"{models.ASSET_URL}{asset['id']}"}
            models.register(store, workspace, {**posted, "mimeType": "application/json", "kvTags": {"a": "b"}})
    _write_large_run(store, files, workspace)
    store.close()
    _write_builds(state.pipeline_runs, runs)


def _write_builds(root: Path, count: int) -> None:
    """Record one run of a pipeline as its runner does, and copy it: all have failed, which costs most."""
    first = root / "1"
    first.mkdir(parents=True)
    record = BuildRecord(first, 1, str)
    record.begin("20261130.1", {f"stage{n}": f"Stage {n}" for n in range(BUILD_STAGES)}, {"reason": "manual"})
    for number in range(BUILD_STAGES):
        record.stage_began(f"stage{number}")
        record.stage_ended(f"stage{number}", Result.FAILED if number == BUILD_STAGES - 1 else Result.SUCCEEDED)
    record.end(Result.FAILED)
    progress = Progress(first, str)
    for number in range(BUILD_LINES):
        progress.began("step", f"stage{number % BUILD_STAGES}.job", f"step {number}")
    for number in range(2, count + 1):
        shutil.copytree(first, root / str(number))


def _write_large_run(store: Store, files: BlobFiles, workspace: Workspace) -> None:
    run = run_records.create_named(store, workspace.id, "large", "experiment-0", {"name": "the large run"})
    kind = {"uxMetricType": "azureml.v1.scalar"}
    values = [{"metricId": str(n), "data": {"loss": 1 / (n + 1)}} for n in range(POINTS)]
    document = {"name": "loss", "columns": {"loss": "double"}, "properties": kind, "value": values}
    metrics.append(store, workspace.id, "large", document)
    run_records.set_status(store, workspace.id, "large", RunStatus.COMPLETED)
    path = run_artifact(run, LOG).file(files, workspace)
    path.parent.mkdir(parents=True, exist_ok=True)
    line = b"2026-11-30 10:00:00 INFO a line of a log that is long enough to be one of a training\n"
    path.write_bytes(line * (LOG_BYTES // len(line)) + b"the last line\n")


PAGES = {
    "overview": "/studio/",
    "runs, the newest": f"{W}/runs",
    "runs, filtered by status and tag": f"{W}/runs?status=Failed&tag=problem%3Dp3",
    "runs, a text that one run has": f"{W}/runs?q=run-000017",
    "runs, a text that none has": f"{W}/runs?q=no-such-text",
    "runs of an experiment": f"{W}/runs?experiment=experiment-3",
    "compare two runs": f"{W}/compare?run=run-000001&run=run-000002",
    "a run": f"{W}/runs/run-000123",
    "a run with 100,000 points and a log of 200 MB": f"{W}/runs/large",
    "its log, the end": f"{W}/runs/large/log",
    "its log, a search over 32 MiB": f"{W}/runs/large/log?q=the+last+line",
    "models": f"{W}/models",
    "a model": f"{W}/models/model-3",
    "services": f"{W}/services",
    "data": f"{W}/data",
    "pipeline runs": "/studio/builds",
    "a pipeline run": "/studio/builds/1",
}


@contextmanager
def _serving(state: StateFolder) -> Iterator[ServerInfo]:
    yield lifecycle.start(state)
    lifecycle.stop(state)


def _memory(info: ServerInfo) -> float:
    status = Path(f"/proc/{info.pid}/status").read_text(encoding="ascii")
    return int(re.findall(r"VmRSS:\s+(\d+)", status)[0]) / 1024


def _seconds(connection: http.client.HTTPConnection, path: str, cookie: str) -> float:
    begun = time.monotonic()
    connection.request("GET", path, headers={"Cookie": cookie})
    answer = connection.getresponse()
    answer.read()
    if answer.status != 200:
        raise SystemExit(f"{path} was answered with {answer.status}.")
    return time.monotonic() - begun


def measure(info: ServerInfo) -> dict[str, float]:
    """Return the median time of each page in milliseconds, after one that does not count."""
    address = urlsplit(one_time_address(info))
    connection = http.client.HTTPConnection("127.0.0.1", info.studio_port, timeout=60)
    connection.request("GET", f"{address.path}?{address.query}")
    answer = connection.getresponse()
    answer.read()
    cookie = str(answer.getheader("set-cookie")).partition(";")[0]
    found = {}
    for name, path in PAGES.items():
        times = [_seconds(connection, path, cookie) for _ in range(REPETITIONS + 1)][1:]
        found[name] = 1000 * median(times)
    return found


def main(argv: list[str] | None = None) -> int:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description="How fast the studio's pages are.")
    parser.add_argument("--runs", type=int, default=10_000)
    given = parser.parse_args(argv)
    shutil.rmtree(HOME, ignore_errors=True)
    state = StateFolder(HOME)
    fill(state, given.runs)
    with _serving(state) as info:
        before = _memory(info)
        found = measure(info)
        after = _memory(info)
    print("| page | median, ms | aim met |\n|---|---|---|")
    for name, milliseconds in found.items():
        print(f"| {name} | {milliseconds:.0f} | {'yes' if milliseconds < AIM_MILLISECONDS else 'NO'} |")
    print(f"\nMemory of the server: {before:.0f} MiB before the first page, {after:.0f} MiB after all of them.")
    shutil.rmtree(HOME, ignore_errors=True)
    return 0 if max(found.values()) < AIM_MILLISECONDS else 1


if __name__ == "__main__":
    sys.exit(main())
