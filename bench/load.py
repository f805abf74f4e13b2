"""Many runs and many clients: paging through a long history, and lost writes under concurrent clients.

    python -m bench.load [--runs 10000] [--clients 50] [--seconds 10]

Sends the requests that the SDK sends, over HTTP, to a server of its own in .bench/load. Exit codes: 0 measured and
all aims met, 1 an aim missed or a fault, 2 wrong arguments.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from statistics import median, quantiles

from bench.load_client import Acknowledged, Client, Server, work_together
from bench.measuring.processes import BenchError, local_azure, run, server

HOME = Path(__file__).resolve().parent.parent / ".bench/load"
BATCH = 500
PAGE_AIM_SECONDS = 0.05
MEMORY_AIM_BYTES = 60 * 1024 * 1024
MEGABYTE = 1024 * 1024
Row = tuple[str, str]


def arguments(argv: Sequence[str] | None, program: str = "python -m bench.load") -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(prog=program, description="Long history, many clients.")
    parser.add_argument("--runs", type=int, default=10_000, help="runs in one experiment (default 10000)")
    parser.add_argument("--clients", type=int, default=50, help="concurrent clients (default 50)")
    parser.add_argument("--seconds", type=float, default=10, help="how long the clients run (default 10)")
    return parser.parse_args(argv)


def _memory(pid: int, field: str) -> int:
    """Bytes of resident memory: `VmRSS` now, `VmHWM` at its highest. Source: man proc, file status."""
    found = re.search(rf"{field}:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text(encoding="ascii"))
    if not found:
        raise BenchError(f"/proc/{pid}/status has no {field}.")
    return int(found[1]) * 1024


def fill(client: Client, experiment: str, count: int) -> float:
    """Create finished runs; returns the seconds this took."""
    started = time.perf_counter()
    client.call("POST", client.history(experiment))
    for first in range(0, count, BATCH):
        runs = [
            {
                "runId": f"{experiment}-{number}",
                "status": "Completed",
                "startTimeUtc": f"2026-01-{1 + number // 1000:02}T00:{number // 60 % 60:02}:{number % 60:02}Z",
                "tags": {"build": str(number), "model": "ridge"},
                "properties": {"commit": "0123456789abcdef0123456789abcdef01234567", "data": "sha256:" + "0" * 64},
            }
            for number in range(first, min(first + BATCH, count))
        ]
        client.call("PATCH", client.history(experiment, "batch/runs"), {"runs": runs})
    return time.perf_counter() - started


def pages(client: Client, experiment: str, **asked: object) -> Iterator[tuple[float, int]]:
    """Yield seconds and number of runs of each page, requested as the SDK does."""
    token = None
    while True:
        body = {"continuationToken": token, "orderby": "StartTimeUtc desc", "top": BATCH, **asked}
        started = time.perf_counter()
        answer = client.send("POST", client.history(experiment, "runs:query"), body)
        seconds = time.perf_counter() - started
        page = json.loads(answer)
        yield seconds, len(page["value"])
        token = page["continuationToken"]
        if token is None:
            return


def history_rows(client: Client, count: int, pid: int) -> tuple[list[Row], list[str]]:
    """Create the runs, then page through them with each query of the SDK; returns rows and missed aims."""
    before = _memory(pid, "VmRSS")
    rows = [(f"{count} runs written, {BATCH} a request", f"{fill(client, 'long', count):.1f} s")]
    missed = []
    ways: dict[str, dict[str, object]] = {
        "get_runs()": {"filter": "(ParentRunId eq null)"},
        "get_runs(include_children=True)": {},
        'get_runs(status="Completed")': {"filter": '(ParentRunId eq null) and (Status eq "Completed")'},
        "get_runs(tags=..), one fits": {"filter": f'(ParentRunId eq null) and (tags/build eq "{count // 2}")'},
    }
    for name, asked in ways.items():
        taken = list(pages(client, "long", **asked))
        slowest = max(seconds for seconds, _ in taken)
        typical = median(seconds for seconds, _ in taken)
        found = sum(number for _, number in taken)
        text = f"{len(taken)} pages, {found} runs, median {1000 * typical:.0f} ms, slowest {1000 * slowest:.0f} ms"
        rows.append((f"pages {name}", text))
        if found != (1 if "one fits" in name else count):
            missed.append(f"pages {name} show {found} runs")
        if slowest > PAGE_AIM_SECONDS:
            missed.append(f"a page {name} took {1000 * slowest:.0f} ms, more than {1000 * PAGE_AIM_SECONDS:.0f} ms")
    grown = _memory(pid, "VmHWM") - before
    rows.append(("server's memory, highest above the start", f"{grown / MEGABYTE:.0f} MB"))
    if grown > MEMORY_AIM_BYTES:
        missed.append(f"the server grew by {grown / MEGABYTE:.0f} MB")
    return rows, missed


def listing_row(state: Path, count: int) -> Row:
    """Time `list(experiment.get_runs())` with the SDK itself, in a separate process."""
    program = (
        "import time; from azureml.core import Experiment, Workspace; ws = Workspace.from_config()\n"
        "experiment = Experiment(ws, 'long'); started = time.perf_counter(); runs = list(experiment.get_runs())\n"
        f"assert len(runs) == {count}, len(runs)\n"
        "print(f'LISTED {time.perf_counter() - started:.2f}')"
    )
    done = run([*local_azure(state, "exec"), "--", sys.executable, "-c", program], HOME)
    seconds = done.output.partition("LISTED ")[2].split()[0]
    return "list(experiment.get_runs()), in the SDK", f"{seconds} s"


def clients_rows(address: Server, clients: int, seconds: float) -> tuple[list[Row], list[str]]:
    """Run clients concurrently, then check that every acknowledged write is there."""
    processes = min(os.cpu_count() or 1, clients)
    shares = [clients // processes + (number < clients % processes) for number in range(processes)]
    Client(address).call("POST", Client(address).history("crowd"))
    with ProcessPoolExecutor(processes, get_context("spawn")) as pool:
        waiting = [pool.submit(work_together, address, share, seconds) for share in shares]
        results = [result for future in waiting for result in future.result()]
    rows, missed, total = [], [], 0
    for verb in sorted({name for result in results for name in result.seconds}):
        taken = sorted(value for result in results for value in result.seconds.get(verb, []))
        total += len(taken)
        high = quantiles(taken, n=100)[98] if len(taken) > 1 else taken[0]
        text = f"{len(taken)} times, p50 {1000 * median(taken):.0f} ms, p99 {1000 * high:.0f} ms"
        rows.append((verb, f"{text}, slowest {1000 * taken[-1]:.0f} ms"))
    rows.append((f"{clients} clients for {seconds:g} s", f"{total} requests, {total / seconds:.0f} a second"))
    refused = [text for result in results for text in result.refused]
    if refused:
        missed.append(f"{len(refused)} requests were refused, the first: {refused[0]}")
    lost = [text for result in results for text in _lost(Client(address), result)]
    rows.append(("refused requests, lost writes", f"{len(refused)}, {len(lost)}"))
    if lost:
        missed.append(f"{len(lost)} acknowledged writes are lost, the first: {lost[0]}")
    return rows, missed


def _lost(client: Client, acknowledged: Acknowledged) -> Iterator[str]:
    for run_id, tags in acknowledged.tags.items():
        found = client.call("GET", client.history("crowd", f"runs/{run_id}"))
        if found["tags"] != tags:
            yield f"tags of {run_id}: {found['tags']} instead of {tags}"
    for run_id, metrics in acknowledged.metrics.items():
        found = client.call("POST", client.metric(run_id, "full"), {"metricName": "loss"})
        if len(found["value"]) != metrics:
            yield f"metrics of {run_id}: {len(found['value'])} values instead of {metrics}"


def measure(asked: argparse.Namespace) -> tuple[list[Row], list[str]]:
    """Return the rows and missed aims, measured on a separate server; raises BenchError."""
    shutil.rmtree(HOME, ignore_errors=True)
    HOME.mkdir(parents=True)
    state = HOME / "state"
    with server(state, HOME):
        facts = json.loads((state / "server.json").read_text(encoding="utf-8"))
        address = Server(facts["http_port"], facts["token"])
        rows, missed = history_rows(Client(address), asked.runs, facts["pid"])
        rows.append(listing_row(state, asked.runs))
        more_rows, more_missed = clients_rows(address, asked.clients, asked.seconds)
    return rows + more_rows, missed + more_missed


def report(rows: list[Row], missed: list[str]) -> int:
    """Print the table and the missed aims; returns the exit code."""
    print("| what | measured |\n|---|---|")
    for name, text in rows:
        print(f"| {name} | {text} |")
    for text in missed:
        print(f"- NOT MET: {text}")
    return 1 if missed else 0


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and print."""
    asked = arguments(argv)
    try:
        return report(*measure(asked))
    except BenchError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    raise SystemExit(main())
