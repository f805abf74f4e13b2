"""Time and memory of prepare, train (with its backtest) and evaluate (the gate) against the number of series.

    python -m bench.forecasting.scale --data series500.csv.gz [--series 500 2000 20000] [--boosting]

The file has one row per day and one column per series; further series are scaled copies. Each step runs in its own
process, as on the compute; memory is the peak of the process, CPU time includes all its threads. The gate judges the
most expensive candidate, whatever training has chosen, against another recipe as champion. The load of the machine is
printed, because times on shared cores depend on it.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
import yaml

ROOT = Path(__file__).resolve().parents[2]
CODE = ROOT / "mlops_code"
WEEKLY = {"recipe": "same_weekday_mean", "weeks": 8}
RIDGE = {"recipe": "ridge_direct", "alpha": 1.0, "scaled": True}
BOOSTING = {"recipe": "histgb_direct", "rounds": 100, "leaves": 15, "min_rows": 50, "rate": 0.1, "scaled": True}
MEGABYTE = 1024  # ru_maxrss is in kilobytes


def table_of(frame: pd.DataFrame, series: int, path: Path) -> int:
    """Write a table with a row for each day and series that is not zero; returns its number of rows."""
    values = frame.to_numpy(np.int64)
    parts = []
    for number in range(series):
        column = values[:, number % values.shape[1]] * (1 + number // values.shape[1] % 3)
        active = np.flatnonzero(column)
        parts.append(pd.DataFrame({"Day": frame.index[active], "Item": f"item{number}", "Units": column[active]}))
    rows = pd.concat(parts)
    rows.to_csv(path, index=False)
    return len(rows)


def problem_of(path: Path, boosting: bool) -> Path:
    """Write product_sales.yml with the columns of the table, by default without boosting; returns its path."""
    problem = yaml.safe_load((CODE / "problems/product_sales.yml").read_text())
    problem["source"] = {"date": "Day", "measures": ["Units"]}
    problem["series"] |= {"keys": ["Item"], "measure": "Units", "min_active_days": 1}
    problem["gate"]["guards"] = {"bias": None}
    if not boosting:
        candidates = problem["training"]["candidates"]
        problem["training"]["candidates"] = [each for each in candidates if each["recipe"] != BOOSTING["recipe"]]
    path.write_text(yaml.safe_dump(problem))
    return path


def only(problem: Path, recipe: dict[str, object], path: Path) -> Path:
    """Write the same problem with one candidate; returns its path."""
    document = yaml.safe_load(problem.read_text())
    document["training"]["candidates"] = [recipe]
    path.write_text(yaml.safe_dump(document))
    return path


def timed(step: str, *arguments: object) -> tuple[float, float, float]:
    """Run a step; returns its seconds, CPU seconds and peak memory in megabytes.

    Raises: SystemExit for any exit code but 0 and 3 (refused by the gate).
    """
    started = time.perf_counter()
    words = [sys.executable, str(CODE / f"{step}.py"), *map(str, arguments)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        said = process.stdout.read() if process.stdout else ""
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode not in (0, 3):
        raise SystemExit(said)
    return time.perf_counter() - started, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / MEGABYTE


def measure(frame: pd.DataFrame, series: int, boosting: bool) -> str:
    """Return one row of the table."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        rows = table_of(frame, series, folder / "data.csv")
        problem = problem_of(folder / "problem.yml", boosting)
        at = {name: folder / name for name in ("series", "candidate", "champion", "costliest", "evaluation")}
        found = [timed("prepare", "--problem", problem, "--data", folder / "data.csv", "--series", at["series"])]
        for name, recipe in (("champion", WEEKLY), ("costliest", BOOSTING if boosting else RIDGE)):
            alone = only(problem, recipe, folder / f"{name}.yml")
            timed("train", "--problem", alone, "--series", at["series"], "--candidate", at[name])
        found.append(timed("train", "--problem", problem, "--series", at["series"], "--candidate", at["candidate"]))
        words = ("--problem", problem, "--candidate", at["costliest"], "--champion", at["champion"])
        found.append(timed("evaluate", *words, "--evaluation", at["evaluation"]))
        model = (at["costliest"] / "model.json").stat().st_size / 1e6
    seconds, busy, memory = zip(*found, strict=True)
    cells = [*(f"{second:.1f}" for second in seconds), f"**{sum(seconds):.1f}**", f"{sum(busy):.1f}"]
    return f"| {series} | {rows} | {' | '.join(cells)} | {max(memory):.0f} | {model:.1f} |"


def main() -> int:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="row per day, column per series (.csv, .csv.gz)")
    parser.add_argument("--series", type=int, nargs="+", default=[100, 500, 2000, 5000, 20000])
    parser.add_argument("--boosting", action="store_true", help="with gradient boosting among the candidates")
    args = parser.parse_args()
    frame = pd.read_csv(args.data, index_col=0, parse_dates=True)
    print(f"load of the machine {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores\n")
    steps = " | ".join(f"{step} s" for step in ("prepare", "train", "evaluate"))
    print(f"| series | rows | {steps} | all s | all, CPU s | largest process MB | model file MB |")
    print(f"|{'---|' * 9}")
    for series in args.series:
        print(measure(frame, series, args.boosting), flush=True)
    print(f"\nload afterwards {os.getloadavg()[0]:.1f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
