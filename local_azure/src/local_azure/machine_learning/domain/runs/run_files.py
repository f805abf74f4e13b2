"""Files among the artifacts of a run: logs, and warnings of this server in them."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from local_azure.machine_learning.domain.data.artifacts import run_artifact, run_paths
from local_azure.machine_learning.domain.runs import run_records
from local_azure.machine_learning.domain.runs.run_documents import Run
from local_azure.machine_learning.domain.workspace.workspaces import Workspace
from local_azure.machine_learning.storage.files import BlobFiles
from local_azure.machine_learning.storage.store import Store

# What the script of a step writes to standard output and standard error. It is the one file under two names: the
# service has the second today; SDK v1 streams the logs of a pipeline's steps under the first only.
DRIVER_LOG = "azureml-logs/70_driver_log.txt"
STANDARD_LOG = "user_logs/std_log.txt"
# What the service itself reports about a pipeline run.
EXECUTION_LOG = "logs/azureml/executionlogs.txt"
_LOG_FOLDERS = ("azureml-logs", "logs", "user_logs", "system_logs")


def artifact_file(files: BlobFiles, workspace: Workspace, run: Run, name: str) -> Path:
    """Return the file of a run's artifact, whether it exists or not."""
    return run_artifact(run, name).file(files, workspace)


def log_paths(files: BlobFiles, workspace: Workspace, run: Run, most: int) -> Iterator[str]:
    """Yield the first logs of a run, of each folder so many; without reading more of it."""
    for top in _LOG_FOLDERS:
        yield from islice(run_paths(files, workspace, run, f"{top}/"), most)


def log_blobs(files: BlobFiles, workspace: Workspace, run: Run) -> dict[str, str]:
    """Return the blobs of a run's logs in the artifact container, by their name in the run."""
    home = run_artifact(run, "").blob
    blobs = [blob for top in _LOG_FOLDERS for blob in files.names(workspace.artifact_container, f"{home}{top}/")]
    return {blob.removeprefix(home): blob for blob in blobs}


def warn(
    store: Store,
    files: BlobFiles,
    workspace: Workspace,
    run_id: str,
    sentences: list[str],
    *,
    log: str,
    log_of: str = "",
) -> None:
    """Note warnings at a run, where the SDK's summary shows them, and in a log of it or of the run `log_of`."""
    if not sentences:
        return
    run_records.warn(store, workspace.id, run_id, sentences)
    run = run_records.require(store, workspace.id, log_of or run_id)
    path = artifact_file(files, workspace, run, log)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as stream:
        stream.writelines(f"local_azure: warning: {sentence}\n" for sentence in sentences)
