"""How runs look on a terminal: a table of the newest, one run with its steps, its metrics."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from typing import Any

import click

from local_azure.cli.output.terminal import printable
from local_azure.cli.workspace.service_client import Document

_COLORS = {"Completed": "green", "Failed": "red", "Canceled": "yellow", "Running": "cyan"}
_WIDEST = 48  # characters of one cell; ids of runs have 36
_ERROR_LINES = 15


def table(runs: Sequence[Document]) -> Iterator[str]:
    """Yield the lines of a table of runs with a heading."""
    rows = [("RUN", "EXPERIMENT", "STATUS", "CREATED (UTC)", "TOOK", "NAME")]
    rows += [
        (run["runId"], run["experiment"], run["status"], _moment(run["createdUtc"]), _took(run), _name(run))
        for run in runs
    ]
    yield from _aligned(rows, status_column=2)


def one_run(run: Document, steps: Sequence[Document]) -> Iterator[str]:
    """Yield one run: what it is, its error first, then its steps and tags."""
    yield f"{_name(run)}  {_colored(run['status'], run['status'])}  took {_took(run)}"
    yield f"  run {run['runId']} of experiment {_cell(run['experiment'])}, created {_moment(run['createdUtc'])} UTC"
    yield from (f"  error: {line}" for line in error_lines(run))
    if steps:
        depth = _depths(run["runId"], steps)
        rows = [
            ("  " * depth[step["runId"]] + _name(step), step["status"], _took(step), _reused(step), step["runId"])
            for step in steps
        ]
        yield "  steps:"
        yield from (f"    {line}" for line in _aligned(rows, status_column=1))
    yield from (f"  warning: {_cell(each.get('message'))}" for each in run.get("warnings") or [])
    yield from (f"  tag {_cell(name)} = {_cell(value)}" for name, value in (run.get("tags") or {}).items())


def metric_lines(metrics: dict[str, list[dict[str, Any]]]) -> Iterator[str]:
    """Yield a line for each metric: a single value, or how many there are with their range."""
    for name, values in metrics.items():
        yield f"{_cell(name)}: {_summary(values)}"


def error_lines(run: Document) -> list[str]:
    """Return the message of a run's error, its last lines where it is long."""
    error = (run.get("error") or {}).get("error") or {}
    return printable(str(error.get("message") or "")).strip().splitlines()[-_ERROR_LINES:]


def _summary(values: list[dict[str, Any]]) -> str:
    if not values:
        return "no values"
    cells = [cell for value in values for cell in value.values()]
    numbers = [cell for cell in cells if isinstance(cell, int | float) and not isinstance(cell, bool)]
    one_column = all(len(value) == 1 for value in values)
    if len(values) == 1 and one_column:
        return _cell(cells[0])
    if one_column and len(numbers) == len(cells):
        extremes = f"lowest {min(numbers):g}, highest {max(numbers):g}"
        return f"{len(values)} values, first {numbers[0]:g}, last {numbers[-1]:g}, {extremes}"
    columns = ", ".join(_cell(name) for name in values[0])
    return f"{len(values)} {'row' if len(values) == 1 else 'rows'} of {columns}"


def _aligned(rows: Sequence[Sequence[str]], *, status_column: int) -> Iterator[str]:
    cells = [list(map(_cell, row)) for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for row in cells:
        padded = [text.ljust(width) for text, width in zip(row, widths, strict=True)]
        padded[status_column] = _colored(row[status_column], padded[status_column])
        yield "  ".join(padded).rstrip()


def _colored(status: str, text: str) -> str:
    return click.style(text, fg=_COLORS.get(status)) if status in _COLORS else printable(text)


def _cell(value: object) -> str:
    text = " ".join(printable(str(value)).split("\n"))
    return text if len(text) <= _WIDEST else text[: _WIDEST - 1] + "…"


def _name(run: Document) -> str:
    return _cell(run.get("displayName") or run.get("name") or run.get("scriptName") or run.get("runType") or "run")


def _reused(step: Document) -> str:
    return "reused" if str(step.get("properties", {}).get("azureml.isreused")).lower() == "true" else ""


def _moment(text: str) -> str:
    return f"{dt.datetime.fromisoformat(text):%Y-%m-%d %H:%M:%S}"


def _took(run: Document) -> str:
    if not run.get("startTimeUtc"):
        return "-"
    start = dt.datetime.fromisoformat(run["startTimeUtc"])
    end = dt.datetime.fromisoformat(run["endTimeUtc"]) if run.get("endTimeUtc") else dt.datetime.now(dt.UTC)
    seconds = (end - start).total_seconds()
    return f"{seconds:.1f} s" if seconds < 60 else f"{seconds // 60:.0f} min {seconds % 60:.0f} s"


def _depths(top: str, runs: Sequence[Document]) -> dict[str, int]:
    """Return how deep each run is below the first; a parent is before its children."""
    depth = {top: -1}
    for run in runs:
        depth[run["runId"]] = depth[run["parentRunId"]] + 1
    return depth
