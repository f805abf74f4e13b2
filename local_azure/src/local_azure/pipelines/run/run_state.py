"""What all parts of a running pipeline share: its record, its host, secrets, cancellation and progress."""

import threading
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from local_azure.pipelines.run.agent.masking import Masker
from local_azure.pipelines.run.builds.record import Decision
from local_azure.pipelines.run.builds.server import ServedBuilds
from local_azure.pipelines.run.record import RunRecord
from local_azure.pipelines.run.results import Result

# Lines of a failed step that are shown when it has ended.
SHOWN_LINES = 40


@dataclass(frozen=True)
class Question:
    """Whether a stage may deploy to an environment. stage, title: its name and what people read."""

    environment: str
    stage: str
    title: str
    approval_id: str
    """Under which others may answer first."""


class RunHost(Protocol):
    """What a run needs of the program that started it."""

    def write(self, line: str) -> None:
        """Show a line of progress."""

    def azure_environment(self, environment: Mapping[str, str]) -> dict[str, str]:
        """Return the environment of an Azure client, based on that of a script."""

    def next_revision(self, name: str) -> int:
        """Count the runs of a name, from 1."""

    def approve(self, run: "RunState", question: Question) -> Decision | None:
        """Decide as an approver would; None: nobody has decided."""


@dataclass
class RunState:
    """A running pipeline. `canceled` leaves time to steps with always(), `aborted` ends these too.

    queued: file and values that it was queued with, so that somebody can queue it again.
    """

    repository: Path
    record: RunRecord
    host: RunHost
    served: ServedBuilds
    parallel: int = 2
    verbose: bool = False
    queued: Mapping[str, object] = field(default_factory=dict)
    canceled: threading.Event = field(default_factory=threading.Event)
    aborted: threading.Event = field(default_factory=threading.Event)
    lock: threading.RLock = field(default_factory=threading.RLock)
    _started: float = field(init=False, default_factory=time.monotonic)

    @property
    def masker(self) -> Masker:
        """The masks of the secrets of this run."""
        return self.record.masker

    def say(self, text: str) -> None:
        """Show a line of progress with the time since the start."""
        with self.lock:
            self.host.write(self.masker.mask(f"{time.monotonic() - self._started:6.1f} s  {text}"))

    def job_line(self, label: str, line: str) -> None:
        """Log a line of a job's output; show it in a verbose run."""
        with self.lock:
            self.record.write_log(label, line)
            if self.verbose:
                self.host.write(f"          {label} | {line}")

    def ended(self, what: str, result: Result, since: float, lines: Iterable[str] = ()) -> None:
        """Show the end of a stage, job or step, and of a failed step the end of its output."""
        with self.lock:
            self.say(f"{what}: {result} ({time.monotonic() - since:.1f} s)")
            if result in (Result.FAILED, Result.CANCELED) and not self.verbose:
                for line in lines:
                    self.host.write(f"          | {line}")
