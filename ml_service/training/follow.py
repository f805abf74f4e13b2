"""Follow a pipeline run: each step with its state and seconds, live on a terminal, a line a change elsewhere."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from azureml.core import Run
from rich.live import Live
from rich.table import Table

from ml_service.errors import FaultError, MlServiceError, TimedOutError
from ml_service.output.console import Terminal, quiet_sdk
from ml_service.output.failures import explain

ENDED = frozenset({"Finished", "Failed", "Canceled"})
_POLL_SECONDS = 0.25
_LONGEST_POLL_SECONDS = 5.0
_PATIENCE_SECONDS = 60.0
LOG_LINES = 50

_WORDS = {"Completed": "Finished"}
"""Run history says Completed where the pipeline says Finished; a user should see one word."""


@dataclass(frozen=True)
class StepState:
    """One step of a run at one moment."""

    name: str
    status: str
    seconds: float | None
    """Wall time so far; None before it starts. Of a reused step: the time the service needed to reuse it."""
    reused: bool
    run_id: str

    @property
    def shown_seconds(self) -> str:
        """The time as a user reads it."""
        return "" if self.seconds is None else f"{self.seconds:.1f} s"

    @property
    def shown_status(self) -> str:
        """The state, with `reused` where nothing was computed."""
        return f"{self.status} (reused)" if self.reused else self.status


@dataclass(frozen=True)
class Followed:
    """How a run ended."""

    status: str
    steps: tuple[StepState, ...]
    seconds: float
    """Wall time from the first look to the end."""


def how_to_follow(run_id: str) -> str:
    """The command that picks a run up again."""
    return f"python -m ml_service run --follow {run_id}"


def follow(run: Any, terminal: Terminal, timeout_minutes: float) -> Followed:
    """Wait for the end of a run.

    Raises: TimedOutError (the run is cancelled then); FaultError when the service stops answering (the run goes on).
    """
    started = time.monotonic()
    with _progress(terminal) as show:
        while True:
            elapsed = time.monotonic() - started
            status, steps = _look(run)
            show(status, steps, elapsed)
            if status in ENDED:
                return Followed(status=status, steps=steps, seconds=elapsed)
            if elapsed > timeout_minutes * 60:
                raise _cancelled(run, timeout_minutes, steps)
            time.sleep(pause(elapsed))


def pause(elapsed: float) -> float:
    """Seconds until the next look: quick in the first minute, then ever slower up to five seconds."""
    if elapsed < _PATIENCE_SECONDS:
        return _POLL_SECONDS
    return min(_LONGEST_POLL_SECONDS, _POLL_SECONDS + (elapsed - _PATIENCE_SECONDS) / 12)


def _look(run: Any) -> tuple[str, tuple[StepState, ...]]:
    try:
        # The status first: when it says that the run ended, the steps read after it are final too.
        return str(run.get_status()), read_steps(run)
    except Exception as error:
        known = explain(error)
        if known is None:
            raise
        raise FaultError(
            f"lost sight of run {run.id}; it goes on",
            found=str(known),
            todo=f"pick it up again: {how_to_follow(run.id)}",
        ) from error


def read_steps(run: Any) -> tuple[StepState, ...]:
    """The steps that have begun, in the order in which they began; one call to the service.

    The SDK's public `get_children` would make a Run with clients of its own for every step at every look, and keep
    them all for the life of the process; hence its own lower call (azureml/_run_impl/run_history_facade.py).
    """
    documents = run._client.get_descendants(root_run_id=run.id, recursive=False)
    steps = [_step(document) for document in documents]
    return tuple(step for _, step in sorted(steps, key=lambda item: item[0]))


def _step(document: Any) -> tuple[str, StepState]:
    begun, ended = document.start_time_utc, document.end_time_utc
    seconds = None
    if begun is not None:
        seconds = max(0.0, ((ended or datetime.now(UTC)) - begun).total_seconds())
    properties = document.properties or {}
    state = StepState(
        name=document.name or document.run_id,
        status=_WORDS.get(document.status, document.status),
        seconds=None if seconds is None else round(seconds, 3),
        reused=str(properties.get("azureml.isreused", "")).lower() == "true" or "azureml.reusedrunid" in properties,
        run_id=document.run_id,
    )
    return str(document.created_utc), state


def last_log_lines(run: Any, step: StepState, lines: int = LOG_LINES) -> list[str]:
    """The end of a step's own output; empty when it wrote none."""
    with quiet_sdk(), tempfile.TemporaryDirectory(prefix="ml_service_") as scratch:
        child = Run(run.experiment, step.run_id)
        names = sorted(child.get_details()["logFiles"], key=_log_preference)
        if not names:
            return []
        target = Path(scratch) / "log.txt"
        child.download_file(names[0], output_file_path=str(target))
        return target.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:]


def _log_preference(name: str) -> tuple[int, str]:
    """The user's own output first: std_log in the newer runtime, 70_driver_log in the older one."""
    for rank, part in enumerate(("std_log", "70_driver_log", "driver_log", "azureml-logs/", "user_logs/")):
        if part in name:
            return rank, name
    return 9, name


def _cancelled(run: Any, timeout_minutes: float, steps: tuple[StepState, ...]) -> MlServiceError:
    running = [step.name for step in steps if step.status not in ENDED]
    try:
        run.cancel()
        did = "the run was cancelled"
    except Exception as error:
        known = explain(error)
        if known is None:
            raise
        did = f"cancelling it failed too ({known.happened}): cancel it in the studio"
    return TimedOutError(
        f"run {run.id} did not end within {timeout_minutes:g} minutes; {did}",
        found=f"still at work: {', '.join(running) or 'no step'}",
        todo="allow more with --timeout; the first run on a new cluster also builds its image",
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
                self._terminal.note(f"  {elapsed:6.1f} s  {step.name:<10} {step.shown_status}")


def _table(status: str, steps: tuple[StepState, ...], elapsed: float) -> Table:
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_row(f"run {status}", "", f"{elapsed:.1f} s", style="bold")
    styles = {"Finished": "green", "Failed": "red", "Canceled": "yellow"}
    for step in steps:
        table.add_row(f"  {step.name}", step.shown_status, step.shown_seconds, style=styles.get(step.status, "dim"))
    return table
