"""The log of a step, and the files that its script leaves: kept among the artifacts of its run, free of secrets."""

from __future__ import annotations

import contextlib
from pathlib import Path

from local_azure.machine_learning.clock import utc_now
from local_azure.machine_learning.domain.runs import run_records
from local_azure.machine_learning.domain.runs.run_documents import Run
from local_azure.machine_learning.domain.runs.run_files import DRIVER_LOG, EXECUTION_LOG, STANDARD_LOG, artifact_file
from local_azure.machine_learning.domain.workspace.redaction import Redactor
from local_azure.machine_learning.domain.workspace.workspaces import Workspace
from local_azure.machine_learning.storage.files import BlobFiles
from local_azure.machine_learning.storage.store import Store

TAIL_LINES, TAIL_BYTES = 50, 64 * 1024
_LOG_FOLDERS = ("logs", "user_logs")
_FOLDERS = ("outputs", *_LOG_FOLDERS)
_EMPTY_LOGS = ("logs/azureml/stderrlogs.txt", "logs/azureml/stdoutlogs.txt")  # of a pipeline run, as of the service


def create_log(files: BlobFiles, workspace: Workspace, run: Run) -> tuple[Path, Path]:
    """Make the empty log of a run that is about to start; returns the two names of its file, to be written first."""
    log, second = (artifact_file(files, workspace, run, name) for name in (DRIVER_LOG, STANDARD_LOG))
    for path in (log, second):
        path.parent.mkdir(parents=True, exist_ok=True)
    log.touch(mode=0o600)
    second.hardlink_to(log)
    return log, second


def collect_files(files: BlobFiles, redactor: Redactor, workspace: Workspace, run: Run, directory: Path) -> None:
    """Move what the script left in outputs/ and logs/ of its directory to the run's artifacts.

    Links stay: what they lead to is not the run's, and moving it would take it from its owner.
    """
    for folder in _FOLDERS:
        top = directory / folder
        if top.is_symlink():
            continue
        left = [path for path in sorted(top.rglob("*")) if path.is_file() and not path.is_symlink()]
        for path in left:
            if folder in _LOG_FOLDERS:
                redactor.scrub(path)
            target = artifact_file(files, workspace, run, path.relative_to(directory).as_posix())
            target.parent.mkdir(parents=True, exist_ok=True)
            path.replace(target)


def report(files: BlobFiles, workspace: Workspace, pipeline_run: Run, sentence: str) -> None:
    """Append a line to the log of a pipeline run; the first makes it, with the two empty files that stand beside it.

    A full disk costs the line only, never the run.
    """
    log, *others = (artifact_file(files, workspace, pipeline_run, name) for name in (EXECUTION_LOG, *_EMPTY_LOGS))
    with contextlib.suppress(OSError):
        log.parent.mkdir(parents=True, exist_ok=True)
        for other in others:
            other.touch()
        with log.open("a", encoding="utf-8") as stream:
            stream.write(f"[{utc_now():%Y-%m-%d %H:%M:%SZ}] {sentence}\n")


def scrub_logs(store: Store, files: BlobFiles, redactor: Redactor, workspace: Workspace, run_id: str) -> None:
    """Remove secrets from the logs of a run that was cut off, and of the runs below it."""
    run = run_records.require(store, workspace.id, run_id)
    for one in (run, *run_records.children(store, workspace.id, run_id)):
        redactor.scrub(artifact_file(files, workspace, one, DRIVER_LOG))
