"""Measure an audit export of many events: python -m bench.audit [EVENTS]

Prints seconds and the largest memory of writing and of verifying it. Documents and rows go through one at a time: the
entries are what is in memory. Issue 17 asks for 20 s and 10 s with 5,000 events.
"""

from __future__ import annotations

import hashlib
import resource
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from ml_service.audit.completeness.documents import Documents
from ml_service.audit.completeness.population import Population
from ml_service.audit.completeness.verifying import judge
from ml_service.audit.events import kinds
from ml_service.audit.events.kinds import Table
from ml_service.audit.export import bundle, verifier
from ml_service.production.chain import deployments
from ml_service.production.chain.deployments import Actor
from ml_service.production.chain.entry import Entry, Event
from ml_service.production.chain.store import Chain

_EVENTS = 5_000
_DOCUMENT = b"<p>a report</p>\n" * 20_000
_VERIFY = """
import runpy, sys
try:
    del sys.argv[0]
    runpy.run_path(sys.argv[0], run_name="__main__")
finally:
    print(open("/proc/self/status").read())
"""
"""Runs verify.py and tells the largest memory of its process, which that of a child cannot tell from its parent's."""
_FIRST = datetime(2020, 1, 1, tzinfo=UTC)


def actor_of(number: int) -> Actor:
    """Who wrote the events of this number."""
    when = (_FIRST + timedelta(hours=number)).isoformat(timespec="seconds")
    return {"who": "Ada", "identity": "id", "when": when, "build_id": str(number), "commit": "c0ffee"}


def _events(number: int, report: str) -> list[Event]:
    """A table and a deployment; report: hash of its report."""
    table = Table("data", number + 1, hashlib.sha256(str(number).encode()).hexdigest(), "week.csv", 800)
    record = {
        "event": "release",
        "model_name": "m",
        "model_version": str(number + 1),
        "service": "s",
        "workspace": "w",
        "from": "none",
        "report_sha256": report,
    }
    opened = deployments.started(f"d{number}", record, "none", actor_of(number))
    return [
        kinds.data_accepted(table, actor_of(number)),
        opened,
        deployments.closed(opened, "succeeded", "", actor_of(number + 1), told={}),
    ]


def _chain(count: int, documents: Documents) -> Chain:
    entries: list[Entry] = []
    head = "none"
    for number in range(count // 3 + 1):
        report = documents.keep("report.html", _DOCUMENT + str(number % 500).encode(), f"run r{number}")
        for event in _events(number, report):
            told = {"problem": "p", "sequence": len(entries) + 1, "previous_sha256": head}
            entries.append(Entry.model_validate({**vars(event), **told}))
            head = entries[-1].sha256
    return Chain("p", tuple(entries[:count]))


def population_of(count: int, documents: Documents) -> Population:
    """A problem with so many events. documents: gets the reports that they name."""
    chain = _chain(count, documents)
    return Population("p", "m", "data", "w in g", "prod", "s", actor_of(count)["when"], chain, champion="m:1")


def _megabytes() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> int:
    """Measure and print."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else _EVENTS
    with tempfile.TemporaryDirectory() as scratch:
        documents = Documents(Path(scratch))
        population = population_of(count, documents)
        begun, before = time.monotonic(), _megabytes()
        made = bundle.write(judge(population), documents, actor_of(count), Path(scratch, "x.zip"))
        wrote, after = time.monotonic() - begun, _megabytes()
        begun = time.monotonic()
        words = [str(verifier.__file__), str(made.path), "--anchor", made.sha256]
        said = subprocess.run(
            [sys.executable, "-I", "-c", _VERIFY, *words], check=True, capture_output=True, text=True
        )
        verified = time.monotonic() - begun
        peak = int(said.stdout.rpartition("VmHWM:")[2].split()[0]) / 1024
        size = made.path.stat().st_size / 1e6
    sys.stdout.write(f"{len(population.chain.entries)} events, {made.files} files, {size:.1f} MB\n")
    sys.stdout.write(f"export {wrote:.1f} s, memory {before:.0f} to {after:.0f} MB\n")
    sys.stdout.write(f"verify {verified:.1f} s, memory {peak:.0f} MB\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
