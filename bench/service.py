"""What local_azure guarantees, in one table: YAML, steps, reruns, refusals, a long history, many clients.

    python -m bench.service [--runs 10000] [--clients 50] [--seconds 10]

Exit codes: 0 measured and all aims met, 1 an aim missed or a fault, 2 wrong arguments.
"""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

from bench import load, pipelines
from bench.measuring.processes import BenchError, local_azure, run, server

ROOT = Path(__file__).resolve().parent.parent
HOME = ROOT / ".bench/service"
CLIENT = ROOT / "bench/sdk/service_figures.py"
SILENT = ROOT / "bench/sdk/silent_step/log_metric.py"
STEPS = 5
METRIC_SECONDS, FIVE_SECONDS, AGAIN_SECONDS, REFUSAL_SECONDS = 0.4, 4.0, 0.5, 1.0


def _plain_seconds() -> float:
    """The script without azureml as a process of its own, without any service."""
    return median(run([sys.executable, str(SILENT), "--number", "1"], HOME).seconds for _ in range(STEPS))


def step_rows(answer: dict[str, Any], plain: float) -> tuple[list[load.Row], list[str]]:
    """Rows and missed aims of what the SDK program has measured. plain: seconds of the script alone."""
    metric = median(answer["logging"]) / STEPS - plain
    figures = [
        ("a step that logs a metric, above its script alone, server side", metric, METRIC_SECONDS),
        ("five such steps one after another, submit to Finished", median(answer["client"]), FIVE_SECONDS),
        ("the same again, unchanged, server side", median(answer["again"]), AGAIN_SECONDS),
        ("a call that is not implemented, until the exception", answer["refusal"]["seconds"], REFUSAL_SECONDS),
    ]
    rows = [(what, f"{seconds:.2f} s (aim: under {aim:g} s)") for what, seconds, aim in figures]
    silent = median(answer["silent"]) / STEPS - plain
    rows.insert(1, ("a step without azureml, above its script alone, server side", f"{silent:.2f} s"))
    missed = [f"{what}: {seconds:.2f} s" for what, seconds, aim in figures if seconds >= aim]
    text = answer["refusal"]["text"]
    if "COVERAGE.md" not in text or "/PipelineDrafts" not in text:
        missed.append(f"the refusal names no route or not COVERAGE.md: {text}")
    return rows, missed


def measure_steps() -> tuple[list[load.Row], list[str]]:
    """Start a server, let the SDK program work against it, stop it."""
    shutil.rmtree(HOME, ignore_errors=True)
    HOME.mkdir(parents=True)
    state = HOME / "state"
    with server(state, HOME) as pids:
        command = [*local_azure(state, "exec"), "--", sys.executable, str(CLIENT)]
        done = run(command, HOME, helpers=pids)
    return step_rows(json.loads(done.output.strip().splitlines()[-1]), _plain_seconds())


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and print."""
    arguments = load.arguments(argv, "python -m bench.service")
    try:
        measured = [pipelines.measure(), measure_steps(), load.measure(arguments)]
    except BenchError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return load.report(
        [row for rows, _ in measured for row in rows], [text for _, missed in measured for text in missed]
    )


if __name__ == "__main__":
    raise SystemExit(main())
