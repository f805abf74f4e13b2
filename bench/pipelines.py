"""How long the YAML of this project takes to check and to expand."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from statistics import median

from bench.load import Row
from bench.measuring.processes import run
from local_azure.pipelines.check.pipeline_check import check

ROOT = Path(__file__).resolve().parent.parent
FILES = sorted((ROOT / ".pipelines").glob("*.yml"))
REPETITIONS = 5
CHECK_SECONDS, EXPAND_SECONDS = 2.0, 0.2


def measure() -> tuple[list[Row], list[str]]:
    """Rows of the table, and the aims that were missed."""
    command = [sys.executable, "-m", "local_azure", "pipelines", "check", *map(str, FILES)]
    checking = median(run(command, ROOT).seconds for _ in range(REPETITIONS))
    check(FILES[0])  # reads the schema
    expanding = median(_expansion_seconds(file) for file in FILES for _ in range(REPETITIONS))
    figures = [
        (f"check of all {len(FILES)} pipelines, whole process", checking, CHECK_SECONDS),
        ("check and expansion of one pipeline", expanding, EXPAND_SECONDS),
    ]
    rows = [(what, f"{seconds:.2f} s (aim: under {aim:g} s)") for what, seconds, aim in figures]
    return rows, [f"{what}: {seconds:.2f} s" for what, seconds, aim in figures if seconds >= aim]


def _expansion_seconds(file: Path) -> float:
    started = time.perf_counter()
    check(file)
    return time.perf_counter() - started
