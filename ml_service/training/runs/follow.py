"""Follow a pipeline run: each step with its state and seconds, live on a terminal, a line a change elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from rich.live import Live
from rich.table import Table

from azure_ml.errors import ExplainedError
from azure_ml.pipelines.runs import ENDED, Run, RunStatus, StepState
from ml_service.errors import FaultError, TimedOutError
from ml_service.output.console import Terminal
from ml_service.output.failures import explain

_POLL_SECONDS = 0.25
_LONGEST_POLL_SECONDS = 5.0
_PATIENCE_SECONDS = 60.0
LOG_LINES = 50
_STYLES: dict[str, str] = {RunStatus.FINISHED: "green", RunStatus.FAILED: "red", RunStatus.CANCELED: "yellow"}


@dataclass(frozen=True)
class Followed:
    """How a run ended."""

    status: str
    steps: tuple[StepState, ...]
    seconds: float
    """Wall time from the first poll to the end."""


def how_to_follow(run_id: str) -> str:
    """The command that picks a run up again."""
    return f"python -m ml_service run --follow {run_id}"


def shown_seconds(step: StepState) -> str:
    """The time of a step as a user reads it."""
    return "" if step.seconds is None else f"{step.seconds:.1f} s"


def shown_status(step: StepState) -> str:
    """The state of a step, with `reused` where nothing was computed."""
    return f"{step.status} (reused)" if step.reused else step.status


def follow(run: Run, terminal: Terminal, timeout_minutes: float, wait_minutes: float | None = None) -> Followed:
    """Wait for the end of a run. wait_minutes: return its state after this time; the run continues.

    Raises: TimedOutError (the run is then canceled); FaultError if the service does not respond (the run continues).
    """
    started = time.monotonic()
    with _progress(terminal) as show:
        while True:
            elapsed = time.monotonic() - started
            status, steps = _poll(run)
            show(status, steps, elapsed)
            if status in ENDED or (wait_minutes is not None and elapsed >= wait_minutes * 60):
                return Followed(status=status, steps=steps, seconds=elapsed)
            if elapsed > timeout_minutes * 60:
                raise _canceled(run, timeout_minutes, steps)
            time.sleep(pause(elapsed))


def pause(elapsed: float) -> float:
    """Seconds until the next poll: quick in the first minute, then ever slower up to five seconds."""
    if elapsed < _PATIENCE_SECONDS:
        return _POLL_SECONDS
    return min(_LONGEST_POLL_SECONDS, _POLL_SECONDS + (elapsed - _PATIENCE_SECONDS) / 12)


def _poll(run: Run) -> tuple[str, tuple[StepState, ...]]:
    try:
        # The status first: when it says that the run ended, the steps read after it are final too.
        return run.read_status(), run.read_steps()
    except Exception as error:
        known = explain(error)
        if known is None:
            raise
        raise FaultError(
            f"cannot reach the service to follow run {run.id}; the run continues",
            found=str(known),
            todo=f"follow it again: {how_to_follow(run.id)}",
        ) from error


def last_log_lines(run: Run, step: StepState) -> list[str]:
    """The end of a step's own output; empty when it wrote none."""
    return run.read_step_log(step).splitlines()[-LOG_LINES:]


def _canceled(run: Run, timeout_minutes: float, steps: tuple[StepState, ...]) -> ExplainedError:
    running = [step.name for step in steps if step.status not in ENDED]
    try:
        run.cancel()
        did = "the run was canceled"
    except Exception as error:
        known = explain(error)
        if known is None:
            raise
        did = f"canceling it failed too ({known.happened}): cancel it in the studio"
    return TimedOutError(
        f"run {run.id} did not end within {timeout_minutes:g} minutes; {did}",
        found=f"still running: {', '.join(running) or 'no step'}",
        todo="allow more time with --timeout; the first run on a new cluster also builds its image",
    )


_Show = Callable[[str, tuple[StepState, ...], float], None]


@contextmanager
def _progress(terminal: Terminal) -> Iterator[_Show]:
    if not terminal.progress.is_terminal:
        yield _Lines(terminal)
        return
    with Live(console=terminal.progress, refresh_per_second=8, transient=True) as live:

        def show(status: str, steps: tuple[StepState, ...], elapsed: float) -> None:
            live.update(_table(status, steps, elapsed))

        yield show


class _Lines:
    """A line for each change of a step, for logs that cannot be redrawn."""

    def __init__(self, terminal: Terminal) -> None:
        self._terminal = terminal
        self._last: dict[str, str] = {}

    def __call__(self, _status: str, steps: tuple[StepState, ...], elapsed: float) -> None:
        for step in steps:
            if self._last.get(step.run_id) != step.status:
                self._last[step.run_id] = step.status
                self._terminal.err(f"  {elapsed:6.1f} s  {step.name:<10} {shown_status(step)}")


def _table(status: str, steps: tuple[StepState, ...], elapsed: float) -> Table:
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_row(f"run {status}", "", f"{elapsed:.1f} s", style="bold")
    for step in steps:
        style = _STYLES.get(step.status, "dim")
        table.add_row(f"  {step.name}", shown_status(step), shown_seconds(step), style=style)
    return table
