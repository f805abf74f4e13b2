"""What all parts of one run share: results, folders, secrets, progress, and what is kept of it."""

import shutil
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from local_azure.pipelines.run.variables import Masker
from local_azure.pipelines.run.workspace import Artifacts

SUCCEEDED, ISSUES, CANCELED, FAILED, SKIPPED = "Succeeded", "SucceededWithIssues", "Canceled", "Failed", "Skipped"
_FROM_BEST = (SUCCEEDED, ISSUES, CANCELED, FAILED)
GOOD = (SUCCEEDED, ISSUES)
_SHOWN_LINES = 40


def worst(*results: str) -> str:
    """The worst of several results; skipped ones do not count, unless there is nothing else."""
    return max((result for result in results if result != SKIPPED), key=_FROM_BEST.index, default=SKIPPED)


@dataclass
class RunState:
    """One run. `folder` keeps its artifacts, logs, summaries and files; `write` shows a line of progress.

    `emulator` makes the environment of an Azure client, `approve(run, environment, stage)` decides
    as an approver would.
    """

    repository: Path
    folder: Path
    write: Callable[[str], None]
    emulator: Callable[[Mapping[str, str]], dict[str, str]]
    approve: Callable[["RunState", str, str], bool]
    build_id: int = 1
    parallel: int = 2
    verbose: bool = False
    masker: Masker = field(default_factory=Masker)
    canceled: threading.Event = field(default_factory=threading.Event)
    issues: list[tuple[str, str, str]] = field(default_factory=list)
    tags: list[str] = field(default_factory=list)
    kept: list[Path] = field(default_factory=list)
    rejected: list[str] = field(default_factory=list)
    results: dict[str, str] = field(default_factory=dict)
    build_number: str = ""
    timed_out: bool = False

    def __post_init__(self) -> None:
        self.artifacts = Artifacts(self.folder / "artifacts")
        self.lock = threading.RLock()
        self._started = time.monotonic()
        (self.folder / "logs").mkdir()

    def say(self, text: str) -> None:
        """A line of progress with the time since the start."""
        with self.lock:
            self.write(f"{time.monotonic() - self._started:6.1f} s  {text}")

    def line(self, label: str, text: str) -> None:
        """A line of a job's output."""
        with self.lock, (self.folder / "logs" / f"{label}.log").open("a", encoding="utf-8") as log:
            log.write(text + "\n")
            if self.verbose:
                self.write(f"          {label} | {text}")

    def ended(self, what: str, result: str, since: float, lines: list[str] | None = None) -> None:
        """The end of a stage, job or step; of a failed step the end of its output is shown."""
        with self.lock:
            self.say(f"{what}: {result} ({time.monotonic() - since:.1f} s)")
            for text in (lines or [])[-_SHOWN_LINES:] if result in (FAILED, CANCELED) and not self.verbose else []:
                self.write(f"          | {text}")

    def keep(self, label: str, path: Path, *, summary: bool) -> None:
        """Keep a file, or the files of a folder, that a step uploaded; secrets are masked in a summary."""
        target = self.folder / ("summaries" if summary else "files") / label
        with self.lock:
            target.mkdir(parents=True, exist_ok=True)
            copy = target / f"{len(list(target.iterdir())) + 1}-{path.name}"
            if path.is_dir():
                shutil.copytree(path, copy)
            elif summary:
                copy.write_text(self.masker.mask(path.read_text(encoding="utf-8")), encoding="utf-8")
            else:
                shutil.copy2(path, copy)
            self.kept.append(copy)
