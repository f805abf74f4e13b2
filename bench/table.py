"""Medians, the table of them, and the aims. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median

Times = Mapping[tuple[str, str], Sequence[float]]
"""Seconds by row and run (`first` or `again`)."""

LABELS = {
    "dvc": "`dvc repro`, whole process",
    "scripts": "the four scripts one after another, no runner",
    "from_nothing": "local_azure, whole process: server start, client, server stop",
    "server_up": "local_azure, whole client process, server up",
    "four": "local_azure, server up: submit to Finished, the same four steps",
    "five": "local_azure, server up: submit to Finished, five steps that log a metric",
    "rehearse": "`make run` of this template, whole process",
    "rehearse_run": "of that, its run of five steps (prepare to deploy), until Finished",
}
# Rows that do dvc's four steps; a ratio of other work would say nothing.
COMPARED = ("dvc", "scripts", "from_nothing", "server_up", "four")
FIVE_STEPS_SECONDS = 3.0


@dataclass(frozen=True)
class Aim:
    """One aim: what it says, what was measured, whether that meets it."""

    text: str
    measured: str
    met: bool


def summary(seconds: Sequence[float]) -> str:
    """`median (min-max)`, in seconds with two digits."""
    return f"{median(seconds):.2f} ({min(seconds):.2f}-{max(seconds):.2f})"


def _cells(times: Times, row: str, turn: str) -> tuple[str, str]:
    seconds, yardstick = times.get((row, turn)), times.get(("dvc", turn))
    if not seconds:
        return "-", "-"
    ratio = f"{median(seconds) / median(yardstick):.2f}" if yardstick and row in COMPARED else "-"
    return summary(seconds), ratio


def table(times: Times) -> str:
    """A Markdown table: a row a runner, the first and the unchanged second run, each with its ratio to dvc."""
    lines = [
        "| what | first run, s: median (min-max) | ratio to dvc | unchanged second run, s | ratio to dvc |",
        "|---|---|---|---|---|",
    ]
    for row, label in LABELS.items():
        if (row, "first") in times:
            cells = (label, *_cells(times, row, "first"), *_cells(times, row, "again"))
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def aims(times: Times) -> list[Aim]:
    """The aims that the measured rows can judge."""
    found = []
    for row, what in (("five", "five steps that log a metric"), ("rehearse_run", "the five steps of this template")):
        if seconds := times.get((row, "first")):
            found.append(
                Aim(
                    f"server up, submit to Finished under {FIVE_STEPS_SECONDS:g} s: {what}",
                    f"{median(seconds):.2f} s",
                    median(seconds) < FIVE_STEPS_SECONDS,
                )
            )
    dvc = times.get(("dvc", "first"))
    for row, what in (("from_nothing", "server started and stopped"), ("server_up", "server up")):
        if dvc and (seconds := times.get((row, "first"))):
            found.append(
                Aim(
                    f"whole process no slower than dvc cold: {what}",
                    f"{median(seconds):.2f} s against {median(dvc):.2f} s",
                    median(seconds) <= median(dvc),
                )
            )
    return found
