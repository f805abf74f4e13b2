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

from bench.comparison.runners import ROOT, RUNNERS, Place
from bench.comparison.samples import Sample
from bench.comparison.table import aims, table
from bench.measuring.processes import BenchError
from bench.measuring.processor import adopt_orphans, wait_until_quiet

HOME = ROOT / ".bench"
DVC_PROGRAMS = HOME / "dvc/bin"
# A runner is measured again, at most so often in all, when others kept more than this of one core busy meanwhile.
ATTEMPTS, DISTURBED_CORES = 4, 0.2
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
        self.disturbed = 0

    def repeat(self, number: int, *, counted: bool) -> None:
        """Run every runner once, each time beginning with another one."""
        shift = number % len(self._names)
        for name in self._names[shift:] + self._names[:shift]:
            samples = self._undisturbed(name, number)
            if counted:
                self.samples += samples

    def _undisturbed(self, name: str, number: int) -> list[Sample]:
        """Samples of one runner; measured again, but not for ever, when other work took part of the machine."""
        for _attempt in range(ATTEMPTS):
            samples = self._once(name, number)
            if max(sample.others for sample in samples) <= DISTURBED_CORES:
                return samples
            self.disturbed += 1
            print(f"{'':9}disturbed by other work", file=sys.stderr)
        return samples

    def _once(self, name: str, number: int) -> list[Sample]:
        folder = HOME / "work" / f"{number}-{name}"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        wait_until_quiet(self._patience)
        self.loads.append(os.getloadavg()[0])
        samples = []
        for sample in RUNNERS[name](Place(folder, DVC_PROGRAMS, self._models)):
            print(f"{number or 'warm-up':<9}{_line(sample)}", file=sys.stderr)
            samples.append(sample)
        shutil.rmtree(folder)
        return samples

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
        others = [sample.others for sample in self.samples]
        return (
            f"{datetime.now(UTC):%Y-%m-%d}, {os.cpu_count()} cores. Other work kept {median(others):.2f} cores busy "
            f"while measuring (median; at most {max(others):.2f}); load average before each time "
            f"{min(self.loads):.1f} to {max(self.loads):.1f}, of which the benchmark itself makes about 1; "
            f"{self.disturbed} measurements were disturbed, and repeated up to {ATTEMPTS - 1} times."
        )


def _line(sample: Sample) -> str:
    cpu = "" if sample.cpu is None else f", CPU {sample.cpu:.1f} s"
    return f"{sample.row:<14}{sample.run:<7}{sample.seconds:6.2f} s, others {sample.others:.2f} cores{cpu}"


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
