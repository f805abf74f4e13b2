"""Medians, the table of them, and the aims. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from bench.comparison.samples import AGAIN, FIRST, Sample, cpu_of, seconds_of

LABELS = {
    "dvc": "`dvc repro`, whole process",
    "scripts": "the four scripts one after another, no runner",
    "from_nothing": "local_azure, whole process: server start, client, server stop",
    "from_nothing_warm": "local_azure from nothing, preloaded (`exec --warm`)",
    "server_up": "local_azure, whole client process, server up",
    "server_up_warm": "local_azure, server up, preloaded (`exec --warm`)",
    "four": "local_azure, server up: submit to Finished, the same four steps",
    "five": "local_azure, server up: submit to Finished, five steps that log a metric",
    "rehearse": "`make run` of this template, whole process",
    "rehearse_run": "of that, its run of five steps (prepare to deploy), until Finished",
}
# Rows that do dvc's four steps; a ratio of other work would say nothing.
COMPARED = ("dvc", "scripts", "from_nothing", "from_nothing_warm", "server_up", "server_up_warm", "four")
# Ratios to dvc of the preloaded rows: first run, unchanged second run.
PRELOADED_RATIOS = {"from_nothing_warm": (0.6, 3.5), "server_up_warm": (0.4, 1.0)}
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


def _cells(samples: Sequence[Sample], row: str, turn: str) -> list[str]:
    """Wall time, its ratio to dvc's, processor time; dashes for what was not measured."""
    seconds, cpu = seconds_of(samples, row, turn), cpu_of(samples, row, turn)
    baseline = seconds_of(samples, "dvc", turn)
    compared = bool(seconds and baseline and row in COMPARED)
    return [
        summary(seconds) if seconds else "-",
        f"{median(seconds) / median(baseline):.2f}" if compared else "-",
        f"{median(cpu):.1f}" if cpu else "-",
    ]


def table(samples: Sequence[Sample]) -> str:
    """A Markdown table: a row a runner, the first and the unchanged second run, each with its ratio to dvc."""
    lines = [
        "| what | first run, s: median (min-max) | ratio to dvc | CPU s | second run, s | ratio to dvc | CPU s |",
        "|---|---|---|---|---|---|---|",
    ]
    for row, label in LABELS.items():
        if seconds_of(samples, row, FIRST):
            cells = [label, *_cells(samples, row, FIRST), *_cells(samples, row, AGAIN)]
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def aims(samples: Sequence[Sample]) -> list[Aim]:
    """The aims that the measured rows can judge."""
    found = []
    for row, what in (("five", "five steps that log a metric"), ("rehearse_run", "the five steps of this template")):
        if seconds := seconds_of(samples, row, FIRST):
            found.append(
                Aim(
                    f"server up, submit to Finished under {FIVE_STEPS_SECONDS:g} s: {what}",
                    f"{median(seconds):.2f} s",
                    median(seconds) < FIVE_STEPS_SECONDS,
                )
            )
    found += _preloaded_aims(samples)
    dvc = seconds_of(samples, "dvc", FIRST)
    for row, what in (("from_nothing", "server started and stopped"), ("server_up", "server up")):
        if dvc and (seconds := seconds_of(samples, row, FIRST)):
            found.append(
                Aim(
                    f"whole process no slower than dvc cold: {what}",
                    f"{median(seconds):.2f} s against {median(dvc):.2f} s",
                    median(seconds) <= median(dvc),
                )
            )
    return found


def _preloaded_aims(samples: Sequence[Sample]) -> list[Aim]:
    """What preloaded clients are to reach, as ratios to dvc."""
    found = []
    for row, ratios in PRELOADED_RATIOS.items():
        for turn, most in zip((FIRST, AGAIN), ratios, strict=True):
            own, other = seconds_of(samples, row, turn), seconds_of(samples, "dvc", turn)
            if own and other:
                ratio = median(own) / median(other)
                found.append(Aim(f"{row}, {turn} run: at most {most:g} of dvc", f"{ratio:.2f}", ratio <= most))
    return found
