"""Throughput of the web service: our score.py against a trivial script, under the same server on the same machine.

    python -m bench.scoring [--rounds 31] [--requests 200] [--connections 2] [--horizon 28] [--history 0 56 365]

Both run as services of one local_azure, that is under azureml-inference-server-http with one worker each. Every round
sends the same requests to both, beginning with the other one each time; what counts is the ratio of a round, because
whatever else the machine does meets both of its halves. A request has a history of so many days, or none: without one
the response is always the same and cached as text; with one everything is parsed, checked and forecast each time.
A history is sent compact and day by day. Exit codes: 0 measured and every aim met, 1 one missed or a fault.
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
from datetime import date, timedelta
from pathlib import Path
from statistics import median
from urllib.parse import urlsplit

from bench.measuring.processes import BenchError, local_azure, run, server

ROOT = Path(__file__).resolve().parent.parent
HOME = ROOT / ".bench/scoring"
AIM = 0.9  # of the trivial script's answers a second, without a history
MOST_MILLISECONDS = 0.6  # above the trivial script, with a history
WARM_UP = 100
SERIES = "paid_amount"
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
    """Where a service is, and its key."""

    name: str
    url: str
    key: str


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.scoring", description="score.py against a trivial script.")
    parser.add_argument("--rounds", type=int, default=31, help="how often both are measured (default 31)")
    parser.add_argument("--requests", type=int, default=200, help="requests of a round to each (default 200)")
    parser.add_argument("--connections", type=int, default=2, help="clients at a time (default 2)")
    parser.add_argument("--horizon", type=int, default=28, help="days that are asked for (default 28)")
    parser.add_argument(
        "--history", type=int, nargs="+", default=[0, 56, 365], metavar="DAYS",
        help="kinds of requests: with so many days of history, 0 for none (default 0 56 365)",
    )  # fmt: skip
    return parser.parse_args(argv)


@dataclass(frozen=True)
class Kind:
    """A kind of request. history: days, 0 for none; listed: as a list with a date a day, else compact."""

    history: int
    listed: bool = False

    def __str__(self) -> str:
        form = ", day by day" if self.listed else ""
        return f"history of {self.history} days{form}" if self.history else "no history"

    def body(self, horizon: int) -> bytes:
        """The request."""
        first = date(2014, 6, 1)
        values = [100.25 * (1 + number % 7) for number in range(self.history)]
        days = [(first + timedelta(days=number)).isoformat() for number in range(self.history)]
        listed = [{"date": day, "value": value} for day, value in zip(days, values, strict=True)]
        compact = {"from": first.isoformat(), "values": values}
        history = {"history": {SERIES: listed if self.listed else compact}} if self.history else {}
        return json.dumps({"horizon": horizon, **history}).encode()

    def met(self, ratio: float, more: float) -> tuple[bool, str]:
        """Whether the aim is met, and what it is. more: milliseconds above the trivial script."""
        if self.history:
            return more <= MOST_MILLISECONDS, f"aim at most {MOST_MILLISECONDS:g} ms more"
        return ratio >= AIM, f"aim {AIM:.0%}"


def train(folder: Path) -> Path:
    """A model of the embedded data, by the step script."""
    code, table = ROOT / "mlops_code", ROOT / "data/adventureworks/daily_by_type.csv"
    words = ["--problem", code / "problems/paid_amount.yml", "--data", table, "--candidate", folder / "model"]
    run([sys.executable, str(code / "train.py"), *map(str, words)], folder)
    return folder / "model"


def deploy(state: Path, name: str, model: Path, scoring: Path) -> Service:
    """Deploy a scoring folder by a process of its own that uses the SDK."""
    words = [name, model.name, str(scoring), str(ROOT / "mlops_code/environments/scoring.yml")]
    client = [sys.executable, str(ROOT / "bench/sdk/deploy_scoring.py"), *words]
    done = subprocess.run(
        local_azure(state, "exec", "--", *client), cwd=HOME, capture_output=True, text=True, check=False,
        env={**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'local_azure/src'}"},
    )  # fmt: skip
    if done.returncode:
        raise BenchError(f"{name} was not deployed:\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}")
    answer = json.loads(done.stdout.splitlines()[-1])
    return Service(name, answer["url"], answer["key"])


def throughput(service: Service, body: bytes, requests: int, connections: int) -> float:
    """Answers a second, over connections that stay open. Raises: BenchError for anything but 200."""
    place = urlsplit(service.url)
    headers = {"Authorization": f"Bearer {service.key}", "Content-Type": "application/json"}

    def send(count: int) -> None:
        connection = http.client.HTTPConnection(str(place.hostname), place.port, timeout=60)
        for _ in range(count):
            connection.request("POST", place.path, body, headers)
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


def measure(
    ours: Service, trivial: Service, body: bytes, given: argparse.Namespace
) -> tuple[list[float], list[float]]:
    """Answers a second of both, a pair for each round."""
    for service in (ours, trivial):
        throughput(service, body, WARM_UP, given.connections)
    mine, theirs = [], []
    for number in range(given.rounds):
        pair = {}
        for service in (ours, trivial) if number % 2 else (trivial, ours):
            pair[service.name] = throughput(service, body, given.requests, given.connections)
        mine.append(pair[ours.name])
        theirs.append(pair[trivial.name])
    return mine, theirs


def show(kind: Kind, mine: list[float], theirs: list[float]) -> bool:
    """Print one kind of request; returns whether it meets its aim."""
    ratios = [one / other for one, other in zip(mine, theirs, strict=True)]
    more = median(1000 / one - 1000 / other for one, other in zip(mine, theirs, strict=True))
    met, aim = kind.met(median(ratios), more)
    print(f"{kind}:")
    for name, found in (("score.py", mine), ("trivial script", theirs)):
        print(f"  {name:<16}{median(found):8.0f} answers a second, {min(found):.0f} to {max(found):.0f}")
    spread = f"median of {len(ratios)} rounds, {min(ratios):.1%} to {max(ratios):.1%}"
    print(f"  {'ratio':<16}{median(ratios):8.1%} {spread}")
    print(f"  {'difference':<16}{more:8.2f} ms an answer; {aim}: {'met' if met else 'missed'}")
    return met


def main(argv: Sequence[str] | None = None) -> int:
    """Deploy both, measure, print."""
    given = _arguments(argv)
    shutil.rmtree(HOME, ignore_errors=True)
    state, scoring, trivial = HOME / "state", HOME / "scoring", HOME / "trivial"
    for folder in (HOME, trivial):
        folder.mkdir(parents=True)
    (trivial / "score.py").write_text(TRIVIAL, encoding="utf-8")
    try:
        from ml_service.training.snapshots import assemble_scoring

        folder = assemble_scoring(scoring).folder
        model = train(HOME)
        with server(state, HOME):
            ours = deploy(state, "ours", model, folder)
            least = deploy(state, "trivial", model, trivial)
            kinds = [Kind(history) for history in given.history]
            kinds += [Kind(history, listed=True) for history in given.history if history]
            met = [show(kind, *measure(ours, least, kind.body(given.horizon), given)) for kind in kinds]
    except BenchError as fault:
        sys.stderr.write(f"error: {fault}\n")
        return 1
    return 0 if all(met) else 1


if __name__ == "__main__":
    sys.exit(main())
