"""What a run leaves behind: results, issues, tags, artifacts, logs, kept files; result.json is made of it."""

import shutil
import threading
from pathlib import Path

from local_azure.pipelines.run.agent.masking import Masker
from local_azure.pipelines.run.agent.workspace import Artifacts
from local_azure.pipelines.run.results import Result


class RunRecord:
    """The record of one run, in a folder of its own; jobs write it from threads of their own."""

    def __init__(self, folder: Path, build_id: int) -> None:
        self.folder = folder
        self.build_id = build_id
        self.build_number = ""
        self.artifacts = Artifacts(folder / "artifacts")
        self.results: dict[str, Result] = {}
        self.issues: list[tuple[str, str, str]] = []
        self.tags: list[str] = []
        self.rejected: list[str] = []
        self.timed_out = False
        self.kept: list[Path] = []
        self._lock = threading.Lock()
        (folder / "logs").mkdir()

    def write_log(self, label: str, line: str) -> None:
        """Append a line to the log of a job."""
        with self._lock, (self.folder / "logs" / f"{label}.log").open("a", encoding="utf-8") as log:
            log.write(line + "\n")

    def keep_file(self, label: str, path: Path) -> None:
        """Keep a file, or the files of a folder, that a step uploaded."""
        with self._lock:
            copy = self._free_place("files", label, path)
            if path.is_dir():
                shutil.copytree(path, copy)
            else:
                shutil.copy2(path, copy)
            self.kept.append(copy)

    def keep_summary(self, label: str, path: Path, masker: Masker) -> None:
        """Keep a Markdown page that a step wrote for the page of the run; secrets are masked."""
        with self._lock:
            copy = self._free_place("summaries", label, path)
            copy.write_text(masker.mask(path.read_text(encoding="utf-8")), encoding="utf-8")
            self.kept.append(copy)

    def _free_place(self, kind: str, label: str, path: Path) -> Path:
        folder = self.folder / kind / label
        folder.mkdir(parents=True, exist_ok=True)
        return folder / f"{len(list(folder.iterdir())) + 1}-{path.name}"

    def summaries(self) -> list[Path]:
        """Return the Markdown pages that steps have written for the run, in order."""
        return [path for path in self.kept if path.parent.parent.name == "summaries"]

    def document(self, result: Result) -> dict[str, object]:
        """Return the content of result.json."""
        return {
            "result": result,
            "build_id": self.build_id,
            "build_number": self.build_number,
            "results": self.results,
            "rejected": self.rejected,
            "issues": [list(issue) for issue in self.issues],
            "tags": self.tags,
            "artifacts": self.artifacts.names(),
            "kept": [str(path) for path in self.kept],
            "folder": str(self.folder),
        }
