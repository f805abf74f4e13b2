"""Lines and warnings that come from this server and not from the user's script."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from local_azure.machine_learning.domain.workspaces import Workspace
from local_azure.machine_learning.planes.data.artifacts import run_container
from local_azure.machine_learning.planes.runs import history
from local_azure.machine_learning.storage.files import BlobFiles
from local_azure.machine_learning.storage.store import Document, Store

if TYPE_CHECKING:
    pass

# Where the service keeps what it has to say about a pipeline run as a whole.
EXECUTION_LOG = "logs/azureml/executionlogs.txt"


def artifact_file(files: BlobFiles, workspace: Workspace, run: Document, name: str) -> Path:
    """The file of a run's artifact, whether it exists or not."""
    return files.path(workspace.artifact_container, f"ExperimentRun/{run_container(run)}/{name}")


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
    history.warn(store, workspace, run_id, sentences)
    run = store.require(workspace.id, "run", log_of or run_id, "Run")
    path = artifact_file(files, workspace, run, log)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as stream:
        stream.writelines(f"local_azure: warning: {sentence}\n" for sentence in sentences)
