"""What every step script does with its run: log, print, record, and turn failures into exit codes.

Run alone on plain files, a step has no run; then the same calls print what would have been recorded.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from pathlib import Path
from time import monotonic

from azure_ml.errors import AzureMlError
from azure_ml.step_run import StepRun, ended_before_training, is_submitted
from azure_ml.workspace import Workspace
from forecasting.errors import (
    FAILURES_FILE,
    ContractError,
    ForecastingError,
    RefusedError,
    is_about_a_place,
    printable,
)

QUIET_SECONDS = 3.0  # between two lines about the progress of a backtest


def say(text: str, **facts: object) -> None:
    """Print a line with key=value facts to the step's log."""
    line = " ".join([text, *(f"{key}={value}" for key, value in facts.items())])
    sys.stdout.write(printable(line) + "\n")
    sys.stdout.flush()


def throttled_progress() -> Callable[[str, int, int], None]:
    """Return a progress callback for a backtest that prints at most one line every few seconds."""
    last_line = monotonic()

    def progress(label: str, done: int, fits: int) -> None:
        nonlocal last_line
        if monotonic() - last_line >= QUIET_SECONDS:
            last_line = monotonic()
            say("backtest", recipe=label, fits=f"{done}/{fits}")

    return progress


class LoneRun:
    """Replaces StepRun when a step runs without Azure ML: prints what a StepRun records."""

    id = step_id = "alone"
    workspace: Workspace | None = None

    def log(self, metrics: Mapping[str, float]) -> None:
        say("metrics", **{name: f"{value:.6g}" for name, value in metrics.items()})

    def tag(self, tags: Mapping[str, str]) -> None:
        say("tags", **tags)

    def attach(self, path: Path) -> None:
        say("file", path=path)

    def record(self, outcome: str, reason: str, facts: Mapping[str, str]) -> str | None:
        say("recorded", outcome=outcome, reason=reason, **facts)
        return None


Run = StepRun | LoneRun
PASSED_FILE = "nothing_to_do.txt"


def record_outcome(run: Run, outcome: str, reason: str, facts: Mapping[str, str]) -> None:
    """Record the outcome of the pipeline run; where an earlier step has recorded one, that stands, and we say so."""
    recorded = run.record(outcome, reason, facts)
    if recorded is not None:
        say("outcome stands", recorded=recorded, not_recorded=outcome, reason=reason)


def today() -> date:
    """The day of the run, UTC. Steps hand it to the pure code, which knows no clock."""
    return datetime.now(UTC).date()


def add_scheduled_argument(parser: argparse.ArgumentParser) -> None:
    """The argument of a step of the scheduled pipeline."""
    parser.add_argument(
        "--scheduled", action="store_true", help="in a scheduled run: do nothing where its first step has ended it"
    )


def unless_ended(args: argparse.Namespace, output: Path | None, step: Callable[[Run], int]) -> Callable[[Run], int]:
    """A step that does nothing in a scheduled run that its first step has ended: it would train nothing new.

    output: the folder that the next step mounts, which must not be empty.
    """

    def careful(run: Run) -> int:
        ended = ended_before_training(run.recorded()) if args.scheduled and isinstance(run, StepRun) else ""
        if not ended:
            return step(run)
        say("nothing to do", reason=ended)
        if output is not None:
            output.mkdir(parents=True, exist_ok=True)
            (output / PASSED_FILE).write_text(f"{ended}\n", encoding="utf-8")
        return 0

    return careful


def guarded(step: Callable[[Run], int], failures: Path | None = None) -> int:
    """Run a step and turn the failures that we name into a message and an exit code.

    A refusal is recorded as the outcome `failed` before the step ends; anything unforeseen stays a traceback,
    which is a fault of the code and not of its user. The table of data contract violations is kept with the run, and
    in the file `failures` where one is named.
    """
    run: Run = StepRun() if is_submitted() else LoneRun()
    try:
        return step(run)
    except RefusedError as refusal:
        sys.stderr.write(f"refused: {printable(str(refusal))}\n")
        if isinstance(refusal, ContractError):
            _keep_failures(run, refusal, failures)
        record_outcome(run, "failed", refusal.reason, refusal.facts)
        return refusal.exit_code
    except (ForecastingError, AzureMlError) as mistake:
        sys.stderr.write(f"error: {printable(str(mistake))}\n")
        return mistake.exit_code
    except OSError as fault:
        # On the compute a place that cannot be written is a fault, whose traceback belongs into the log.
        if isinstance(run, StepRun) or not is_about_a_place(fault):
            raise
        where = fault.filename or "A file"
        sys.stderr.write(
            f"error: {printable(str(where))}: {fault.strerror}. Name a place that you may write to, then repeat.\n"
        )
        return 2


def _keep_failures(run: Run, refusal: ContractError, failures: Path | None) -> None:
    if failures is not None:
        failures.parent.mkdir(parents=True, exist_ok=True)
        failures.write_text(refusal.table(), encoding="utf-8")
        say("file", path=failures)
    if run.workspace is not None:
        with tempfile.TemporaryDirectory() as scratch:
            path = Path(scratch) / FAILURES_FILE
            path.write_text(refusal.table(), encoding="utf-8")
            run.attach(path)
