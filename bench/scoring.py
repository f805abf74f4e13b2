"""Throughput of the web service: our score.py against a trivial script, under the same server on the same machine.

    python -m bench.scoring [--rounds 31] [--requests 200] [--connections 2] [--horizon 28]

Both run as services of one local_azure, that is under azureml-inference-server-http with one worker each. Every round
sends the same requests to both, beginning with the other one each time; what counts is the ratio of a round, because
whatever else the machine does meets both of its halves. Exit codes: 0 measured and the aim met, 1 missed or a fault.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from urllib.parse import urlsplit

from bench.processes import BenchError, local_azure, run, server

ROOT = Path(__file__).resolve().parent.parent
HOME = ROOT / ".bench/scoring"
AIM = 0.9
WARM_UP = 100
TRIVIAL = '''"""As little as a scoring script can do."""

import json


def init():
    """Nothing to load."""


def run(raw_data):
    """Read the request, answer one number."""
    return {"value": json.loads(raw_data)["horizon"]}
'''


@dataclass(frozen=True)
class Service:
    """Where a service is, its key, and the request that it is sent."""

    name: str
    url: str
    key: str
    body: bytes


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.scoring", description="score.py against a trivial script.")
    parser.add_argument("--rounds", type=int, default=31, help="how often both are measured (default 31)")
    parser.add_argument("--requests", type=int, default=200, help="requests of a round to each (default 200)")
    parser.add_argument("--connections", type=int, default=2, help="clients at a time (default 2)")
    parser.add_argument("--horizon", type=int, default=28, help="days that are asked for (default 28)")
    return parser.parse_args(argv)


def train(folder: Path) -> Path:
    """A model of the embedded data, by the step script."""
    code, table = ROOT / "mlops_code", ROOT / "data/adventureworks/daily_by_type.csv"
    words = ["--problem", code / "problems/paid_amount.yml", "--data", table, "--candidate", folder / "model"]
    run([sys.executable, str(code / "train.py"), *map(str, words)], folder)
    return folder / "model"


def deploy(state: Path, name: str, model: Path, scoring: Path, horizon: int) -> Service:
    """Deploy a scoring folder by a process of its own that uses the SDK."""
    words = [name, model.name, str(scoring), str(ROOT / "mlops_code/environments/scoring.yml")]
    client = [sys.executable, "-m", "bench.scoring_client", *words]
    done = subprocess.run(
        local_azure(state, "exec", "--", *client), cwd=HOME, capture_output=True, text=True, check=False,
        env={**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'local_azure/src'}"},
    )  # fmt: skip
    if done.returncode:
        raise BenchError(f"{name} was not deployed:\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}")
    answer = json.loads(done.stdout.splitlines()[-1])
    return Service(name, answer["url"], answer["key"], json.dumps({"horizon": horizon}).encode())


def throughput(service: Service, requests: int, connections: int) -> float:
    """Answers a second, over connections that stay open. Raises: BenchError for anything but 200."""
    place = urlsplit(service.url)
    headers = {"Authorization": f"Bearer {service.key}", "Content-Type": "application/json"}

    def send(count: int) -> None:
        connection = http.client.HTTPConnection(str(place.hostname), place.port, timeout=60)
        for _ in range(count):
            connection.request("POST", place.path, service.body, headers)
            answer = connection.getresponse()
            content = answer.read()
            if answer.status != 200:
                raise BenchError(f"{service.name} answered {answer.status}: {content[:200]!r}")
        connection.close()

    each = max(1, requests // connections)
    started = time.perf_counter()
    with ThreadPoolExecutor(connections) as pool:
        list(pool.map(send, [each] * connections))
    return each * connections / (time.perf_counter() - started)


def measure(ours: Service, trivial: Service, given: argparse.Namespace) -> tuple[list[float], list[float]]:
    """Answers a second of both, a pair for each round."""
    for service in (ours, trivial):
        throughput(service, WARM_UP, given.connections)
    mine, theirs = [], []
    for number in range(given.rounds):
        pair = {}
        for service in (ours, trivial) if number % 2 else (trivial, ours):
            pair[service.name] = throughput(service, given.requests, given.connections)
        mine.append(pair[ours.name])
        theirs.append(pair[trivial.name])
    return mine, theirs


def main(argv: Sequence[str] | None = None) -> int:
    """Deploy both, measure, print."""
    given = _arguments(argv)
    shutil.rmtree(HOME, ignore_errors=True)
    state, scoring, trivial = HOME / "state", HOME / "scoring", HOME / "trivial"
    for folder in (HOME, trivial):
        folder.mkdir(parents=True)
    (trivial / "score.py").write_text(TRIVIAL, encoding="utf-8")
    try:
        from ml_service.snapshots import assemble_scoring

        folder = assemble_scoring(scoring).folder
        model = train(HOME)
        with server(state, HOME):
            ours = deploy(state, "ours", model, folder, given.horizon)
            least = deploy(state, "trivial", model, trivial, given.horizon)
            mine, theirs = measure(ours, least, given)
    except BenchError as fault:
        sys.stderr.write(f"error: {fault}\n")
        return 1
    ratios = [one / other for one, other in zip(mine, theirs, strict=True)]
    for name, found in (("score.py", mine), ("trivial script", theirs)):
        print(f"{name:<16}{median(found):8.0f} answers a second, {min(found):.0f} to {max(found):.0f}")
    met = median(ratios) >= AIM
    print(
        f"{'ratio':<16}{median(ratios):8.1%} median of {len(ratios)} rounds, {min(ratios):.1%} to {max(ratios):.1%}; "
        f"aim {AIM:.0%}: {'met' if met else 'missed'}"
    )
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
