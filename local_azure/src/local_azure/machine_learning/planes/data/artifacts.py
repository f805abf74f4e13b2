"""Artifacts: files of runs, and of models and services uploaded from a laptop.

SDK callers: `run.upload_file(s)`, `upload_folder`, `download_file(s)`, `get_file_names`, `register_model`,
`Model.register`, `model.download`, deployments. An artifact is the blob `origin/container/path` of the workspace's
artifact container; it exists when its bytes do.
"""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from starlette.responses import JSONResponse, Response, StreamingResponse

from local_azure.machine_learning.clock import timestamp
from local_azure.machine_learning.domain.access.addresses import SignedAddresses
from local_azure.machine_learning.domain.data.blob_listing import etag
from local_azure.machine_learning.domain.redaction import Redactor
from local_azure.machine_learning.errors import ApiError, not_implemented
from local_azure.machine_learning.http.call import Call
from local_azure.machine_learning.http.routing import Plane
from local_azure.machine_learning.planes.data.blobs import body_chunks, content_chunks, writable_address
from local_azure.machine_learning.storage.blob_files import BlobDisk
from local_azure.machine_learning.storage.files import BlobFiles
from local_azure.machine_learning.storage.store import Store

PLANE = Plane("Artifacts")
RUN_ORIGIN = "ExperimentRun"
_DATASTORE = "workspaceartifactstore"
_BASE = "/artifact/v2.0{W}/artifacts"
_OF_RUN = "/history/v1.0{W}/experiments/{experiment}/runs/{run_id}/artifacts"


def run_container(run: dict[str, Any]) -> str:
    """Container of a run's artifacts; a reused step's is that of its source."""
    return str(run["dataContainerId"])


def _blob(origin: str, container: str, path: str) -> str:
    return f"{origin}/{container}/{path}"


def _file(call: Call, files: BlobFiles, blob: str) -> Path:
    return files.path(call.workspace.artifact_container, blob)


def _missing(origin: str, container: str, path: str) -> ApiError:
    return ApiError(404, "NotFound", f"The artifact '{path}' was not found in {origin}/{container}.")


def _artifact(call: Call, files: BlobFiles, origin: str, container: str, path: str) -> dict[str, Any]:
    """The ArtifactDto; for an artifact to be, the time is now."""
    blob = _blob(origin, container, path)
    file = _file(call, files, blob)
    exists = file.is_file()
    created = dt.datetime.fromtimestamp(file.stat().st_mtime, dt.UTC) if exists else None
    return {
        "artifactId": blob,
        "origin": origin,
        "container": container,
        "path": path,
        "etag": etag(file) if exists else None,
        "createdTime": timestamp(created),
        "dataPath": {"dataStoreName": _DATASTORE, "relativePath": blob},
    }


def _content_information(
    call: Call, signed: SignedAddresses, origin: str, container: str, path: str, *, write: bool = False
) -> dict[str, str]:
    blob = _blob(origin, container, path)
    storage = call.workspace.artifact_container
    uri = writable_address(signed, storage, blob) if write else signed.download(storage, blob)
    return {"contentUri": uri, "origin": origin, "container": container, "path": path}


def _paths(call: Call, files: BlobFiles, origin: str, container: str, prefix: str = "") -> Iterator[str]:
    """Paths of the artifacts that are the prefix or lie below it: "a" stands for "a" and "a/b", not for "ab"."""
    start = _blob(origin, container, "")
    wanted = prefix.strip("/")
    for blob in files.names(call.workspace.artifact_container, start + wanted):
        path = blob.removeprefix(start)
        if not wanted or path == wanted or path.startswith(f"{wanted}/"):
            yield path


def _page(value: list[dict[str, Any]]) -> dict[str, Any]:
    return {"value": value, "continuationToken": None}


@PLANE.route("POST", _BASE + "/batch/metadata/{origin}/{container}")
def announce(call: Call, files: BlobFiles, signed: SignedAddresses, *, origin: str, container: str) -> dict[str, Any]:
    """Addresses to upload new artifacts to. A path that exists is an error of its own: artifacts are not replaced."""
    artifacts, information, refused = {}, {}, {}
    for item in call.document().get("paths") or []:
        path = str(item.get("path") or "")
        if _file(call, files, _blob(origin, container, path)).exists():
            message = f"Resource Conflict: ArtifactId {_blob(origin, container, path)} already exists."
            refused[path] = {"error": {"code": "UserError", "message": message, "details": []}}
            continue
        artifacts[path] = _artifact(call, files, origin, container, path)
        information[path] = _content_information(call, signed, origin, container, path, write=True)
    return {"artifacts": artifacts, "artifactContentInformation": information, "errors": refused}


@PLANE.route("GET", _BASE + "/contentinfo/{origin}/{container}/{path:path}")
def content_information(
    call: Call, files: BlobFiles, signed: SignedAddresses, *, origin: str, container: str, path: str
) -> dict[str, str]:
    """Address to read one artifact from."""
    if not _file(call, files, _blob(origin, container, path)).is_file():
        raise _missing(origin, container, path)
    return _content_information(call, signed, origin, container, path)


@PLANE.route("GET", _BASE + "/write/{origin}/{container}/{path:path}", evidence="sdk-source")
def write_information(
    call: Call, signed: SignedAddresses, *, origin: str, container: str, path: str
) -> dict[str, str]:
    """Address to write one artifact to."""
    return _content_information(call, signed, origin, container, path, write=True)


@PLANE.route("GET", _BASE + "/prefix/contentinfo/{origin}/{container}")
@PLANE.route("GET", _BASE + "/prefix/contentinfo/{origin}/{container}/{path:path}")
def prefix_information(
    call: Call, files: BlobFiles, signed: SignedAddresses, *, origin: str, container: str, path: str = ""
) -> dict[str, Any]:
    """Addresses to read the artifacts at or below a path from."""
    return _page(
        [
            _content_information(call, signed, origin, container, p)
            for p in _paths(call, files, origin, container, path)
        ]
    )


@PLANE.route("GET", _BASE + "/metadata/{origin}/{container}/{path:path}", evidence="sdk-source")
def get_artifact(call: Call, files: BlobFiles, *, origin: str, container: str, path: str) -> dict[str, Any]:
    """One artifact."""
    if not _file(call, files, _blob(origin, container, path)).is_file():
        raise _missing(origin, container, path)
    return _artifact(call, files, origin, container, path)


@PLANE.route("GET", _BASE + "/content/{origin}/{container}/{path:path}", evidence="sdk-source")
def download(call: Call, files: BlobFiles, redactor: Redactor, *, origin: str, container: str, path: str) -> Response:
    """The bytes of one artifact."""
    file = _file(call, files, _blob(origin, container, path))
    if not file.is_file():
        raise _missing(origin, container, path)
    size = file.stat().st_size
    content = content_chunks(redactor, file, 0, size)
    return StreamingResponse(content, 200, {"Content-Length": str(size)}, "application/octet-stream")


@PLANE.route("POST", _BASE + "/content/{origin}/{container}/{path:path}", streams=True, evidence="sdk-source")
def upload(call: Call, store: Store, files: BlobFiles, *, origin: str, container: str, path: str) -> JSONResponse:
    """Write an artifact's bytes, or append to them (logs that grow)."""
    if call.query.get("index"):
        raise not_implemented("artifact content by block index")
    blob = _blob(origin, container, path)
    chunks = body_chunks(call.request)
    if call.flag("append") and _file(call, files, blob).is_file():
        with _file(call, files, blob).open("ab") as stream:
            stream.writelines(chunks)
            stream.flush()
            os.fsync(stream.fileno())
    else:
        BlobDisk(store, files, call.workspace.artifact_container, blob).write(chunks, {}, only_new=False)
    return JSONResponse(_artifact(call, files, origin, container, path))


@PLANE.route("GET", _BASE + "/{origin}/{container}")
@PLANE.route("GET", _BASE + "/{origin}/{container}/{path:path}", evidence="sdk-source")
def list_artifacts(call: Call, files: BlobFiles, *, origin: str, container: str, path: str = "") -> dict[str, Any]:
    """The artifacts of a container, or those at or below a path of it."""
    return _page([_artifact(call, files, origin, container, p) for p in _paths(call, files, origin, container, path)])


def _run_container(call: Call, store: Store, run_id: str) -> str:
    return run_container(store.require(call.ws, "run", run_id, "Run"))


# The older client of run history addresses a run's artifacts below the run.


@PLANE.route("GET", _OF_RUN)
@PLANE.route("GET", _OF_RUN + "/path/{path:path}", evidence="sdk-source")
def list_run_artifacts(call: Call, store: Store, files: BlobFiles, *, run_id: str, path: str = "") -> Any:
    """As `list_artifacts`."""
    return list_artifacts(call, files, origin=RUN_ORIGIN, container=_run_container(call, store, run_id), path=path)


@PLANE.route("GET", _OF_RUN + "/contentinfo/{path:path}")
def run_content_information(
    call: Call, store: Store, files: BlobFiles, signed: SignedAddresses, *, run_id: str, path: str
) -> Any:
    """As `content_information`."""
    container = _run_container(call, store, run_id)
    return content_information(call, files, signed, origin=RUN_ORIGIN, container=container, path=path)


@PLANE.route("GET", _OF_RUN + "/artifacturi/{path:path}", evidence="sdk-source")
def run_artifact_uri(
    call: Call, store: Store, files: BlobFiles, signed: SignedAddresses, *, run_id: str, path: str
) -> Any:
    """Address to read one artifact from, as a JSON string."""
    return run_content_information(call, store, files, signed, run_id=run_id, path=path)["contentUri"]


@PLANE.route("GET", _OF_RUN + "/prefix/contentinfo/{path:path}", evidence="sdk-source")
def run_prefix_information(
    call: Call, store: Store, files: BlobFiles, signed: SignedAddresses, *, run_id: str, path: str
) -> Any:
    """As `prefix_information`."""
    container = _run_container(call, store, run_id)
    return prefix_information(call, files, signed, origin=RUN_ORIGIN, container=container, path=path)


@PLANE.route("POST", _OF_RUN + "/batch/metadata", evidence="sdk-source")
def announce_of_run(call: Call, store: Store, files: BlobFiles, signed: SignedAddresses, *, run_id: str) -> Any:
    """As `announce`."""
    return announce(call, files, signed, origin=RUN_ORIGIN, container=_run_container(call, store, run_id))
