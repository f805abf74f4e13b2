"""Snapshots: the files of a step's source directory.

The client sends what changed against the last snapshot of the workspace and a tree of all names; a snapshot becomes
visible as a whole, after every file of it has been looked at.
"""

from __future__ import annotations

import hashlib
import re
import shutil
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from local_azure.machine_learning.clock import new_id, timestamp
from local_azure.machine_learning.domain.workspace.workspaces import Workspace
from local_azure.machine_learning.errors import ApiError, bad_request, conflict
from local_azure.machine_learning.storage.files import BlobFiles
from local_azure.machine_learning.storage.store import Document, Store

NO_SNAPSHOT = "00000000-0000-0000-0000-000000000000"
# Limits of the service, checked by the SDK too. Source: SDK, _restclient/constants.py.
MOST_FILES = 2000
MOST_BYTES = 300 * 1024 * 1024
_KIND = "snapshot"
_ID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")

# Name to {"blob": name in the artifact container, "size": bytes, "sha256": hex digest}.
Files = dict[str, dict[str, Any]]


def files_of(store: Store, workspace: Workspace, snapshot_id: str) -> Files:
    """Return the files of a snapshot by name; raises a 404."""
    found: Files = store.require(workspace.id, _KIND, snapshot_id, "Snapshot")["files"]
    return found


def content_hash(store: Store, workspace: Workspace, snapshot_id: str) -> str:
    """SHA-256 over names and bytes: equal for equal directories, whatever the snapshot's id."""
    digest = hashlib.sha256()
    for name, facts in sorted(files_of(store, workspace, snapshot_id).items()):
        digest.update(f"{name}\0{facts['sha256']}\n".encode())
    return digest.hexdigest()


def extract(store: Store, files: BlobFiles, workspace: Workspace, snapshot_id: str, target: Path) -> None:
    """Write the files of a snapshot below a folder, which is created."""
    target.mkdir(parents=True, exist_ok=True)
    for name, facts in files_of(store, workspace, snapshot_id).items():
        path = target / name
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(files.path(workspace.artifact_container, facts["blob"]), path)


def zip_blob(store: Store, files: BlobFiles, workspace: Workspace, snapshot_id: str) -> str:
    """Name of the blob that holds the snapshot as a zip file, made when first asked for."""
    container = workspace.artifact_container
    packed = files_of(store, workspace, snapshot_id)
    blob = f"Snapshots/{snapshot_id}/snapshot.zip"
    target = files.path(container, blob)
    if not target.is_file():
        with files.writing(target) as stream, zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, facts in packed.items():
                archive.write(files.path(container, facts["blob"]), name)
    return blob


def upload_names(files: BlobFiles, workspace: Workspace, names: list[str]) -> dict[str, str]:
    """Blob for each file that a client is going to upload, by the file's name; raises a 400."""
    if len(names) > MOST_FILES:
        raise bad_request(f"{len(names)} files are too many; {MOST_FILES} are allowed.", "SnapshotTooLarge")
    batch = new_id()
    blobs = {name: f"Snapshots/{batch}/{name}" for name in names}
    for blob in blobs.values():
        files.path(workspace.artifact_container, blob)  # refuses a name that leaves the folder
    return blobs


def create(store: Store, files: BlobFiles, workspace: Workspace, snapshot_id: str, posted: Document) -> None:
    """Make a snapshot of the parent's files and the uploaded ones, as far as the tree names them."""
    if not _ID.fullmatch(snapshot_id):
        raise bad_request(f"'{snapshot_id}' is not a snapshot id.")
    available = _parent_files(store, workspace, posted.get("ParentSnapshotId"))
    for node in (posted.get("FileRevisionList") or {}).get("FileNodes") or []:
        available[str(node.get("FullName"))] = _uploaded(files, workspace, node)
    names = sorted(_named_in_tree(posted.get("DirTreeNode") or {}))
    missing = [name for name in names if name not in available]
    if missing:
        raise bad_request(f"The snapshot names '{missing[0]}', which was never uploaded.")
    chosen = {name: available[name] for name in names}
    _check_limits(chosen)
    document = {
        "id": snapshot_id,
        "files": chosen,
        "properties": posted.get("Properties"),
        "createdTime": timestamp(),
    }
    _insert(store, workspace, snapshot_id, document)


def _parent_files(store: Store, workspace: Workspace, parent: str | None) -> Files:
    if not parent or parent == NO_SNAPSHOT:
        return {}
    return files_of(store, workspace, parent)


def _uploaded(files: BlobFiles, workspace: Workspace, node: Document) -> Document:
    """Facts about a file that the client says it has uploaded; raises a 400 when that is not so."""
    name, container = str(node.get("FullName")), workspace.artifact_container
    blob = urlsplit(str(node.get("BlobUri"))).path.removeprefix(f"/{container}/")
    path = files.path(container, blob)
    if not re.fullmatch(rf"Snapshots/{_ID.pattern}/{re.escape(name)}", blob):
        raise bad_request(f"'{name}' was not uploaded to the address that it was given.")
    if not path.is_file() or path.stat().st_size != node.get("FileSize"):
        raise bad_request(f"The upload of '{name}' is not complete.")
    with path.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    return {"blob": blob, "size": path.stat().st_size, "sha256": digest}


def _named_in_tree(node: Document, folder: str = "") -> Iterator[str]:
    """Names of the files of a `DirTreeNode`."""
    children = node.get("children") or {}
    if not isinstance(children, dict) or not all(isinstance(child, dict) for child in children.values()):
        raise bad_request(f"The tree of the snapshot is broken at '{folder}': children must be an object of objects.")
    for name, child in children.items():
        path = f"{folder}{name}"
        if child.get("type") == "File":
            yield path
        else:
            yield from _named_in_tree(child, f"{path}/")


def _check_limits(files: Files) -> None:
    size = sum(facts["size"] for facts in files.values())
    if len(files) > MOST_FILES:
        raise bad_request(f"The snapshot has {len(files)} files; {MOST_FILES} are allowed.", "SnapshotTooLarge")
    if size > MOST_BYTES:
        raise bad_request(f"The snapshot has {size} bytes; {MOST_BYTES} are allowed.", "SnapshotTooLarge")


def _insert(store: Store, workspace: Workspace, snapshot_id: str, document: Document) -> None:
    """Insert; a client that repeats itself after a lost answer gets the same answer again."""
    try:
        store.insert(workspace.id, _KIND, snapshot_id, document)
    except ApiError as error:
        if files_of(store, workspace, snapshot_id) != document["files"]:
            raise conflict(f"The snapshot '{snapshot_id}' exists with other files.") from error
