"""What all parts of one run share: results, folders, secrets, the emulator, what is kept of it."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from local_azure.pipelines.output import Masker
from local_azure.pipelines.report import Report
from local_azure.pipelines.workspace import Artifacts

SUCCEEDED, ISSUES, SKIPPED, CANCELED, FAILED = (
    "Succeeded", "SucceededWithIssues", "Skipped", "Canceled", "Failed",
)  # fmt: skip
GOOD = (SUCCEEDED, ISSUES)
_WORSE = (SUCCEEDED, ISSUES, CANCELED, FAILED)


def worst(*results: str) -> str:
    """The worst of several results; skipped ones do not count, unless there is nothing else."""
    counted = [result for result in results if result != SKIPPED]
    return max(counted, key=_WORSE.index) if counted else SKIPPED


@dataclass
class RunState:
    """One run. `folder` keeps artifacts, logs, summaries, files; `emulator` completes a client's environment."""

    repository: Path
    folder: Path
    report: Report
    emulator: Callable[[Mapping[str, str]], dict[str, str]]
    masker: Masker = field(default_factory=Masker)
    canceled: threading.Event = field(default_factory=threading.Event)
    issues: list[tuple[str, str, str]] = field(default_factory=list)
    tags: list[str] = field(default_factory=list)
    kept: list[Path] = field(default_factory=list)
    build_number: str = ""
    timed_out: bool = False
    rejected: list[str] = field(default_factory=list)
    results: dict[str, str] = field(default_factory=dict)
    outputs: dict[tuple[str, str], dict[str, str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.artifacts = Artifacts(self.folder / "artifacts")
        self._lock = threading.Lock()

    def issue(self, kind: str, label: str, text: str) -> None:
        """An error or warning for the summary."""
        self.issues.append((kind, label, text))

    def azure_environment(self, environment: Mapping[str, str]) -> dict[str, str]:
        """The environment of an Azure client: it leads to the emulator, which is started when needed."""
        with self._lock:
            return self.emulator(environment)

    def keep(self, label: str, path: Path, *, summary: bool = False) -> None:
        """Keep a file, or the files of a folder, that a step uploaded, secrets masked in a summary."""
        target = self.folder / ("summaries" if summary else "files") / label
        target.mkdir(parents=True, exist_ok=True)
        with self._lock:
            copy = target / f"{len(list(target.iterdir())) + 1}-{path.name}"
            if summary:
                copy.write_text(self.masker.mask(path.read_text(encoding="utf-8")), encoding="utf-8")
            elif path.is_dir():
                shutil.copytree(path, copy)
            else:
                shutil.copy2(path, copy)
            self.kept.append(copy)
