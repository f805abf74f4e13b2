"""The driver behind bench/run: alternates the runners, keeps every time, prints the table."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

from bench.processes import BenchError
from bench.processor import adopt_orphans, wait_until_quiet
from bench.runners import ROOT, RUNNERS, Place
from bench.samples import Sample, cores_of_others
from bench.table import aims, table

HOME = ROOT / ".bench"
DVC_PROGRAMS = HOME / "dvc/bin"
EXIT_FAILED, EXIT_INTERRUPTED = 1, 130


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench/run", description="Measure against dvc, side by side.")
    parser.add_argument("--repetitions", type=int, default=5, help="how often each runner runs (default 5)")
    parser.add_argument(
        "--only", nargs="+", choices=tuple(RUNNERS), default=list(RUNNERS), help="leave out the others"
    )
    parser.add_argument(
        "--patience", type=float, default=30.0, help="wait up to so many seconds for a quiet machine (default 30)"
    )
    parser.add_argument("--no-warm-up", action="store_true", help="count the first repetition, which reads from disk")
    return parser.parse_args(argv)


class Measurement:
    """All repetitions of one call."""

    def __init__(self, names: Sequence[str], patience: float) -> None:
        self._names = list(names)
        self._patience = patience
        self._models: set[str] = set()
        self.samples: list[Sample] = []
        self.loads: list[float] = []

    def repeat(self, number: int, *, counted: bool) -> None:
        """Run every runner once, each time beginning with another one."""
        shift = number % len(self._names)
        for name in self._names[shift:] + self._names[:shift]:
            folder = HOME / "work" / f"{number}-{name}"
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
            wait_until_quiet(self._patience)
            load = os.getloadavg()[0]
            for sample in RUNNERS[name](Place(folder, DVC_PROGRAMS, self._models)):
                print(f"{number or 'warm-up'}  {_line(sample)}", file=sys.stderr)
                if counted:
                    self.samples.append(sample)
            if counted:
                self.loads.append(load)
            shutil.rmtree(folder)

    def save(self, path: Path) -> None:
        """Every single time, for a closer look than the table allows."""
        document = {
            "date": datetime.now(UTC).isoformat(timespec="seconds"),
            "cores": os.cpu_count(),
            "loads": self.loads,
            "samples": [asdict(sample) for sample in self.samples],
        }
        path.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")

    @property
    def conditions(self) -> str:
        """When, on what, and how much of the machine others used meanwhile."""
        others = cores_of_others(self.samples) or [0.0]
        return (
            f"{datetime.now(UTC):%Y-%m-%d}, {os.cpu_count()} cores. Other work kept {median(others):.2f} cores busy "
            f"while measuring (median; at most {max(others):.2f}); load average before each time "
            f"{min(self.loads):.1f} to {max(self.loads):.1f}, of which the benchmark itself makes about 1."
        )


def _line(sample: Sample) -> str:
    cpu = "" if sample.cpu is None else f"  CPU {sample.cpu:.1f} s"
    others = "" if sample.others is None else f", others {sample.others:.1f} s"
    return f"{sample.row:<14}{sample.run:<7}{sample.seconds:6.2f} s{cpu}{others}"


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and print. Exit codes: 0 measured (whether or not the aims are met), 1 a runner failed, 2 usage."""
    arguments = _arguments(argv)
    adopt_orphans()
    measurement = Measurement(arguments.only, arguments.patience)
    try:
        for number in range(int(arguments.no_warm_up), arguments.repetitions + 1):
            measurement.repeat(number, counted=number > 0)
    except BenchError as error:
        print(f"error: {error}", file=sys.stderr)
        return EXIT_FAILED
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    measurement.save(HOME / "results.json")
    print(table(measurement.samples))
    print()
    for aim in aims(measurement.samples):
        print(f"- {'met' if aim.met else 'NOT MET'}: {aim.text}: {aim.measured}")
    print(f"\n{arguments.repetitions} repetitions, {measurement.conditions} Every single time: .bench/results.json")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
