"""Snapshots: the files of a step's source directory.

SDK callers: `SnapshotsClient.create_snapshot` (modules, `start_logging`), `run.restore_snapshot`.
"""

from __future__ import annotations

from local_azure.machine_learning.domain.access.addresses import SignedAddresses
from local_azure.machine_learning.domain.data import snapshots
from local_azure.machine_learning.http.call import Call
from local_azure.machine_learning.http.routing import Plane
from local_azure.machine_learning.http.shapes import ANYTHING, NUMBER, TEXT, Items, Pairs, Record
from local_azure.machine_learning.storage.files import BlobFiles
from local_azure.machine_learning.storage.store import Document, Store

PLANE = Plane("Snapshots")
_V1 = "/content/v1.0{W}/snapshots"
_V2 = "/content/v2.0{W}/snapshots"
_NAMES = Record({"FileNames": Items(TEXT)})
_FILE = Record({"FullName": TEXT, "BlobUri": TEXT, "FileSize": NUMBER})
_TREE = Record({"type": TEXT, "children": Pairs(ANYTHING, snapshots.MOST_FILES)})
_SNAPSHOT = Record(
    {
        "ParentSnapshotId": TEXT,
        "FileRevisionList": Record({"FileNodes": Items(_FILE)}),
        "DirTreeNode": _TREE,
        "Properties": Pairs(ANYTHING),
    }
)


@PLANE.route("GET", _V1 + "/latest/metadata")
def latest() -> Document:
    """Always none: a client without a cache uploads everything once."""
    return {"id": snapshots.NO_SNAPSHOT, "root": {}}


@PLANE.route("POST", _V2 + "/getblob", body=_NAMES)
def upload_addresses(call: Call, files: BlobFiles, signed: SignedAddresses) -> Document:
    """An address for each file that the client is going to upload."""
    blobs = snapshots.upload_names(files, call.workspace, call.document().get("FileNames") or [])
    container = call.workspace.artifact_container
    nodes = [{"fullName": name, "blobUri": signed.upload(container, blob)} for name, blob in blobs.items()]
    return {"fileNodes": nodes}


@PLANE.route("POST", _V2 + "/{snapshot_id}", body=_SNAPSHOT)
def create_snapshot(call: Call, store: Store, files: BlobFiles, *, snapshot_id: str) -> dict[str, str]:
    """Make a snapshot of the parent's files and the uploaded ones."""
    snapshots.create(store, files, call.workspace, snapshot_id, call.document())
    return {"snapshotId": snapshot_id}


@PLANE.route("POST", _V2 + "/{snapshot_id}/zip")
def zip_snapshot(
    call: Call, store: Store, files: BlobFiles, signed: SignedAddresses, *, snapshot_id: str
) -> dict[str, str]:
    """The snapshot as a zip file."""
    blob = snapshots.zip_blob(store, files, call.workspace, snapshot_id)
    return {"zipSasUri": signed.download(call.workspace.artifact_container, blob)}
