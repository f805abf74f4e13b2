"""Snapshots: the files of a step's source directory.

SDK callers: `SnapshotsClient.create_snapshot` (modules, `start_logging`), `run.restore_snapshot`. The client sends
what changed against the last snapshot of the workspace and a tree of all names; a snapshot becomes visible as a
whole, after every file of it has been looked at.
"""

from __future__ import annotations

import hashlib
import re
import shutil
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from local_azure.machine_learning.clock import new_id, timestamp
from local_azure.machine_learning.domain.access.addresses import SignedAddresses
from local_azure.machine_learning.errors import ApiError, bad_request, conflict
from local_azure.machine_learning.http.call import Call
from local_azure.machine_learning.http.routing import Plane
from local_azure.machine_learning.planes.data.blobs import writable_address
from local_azure.machine_learning.storage.files import BlobFiles
from local_azure.machine_learning.storage.store import Store

if TYPE_CHECKING:
    from local_azure.machine_learning.domain.workspaces import Workspace

PLANE = Plane("Snapshots")
_KIND = "snapshot"
_V1 = "/content/v1.0{W}/snapshots"
_V2 = "/content/v2.0{W}/snapshots"
_NONE = "00000000-0000-0000-0000-000000000000"
_ID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
# Limits of the service, checked by the SDK too. Source: SDK, _restclient/constants.py.
MOST_FILES = 2000
MOST_BYTES = 300 * 1024 * 1024

# Name to {"blob": name in the artifact container, "size": bytes, "sha256": hex digest}.
Files = dict[str, dict[str, Any]]


def _files(store: Store, workspace: Workspace, snapshot_id: str) -> Files:
    files: Files = store.require(workspace.id, _KIND, snapshot_id, "Snapshot")["files"]
    return files


def content_hash(store: Store, workspace: Workspace, snapshot_id: str) -> str:
    """SHA-256 over names and bytes: equal for equal directories, whatever the snapshot's id."""
    digest = hashlib.sha256()
    for name, facts in sorted(_files(store, workspace, snapshot_id).items()):
        digest.update(f"{name}\0{facts['sha256']}\n".encode())
    return digest.hexdigest()


def extract(store: Store, files: BlobFiles, workspace: Workspace, snapshot_id: str, target: Path) -> None:
    """Write the files of a snapshot below a folder, which is created."""
    target.mkdir(parents=True, exist_ok=True)
    for name, facts in _files(store, workspace, snapshot_id).items():
        path = target / name
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(files.path(workspace.artifact_container, facts["blob"]), path)


def _named_in_tree(node: dict[str, Any], folder: str = "") -> Iterator[str]:
    """Names of the files of a `DirTreeNode`."""
    for name, child in (node.get("children") or {}).items():
        path = f"{folder}{name}"
        if child.get("type") == "File":
            yield path
        else:
            yield from _named_in_tree(child, f"{path}/")


def _uploaded(call: Call, files: BlobFiles, node: dict[str, Any]) -> dict[str, Any]:
    """Facts about a file that the client says it has uploaded; raises a 400 when that is not so."""
    name, container = str(node.get("FullName")), call.workspace.artifact_container
    blob = urlsplit(str(node.get("BlobUri"))).path.removeprefix(f"/{container}/")
    path = files.path(container, blob)
    if not re.fullmatch(rf"Snapshots/{_ID.pattern}/{re.escape(name)}", blob):
        raise bad_request(f"'{name}' was not uploaded to the address that it was given.")
    if not path.is_file() or path.stat().st_size != node.get("FileSize"):
        raise bad_request(f"The upload of '{name}' is not complete.")
    with path.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    return {"blob": blob, "size": path.stat().st_size, "sha256": digest}


def _parent_files(call: Call, store: Store, parent: str | None) -> Files:
    if not parent or parent == _NONE:
        return {}
    return _files(store, call.workspace, parent)


def _check_limits(files: Files) -> None:
    size = sum(facts["size"] for facts in files.values())
    if len(files) > MOST_FILES:
        raise bad_request(f"The snapshot has {len(files)} files; {MOST_FILES} are allowed.", "SnapshotTooLarge")
    if size > MOST_BYTES:
        raise bad_request(f"The snapshot has {size} bytes; {MOST_BYTES} are allowed.", "SnapshotTooLarge")


@PLANE.route("GET", _V1 + "/latest/metadata")
def latest() -> dict[str, Any]:
    """Always none: a client without a cache uploads everything once."""
    return {"id": _NONE, "root": {}}


@PLANE.route("POST", _V2 + "/getblob")
def upload_addresses(call: Call, files: BlobFiles, signed: SignedAddresses) -> dict[str, Any]:
    """An address for each file that the client is going to upload."""
    names, batch = call.document().get("FileNames") or [], new_id()
    if len(names) > MOST_FILES:
        raise bad_request(f"{len(names)} files are too many; {MOST_FILES} are allowed.", "SnapshotTooLarge")
    nodes = []
    for name in names:
        blob = f"Snapshots/{batch}/{name}"
        files.path(call.workspace.artifact_container, blob)  # refuses a name that leaves the folder
        address = writable_address(signed, call.workspace.artifact_container, blob)
        nodes.append({"fullName": name, "blobUri": address})
    return {"fileNodes": nodes}


@PLANE.route("POST", _V2 + "/{snapshot_id}")
def create_snapshot(call: Call, store: Store, files: BlobFiles, *, snapshot_id: str) -> dict[str, str]:
    """Make a snapshot of the parent's files and the uploaded ones, as far as the tree names them."""
    if not _ID.fullmatch(snapshot_id):
        raise bad_request(f"'{snapshot_id}' is not a snapshot id.")
    body = call.document()
    available = _parent_files(call, store, body.get("ParentSnapshotId"))
    for node in (body.get("FileRevisionList") or {}).get("FileNodes") or []:
        available[str(node.get("FullName"))] = _uploaded(call, files, node)
    names = sorted(_named_in_tree(body.get("DirTreeNode") or {}))
    missing = [name for name in names if name not in available]
    if missing:
        raise bad_request(f"The snapshot names '{missing[0]}', which was never uploaded.")
    contents = {name: available[name] for name in names}
    _check_limits(contents)
    document = {
        "id": snapshot_id,
        "files": contents,
        "properties": body.get("Properties"),
        "createdTime": timestamp(),
    }
    _insert(call, store, snapshot_id, document)
    return {"snapshotId": snapshot_id}


def _insert(call: Call, store: Store, snapshot_id: str, document: dict[str, Any]) -> None:
    """Insert; a client that repeats itself after a lost answer is content."""
    try:
        store.insert(call.ws, _KIND, snapshot_id, document)
    except ApiError as error:
        if _files(store, call.workspace, snapshot_id) != document["files"]:
            raise conflict(f"The snapshot '{snapshot_id}' exists with other files.") from error


@PLANE.route("POST", _V2 + "/{snapshot_id}/zip")
def zip_snapshot(
    call: Call, store: Store, files: BlobFiles, signed: SignedAddresses, *, snapshot_id: str
) -> dict[str, str]:
    """The snapshot as a zip file, made when first asked for."""
    container = call.workspace.artifact_container
    contents = _files(store, call.workspace, snapshot_id)
    blob = f"Snapshots/{snapshot_id}/snapshot.zip"
    target = files.path(container, blob)
    if not target.is_file():
        with (
            files.writing(target) as stream,
            zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive,
        ):
            for name, facts in contents.items():
                archive.write(files.path(container, facts["blob"]), name)
    return {"zipSasUri": signed.download(container, blob)}
