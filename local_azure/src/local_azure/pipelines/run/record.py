"""What a run leaves behind: results, issues, tags, artifacts, logs, kept files; result.json is made of it."""

import os
import shutil
import threading
from pathlib import Path
from typing import BinaryIO

from local_azure.pipelines.run.agent.masking import Masker
from local_azure.pipelines.run.agent.workspace import Artifacts, require_plain
from local_azure.pipelines.run.builds.progress import Progress
from local_azure.pipelines.run.builds.record import BuildRecord
from local_azure.pipelines.run.results import Result

# What the output of steps may add to one run.
MOST_SUMMARY_BYTES = 1024 * 1024
MOST_KEPT_FILES = 1_000
MOST_TAGS = 1_000
MOST_ISSUES = 1_000


class RunRecord:
    """The record of one run, in its own folder; jobs write it from their threads, secrets are masked."""

    def __init__(self, folder: Path, build_id: int) -> None:
        self.folder = folder
        self.build_id = build_id
        self.build_number = ""
        self.masker = Masker()
        self.build = BuildRecord(folder, build_id, self.masker.mask)
        self.progress = Progress(folder, self.masker.mask)
        self.artifacts = Artifacts(folder / "artifacts", self.masker)
        self.results: dict[str, Result] = {}
        self.issues: list[tuple[str, str, str]] = []
        self.tags: list[str] = []
        self.rejected: list[str] = []
        self.timed_out = False
        self.kept: list[Path] = []
        self._lock = threading.Lock()
        (folder / "logs").mkdir(mode=0o700)

    def write_log(self, label: str, line: str) -> None:
        """Append a line to the log of a job."""
        data = (line + "\n").encode("utf-8", "replace")
        with self._lock, _private(self.folder / "logs" / f"{label}.log") as log:
            log.write(data)

    def add_issue(self, kind: str, label: str, text: str) -> None:
        """Add an error or warning; of very many the last ones are in the log alone."""
        with self._lock:
            if len(self.issues) < MOST_ISSUES:
                self.issues.append((kind, label, self.masker.mask(text)))

    def add_tag(self, tag: str) -> None:
        """Add a build tag; raises ValueError when there are too many."""
        with self._lock:
            if len(self.tags) >= MOST_TAGS:
                raise ValueError(f"A run may have {MOST_TAGS} build tags.")
            self.tags.append(self.masker.mask(tag))
            self.build.tag(self.tags[-1])

    def keep_file(self, label: str, path: Path) -> None:
        """Keep a file, or the files of a folder, that a step uploaded."""
        require_plain(path)
        with self._lock:
            copy = self._free_place("files", label, path)
            if path.is_dir():
                shutil.copytree(path, copy)
            else:
                shutil.copy2(path, copy)
            self.kept.append(copy)

    def keep_summary(self, label: str, path: Path) -> None:
        """Keep a Markdown page that a step wrote for the page of the run."""
        require_plain(path)
        with path.open("rb") as stream:
            data = stream.read(MOST_SUMMARY_BYTES + 1)
        if len(data) > MOST_SUMMARY_BYTES:
            raise ValueError(f"The page {path} is larger than {MOST_SUMMARY_BYTES} bytes. Upload it as a file.")
        with self._lock:
            copy = self._free_place("summaries", label, path)
            copy.write_text(self.masker.mask(data.decode("utf-8", "replace")), encoding="utf-8")
            self.kept.append(copy)

    def _free_place(self, kind: str, label: str, path: Path) -> Path:
        if len(self.kept) >= MOST_KEPT_FILES:
            raise ValueError(f"A run may keep {MOST_KEPT_FILES} uploaded files; publish a folder as an artifact.")
        folder = self.folder / kind / label
        folder.mkdir(parents=True, exist_ok=True)
        return folder / f"{len(self.kept) + 1}-{self.masker.mask(path.name)}"

    def summaries(self) -> list[Path]:
        """Return the Markdown pages that steps have written for the run, in order."""
        return [path for path in list(self.kept) if path.parent.parent.name == "summaries"]

    def document(self, result: Result) -> dict[str, object]:
        """Return the content of result.json."""
        mask = self.masker.mask
        return {
            "result": result,
            "build_id": self.build_id,
            "build_number": mask(self.build_number),
            "results": self.results,
            "rejected": list(map(mask, self.rejected)),
            "issues": [list(map(mask, issue)) for issue in self.issues],
            "tags": list(map(mask, self.tags)),
            "artifacts": list(map(mask, self.artifacts.names())),
            "kept": [str(path) for path in self.kept],
            "folder": str(self.folder),
        }

    def write_result(self, text: str) -> None:
        """Write result.json, for its owner only."""
        with _private(self.folder / "result.json") as stream:
            stream.write((text + "\n").encode("utf-8", "replace"))


def _private(path: Path) -> BinaryIO:
    """Open a file of its owner to append to it."""
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600), "ab")
