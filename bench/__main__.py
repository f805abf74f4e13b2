"""The driver behind bench/run: alternates the runners, keeps every time, prints the table."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from bench.processes import BenchError
from bench.runners import ROOT, RUNNERS, Place
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
    parser.add_argument("--no-warm-up", action="store_true", help="count the first repetition, which reads from disk")
    return parser.parse_args(argv)


class Measurement:
    """All repetitions of one call."""

    def __init__(self, names: Sequence[str]) -> None:
        self._names = list(names)
        self._models: set[str] = set()
        self.times: defaultdict[tuple[str, str], list[float]] = defaultdict(list)
        self.loads: list[float] = []

    def repeat(self, number: int, *, counted: bool) -> None:
        """Run every runner once, each time beginning with another one."""
        shift = number % len(self._names)
        for name in self._names[shift:] + self._names[:shift]:
            folder = HOME / "work" / f"{number}-{name}"
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
            load = os.getloadavg()[0]
            for sample in RUNNERS[name](Place(folder, DVC_PROGRAMS, self._models)):
                note = "" if counted else "  (warm-up, not counted)"
                print(f"{number}  {sample.row:<14}{sample.run:<7}{sample.seconds:6.2f} s{note}", file=sys.stderr)
                if counted:
                    self.times[sample.row, sample.run].append(sample.seconds)
            if counted:
                self.loads.append(load)
            shutil.rmtree(folder)

    def save(self, path: Path) -> None:
        """Every single time, for a closer look than the table allows."""
        document = {
            "date": datetime.now(UTC).isoformat(timespec="seconds"),
            "cores": os.cpu_count(),
            "loads": self.loads,
            "seconds": [{"row": row, "run": turn, "times": times} for (row, turn), times in self.times.items()],
        }
        path.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and print. Exit codes: 0 measured (whether or not the aims are met), 1 a runner failed, 2 usage."""
    arguments = _arguments(argv)
    before = os.getloadavg()[0]
    measurement = Measurement(arguments.only)
    try:
        for number in range(int(arguments.no_warm_up), arguments.repetitions + 1):
            measurement.repeat(number, counted=number > 0)
    except BenchError as error:
        print(f"error: {error}", file=sys.stderr)
        return EXIT_FAILED
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    measurement.save(HOME / "results.json")
    print(table(measurement.times))
    print()
    for aim in aims(measurement.times):
        print(f"- {'met' if aim.met else 'NOT MET'}: {aim.text}: {aim.measured}")
    print(
        f"\n{datetime.now(UTC):%Y-%m-%d}, {os.cpu_count()} cores, {arguments.repetitions} repetitions, load average "
        f"{before:.1f} before and {min(measurement.loads):.1f} to {max(measurement.loads):.1f} while measuring "
        f"(the benchmark itself makes about 1). Every single time: .bench/results.json"
    )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
