"""Artifacts: files of runs, and of models and services uploaded from a laptop.

An artifact is the blob `origin/container/path` of the workspace's artifact container; it exists when its bytes do.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from local_azure.machine_learning.clock import timestamp
from local_azure.machine_learning.domain.data.blobs import Blob, etag
from local_azure.machine_learning.domain.data.datastores import ARTIFACTSTORE
from local_azure.machine_learning.domain.workspace.workspaces import Workspace
from local_azure.machine_learning.errors import ApiError
from local_azure.machine_learning.storage.files import BlobFiles, append_chunks, files_below
from local_azure.machine_learning.storage.store import Document, Store

RUN_ORIGIN = "ExperimentRun"


@dataclass(frozen=True)
class Artifact:
    """The name of an artifact, whether it exists or not."""

    origin: str
    container: str
    path: str

    @property
    def blob(self) -> str:
        """Its name in the artifact container, which is its id as well."""
        return f"{self.origin}/{self.container}/{self.path}"

    def file(self, files: BlobFiles, workspace: Workspace) -> Path:
        """Its file; raises a 400 for a name that leads elsewhere."""
        return files.path(workspace.artifact_container, self.blob)

    def require_file(self, files: BlobFiles, workspace: Workspace) -> Path:
        """Its file; raises a 404 where there is none."""
        file = self.file(files, workspace)
        if not file.is_file():
            message = f"The artifact '{self.path}' was not found in {self.origin}/{self.container}."
            raise ApiError(404, "NotFound", message)
        return file


def run_container(run: Document) -> str:
    """Container of a run's artifacts; a reused step's is that of its source."""
    return str(run["dataContainerId"])


def run_artifact(run: Document, path: str) -> Artifact:
    """An artifact of a run."""
    return Artifact(RUN_ORIGIN, run_container(run), path)


def artifacts_below(
    files: BlobFiles, workspace: Workspace, origin: str, container: str, prefix: str = ""
) -> Iterator[Artifact]:
    """The artifacts that are the prefix or are below it: "a" stands for "a" and "a/b", not for "ab"."""
    start = Artifact(origin, container, "").blob
    wanted = prefix.strip("/")
    for blob in files.names(workspace.artifact_container, start + wanted):
        path = blob.removeprefix(start)
        if not wanted or path == wanted or path.startswith(f"{wanted}/"):
            yield Artifact(origin, container, path)


def run_paths(
    files: BlobFiles, workspace: Workspace, run: Document, folder: str = "", after: str = ""
) -> Iterator[str]:
    """Yield the paths of a run's artifacts, or of those in one folder, as far as they are asked for.

    after: the path inside the folder behind which to go on.
    """
    home = files.path(workspace.artifact_container, f"{RUN_ORIGIN}/{run_container(run)}")
    return (f"{folder}{path}" for path in files_below(home / folder, after))


def artifact_document(artifact: Artifact, file: Path) -> Document:
    """The ArtifactDto; for an artifact to be, the time is now."""
    exists = file.is_file()
    created = dt.datetime.fromtimestamp(file.stat().st_mtime, dt.UTC) if exists else None
    return {
        "artifactId": artifact.blob,
        "origin": artifact.origin,
        "container": artifact.container,
        "path": artifact.path,
        "etag": etag(file) if exists else None,
        "createdTime": timestamp(created),
        "dataPath": {"dataStoreName": ARTIFACTSTORE, "relativePath": artifact.blob},
    }


def write_artifact(
    store: Store,
    files: BlobFiles,
    workspace: Workspace,
    artifact: Artifact,
    chunks: Iterable[bytes],
    *,
    append: bool,
) -> Path:
    """Write the bytes of an artifact, or behind them where it exists: logs grow. Returns its file."""
    file = artifact.file(files, workspace)
    if append and file.is_file():
        append_chunks(file, chunks)
    else:
        Blob(store, files, workspace.artifact_container, artifact.blob).write(chunks, {})
    return file
