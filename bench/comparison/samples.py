"""What one measurement gives."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

FIRST, AGAIN = "first", "again"


@dataclass(frozen=True)
class Sample:
    """One time: of which row, of the first or of the unchanged second run, in seconds of wall time.

    cpu: processor seconds of all that belongs to it, None where a part of a process was measured. others: how many
    cores the rest of the machine kept busy meanwhile.
    """

    row: str
    run: str
    seconds: float
    cpu: float | None
    others: float


def seconds_of(samples: Sequence[Sample], row: str, run: str) -> list[float]:
    """Wall times of a row's first or second runs."""
    return [sample.seconds for sample in samples if (sample.row, sample.run) == (row, run)]


def cpu_of(samples: Sequence[Sample], row: str, run: str) -> list[float]:
    """Processor times of a row's first or second runs; empty for a part of a process."""
    chosen = [sample for sample in samples if (sample.row, sample.run) == (row, run)]
    return [sample.cpu for sample in chosen if sample.cpu is not None]
