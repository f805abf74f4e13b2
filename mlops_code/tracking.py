"""The run that a step script belongs to: metrics, tags, files, and the outcome on its parent.

Run alone on plain files, a step has no run; then the same calls print what would have been recorded.
Only this module and registry.py import azureml, and only inside functions, so that a step needs no SDK to run alone.
"""

from __future__ import annotations

import errno
import os
import sys
import tempfile
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

from forecasting.errors import ContractError, ForecastingError, RefusedError

RUN_ID_VARIABLE = "AZUREML_RUN_ID"
CHAMPION, SINCE = "champion", "champion_since"  # tags of a model version
FAILURES_FILE = "contract_failures.csv"
UNWRITABLE = frozenset(
    (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOSPC, errno.ENOTDIR, errno.EISDIR, errno.EEXIST)
)
"""What a place is at fault for, and not our code."""


def say(text: str, **facts: object) -> None:
    """Print a line with key=value facts to the step's log."""
    sys.stdout.write(" ".join([text, *(f"{key}={value}" for key, value in facts.items())]) + "\n")
    sys.stdout.flush()


class Run(Protocol):
    """What a step may do to its run."""

    @property
    def id(self) -> str:
        """Id of the pipeline run, which outcome, model and decision are recorded under."""

    @property
    def step_id(self) -> str:
        """Id of the step's own run."""

    @property
    def workspace(self) -> Any | None:
        """The workspace of the run; None where the step runs alone."""

    def log(self, metrics: Mapping[str, float]) -> None:
        """Record metrics of this step."""

    def tag(self, tags: Mapping[str, str]) -> None:
        """Tag this step."""

    def attach(self, path: Path) -> None:
        """Keep a file with the pipeline run under its own name."""

    def record(self, outcome: str, reason: str, facts: Mapping[str, str]) -> None:
        """Record the outcome of the pipeline run, once."""

    def accepted_rows(self, model_name: str, problem: str) -> int | None:
        """Rows of the data that the champion of a problem was trained on; None where there is no champion."""


class LoneRun:
    """Stand-in for a step that runs alone: prints instead of recording."""

    id = step_id = "alone"
    workspace: Any | None = None

    def log(self, metrics: Mapping[str, float]) -> None:
        say("metrics", **{name: f"{value:.6g}" for name, value in metrics.items()})

    def tag(self, tags: Mapping[str, str]) -> None:
        say("tags", **tags)

    def attach(self, path: Path) -> None:
        say("file", path=path)

    def record(self, outcome: str, reason: str, facts: Mapping[str, str]) -> None:
        say("recorded", outcome=outcome, reason=reason, **facts)

    def accepted_rows(self, model_name: str, problem: str) -> int | None:  # noqa: ARG002 - no registry to ask
        return None


class SubmittedRun:
    """A step of a submitted pipeline. The service is asked only when the step has something to record."""

    @cached_property
    def _step(self) -> Any:
        from azureml.core import Run as SdkRun

        return SdkRun.get_context(allow_offline=False)

    @cached_property
    def _pipeline(self) -> Any:
        return self._step.parent or self._step  # a script run submitted by itself has no parent

    @property
    def id(self) -> str:
        return str(self._pipeline.id)

    @property
    def step_id(self) -> str:
        return str(self._step.id)

    @property
    def workspace(self) -> Any:
        return self._step.experiment.workspace

    def log(self, metrics: Mapping[str, float]) -> None:
        for name, value in metrics.items():
            self._step.log(name, value)

    def tag(self, tags: Mapping[str, str]) -> None:
        self._step.set_tags(dict(tags))

    def attach(self, path: Path) -> None:
        self._pipeline.upload_file(path.name, str(path))

    def record(self, outcome: str, reason: str, facts: Mapping[str, str]) -> None:
        """Properties are write-once: what an earlier step has recorded stands, and the log says so."""
        recorded = self._pipeline.get_properties().get("outcome")
        if recorded is not None:
            say("outcome stands", recorded=recorded, not_recorded=outcome, reason=reason)
            return
        self._pipeline.add_properties({"outcome": outcome, "reason": reason, **facts})
        self._pipeline.set_tags({"outcome": outcome, "reason": reason})
        say("recorded", outcome=outcome, reason=reason)

    def accepted_rows(self, model_name: str, problem: str) -> int | None:
        from azureml.core import Model

        champions = Model.list(self.workspace, name=model_name or None, tags=[[CHAMPION, problem]])
        newest = max(champions, key=lambda model: str(model.tags.get(SINCE, "")), default=None)
        rows = newest.properties.get("data_rows") if newest is not None else None
        return int(rows) if rows else None


def today() -> date:
    """The day of the run, UTC. Steps hand it to the pure code, which knows no clock."""
    return datetime.now(UTC).date()


def current_run() -> Run:
    """The run of this process: submitted when Azure ML has set its variables, else a stand-in."""
    if RUN_ID_VARIABLE not in os.environ:
        return LoneRun()
    return SubmittedRun()


def guarded(step: Callable[[Run], int], failures: Path | None = None) -> int:
    """Run a step and turn the mistakes that we name into a message and an exit code.

    A refusal is recorded as the outcome `failed` before the step ends; anything unforeseen stays a traceback,
    which is a fault of the code and not of its user. The table of a broken contract is kept with the run, and in the
    file `failures` where one is named.
    """
    run = current_run()
    try:
        return step(run)
    except RefusedError as refusal:
        sys.stderr.write(f"refused: {refusal}\n")
        if isinstance(refusal, ContractError):
            _keep_failures(run, refusal, failures)
        run.record("failed", refusal.reason, refusal.facts)
        return refusal.exit_code
    except ForecastingError as mistake:
        sys.stderr.write(f"error: {mistake}\n")
        return mistake.exit_code
    except OSError as fault:
        # On the compute a place that cannot be written is a fault, whose traceback belongs into the log.
        if fault.errno not in UNWRITABLE or not isinstance(run, LoneRun):
            raise
        where = fault.filename or "A file"
        sys.stderr.write(f"error: {where}: {fault.strerror}. Name a place that you may write to, then repeat.\n")
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
