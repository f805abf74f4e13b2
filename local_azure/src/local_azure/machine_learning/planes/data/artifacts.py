"""Artifacts: files of runs, and of models and services uploaded from a laptop.

SDK callers: `run.upload_file(s)`, `upload_folder`, `download_file(s)`, `get_file_names`, `register_model`,
`Model.register`, `model.download`, deployments.
"""

from __future__ import annotations

from typing import Any

from starlette.responses import JSONResponse, Response, StreamingResponse

from local_azure.machine_learning.domain.access.addresses import SignedAddresses
from local_azure.machine_learning.domain.data.artifacts import (
    RUN_ORIGIN,
    Artifact,
    artifact_document,
    artifacts_below,
    run_container,
    write_artifact,
)
from local_azure.machine_learning.domain.data.blobs import content
from local_azure.machine_learning.domain.workspace.redaction import Redactor
from local_azure.machine_learning.errors import not_implemented
from local_azure.machine_learning.http.bodies import body_chunks
from local_azure.machine_learning.http.call import Call
from local_azure.machine_learning.http.routing import Plane
from local_azure.machine_learning.http.shapes import TEXT, Items, Record
from local_azure.machine_learning.storage.files import BlobFiles
from local_azure.machine_learning.storage.store import Document, Store

PLANE = Plane("Artifacts")
_BASE = "/artifact/v2.0{W}/artifacts"
_PATHS = Record({"paths": Items(Record({"path": TEXT}))})
_OF_RUN = "/history/v1.0{W}/experiments/{experiment}/runs/{run_id}/artifacts"


def _address(artifact: Artifact, uri: str) -> dict[str, str]:
    """The ArtifactContentInformationDto."""
    return {
        "contentUri": uri,
        "origin": artifact.origin,
        "container": artifact.container,
        "path": artifact.path,
    }


def _read_address(call: Call, signed: SignedAddresses, artifact: Artifact) -> dict[str, str]:
    return _address(artifact, signed.download(call.workspace.artifact_container, artifact.blob))


def _write_address(call: Call, signed: SignedAddresses, artifact: Artifact) -> dict[str, str]:
    return _address(artifact, signed.upload(call.workspace.artifact_container, artifact.blob))


def _page(value: list[dict[str, Any]]) -> Document:
    return {"value": value, "continuationToken": None, "nextLink": None}


@PLANE.route("POST", _BASE + "/batch/metadata/{origin}/{container}", body=_PATHS)
def announce(call: Call, files: BlobFiles, signed: SignedAddresses, *, origin: str, container: str) -> Document:
    """Addresses to upload new artifacts to. A path that exists is an error of its own: artifacts are not replaced."""
    documents, addresses, refused = {}, {}, {}
    for item in call.document().get("paths") or []:
        artifact = Artifact(origin, container, str(item.get("path") or ""))
        file = artifact.file(files, call.workspace)
        if file.exists():
            message = f"Resource Conflict: ArtifactId {artifact.blob} already exists."
            refused[artifact.path] = {"error": {"code": "UserError", "message": message, "details": []}}
            continue
        documents[artifact.path] = artifact_document(artifact, file)
        addresses[artifact.path] = _write_address(call, signed, artifact)
    return {"artifacts": documents, "artifactContentInformation": addresses, "errors": refused}


@PLANE.route("GET", _BASE + "/contentinfo/{origin}/{container}/{path:path}")
def content_information(
    call: Call, files: BlobFiles, signed: SignedAddresses, *, origin: str, container: str, path: str
) -> dict[str, str]:
    """Address to read one artifact from."""
    artifact = Artifact(origin, container, path)
    artifact.require_file(files, call.workspace)
    return _read_address(call, signed, artifact)


@PLANE.route("GET", _BASE + "/write/{origin}/{container}/{path:path}", evidence="sdk-source")
def write_information(
    call: Call, signed: SignedAddresses, *, origin: str, container: str, path: str
) -> dict[str, str]:
    """Address to write one artifact to."""
    return _write_address(call, signed, Artifact(origin, container, path))


@PLANE.route("GET", _BASE + "/prefix/contentinfo/{origin}/{container}")
@PLANE.route("GET", _BASE + "/prefix/contentinfo/{origin}/{container}/{path:path}")
def prefix_information(
    call: Call, files: BlobFiles, signed: SignedAddresses, *, origin: str, container: str, path: str = ""
) -> Document:
    """Addresses to read the artifacts at or below a path from."""
    found = artifacts_below(files, call.workspace, origin, container, path)
    return _page([_read_address(call, signed, artifact) for artifact in found])


@PLANE.route("GET", _BASE + "/metadata/{origin}/{container}/{path:path}", evidence="sdk-source")
def get_artifact(call: Call, files: BlobFiles, *, origin: str, container: str, path: str) -> Document:
    """One artifact."""
    artifact = Artifact(origin, container, path)
    return artifact_document(artifact, artifact.require_file(files, call.workspace))


@PLANE.route("GET", _BASE + "/content/{origin}/{container}/{path:path}", evidence="sdk-source")
def download(call: Call, files: BlobFiles, redactor: Redactor, *, origin: str, container: str, path: str) -> Response:
    """The bytes of one artifact."""
    file = Artifact(origin, container, path).require_file(files, call.workspace)
    size = file.stat().st_size
    chunks = content(redactor, file, 0, size)
    return StreamingResponse(chunks, 200, {"Content-Length": str(size)}, "application/octet-stream")


@PLANE.route("POST", _BASE + "/content/{origin}/{container}/{path:path}", streams=True, evidence="sdk-source")
def upload(call: Call, store: Store, files: BlobFiles, *, origin: str, container: str, path: str) -> JSONResponse:
    """Write an artifact's bytes, or append to them (logs that grow)."""
    if call.query.get("index"):
        raise not_implemented("artifact content by block index")
    artifact = Artifact(origin, container, path)
    chunks = body_chunks(call.request)
    file = write_artifact(store, files, call.workspace, artifact, chunks, append=call.flag("append"))
    return JSONResponse(artifact_document(artifact, file))


@PLANE.route("GET", _BASE + "/{origin}/{container}")
@PLANE.route("GET", _BASE + "/{origin}/{container}/{path:path}", evidence="sdk-source")
def list_artifacts(call: Call, files: BlobFiles, *, origin: str, container: str, path: str = "") -> Document:
    """The artifacts of a container, or those at or below a path of it."""
    found = artifacts_below(files, call.workspace, origin, container, path)
    return _page([artifact_document(artifact, artifact.file(files, call.workspace)) for artifact in found])


# The older client of run history addresses a run's artifacts below the run.


def _container(call: Call, store: Store, run_id: str) -> str:
    return run_container(store.require(call.ws, "run", run_id, "Run"))


@PLANE.route("GET", _OF_RUN)
@PLANE.route("GET", _OF_RUN + "/path/{path:path}", evidence="sdk-source")
def list_run_artifacts(call: Call, store: Store, files: BlobFiles, *, run_id: str, path: str = "") -> Document:
    """As `list_artifacts`."""
    container = _container(call, store, run_id)
    return list_artifacts(call, files, origin=RUN_ORIGIN, container=container, path=path)


@PLANE.route("GET", _OF_RUN + "/contentinfo/{path:path}")
def run_content_information(
    call: Call, store: Store, files: BlobFiles, signed: SignedAddresses, *, run_id: str, path: str
) -> dict[str, str]:
    """As `content_information`."""
    container = _container(call, store, run_id)
    return content_information(call, files, signed, origin=RUN_ORIGIN, container=container, path=path)


@PLANE.route("GET", _OF_RUN + "/artifacturi/{path:path}", evidence="sdk-source")
def run_artifact_uri(
    call: Call, store: Store, files: BlobFiles, signed: SignedAddresses, *, run_id: str, path: str
) -> str:
    """Address to read one artifact from, as a JSON string."""
    return run_content_information(call, store, files, signed, run_id=run_id, path=path)["contentUri"]


@PLANE.route("GET", _OF_RUN + "/prefix/contentinfo/{path:path}", evidence="sdk-source")
def run_prefix_information(
    call: Call, store: Store, files: BlobFiles, signed: SignedAddresses, *, run_id: str, path: str
) -> Document:
    """As `prefix_information`."""
    container = _container(call, store, run_id)
    return prefix_information(call, files, signed, origin=RUN_ORIGIN, container=container, path=path)


@PLANE.route("POST", _OF_RUN + "/batch/metadata", evidence="sdk-source", body=_PATHS)
def announce_of_run(call: Call, store: Store, files: BlobFiles, signed: SignedAddresses, *, run_id: str) -> Document:
    """As `announce`."""
    return announce(call, files, signed, origin=RUN_ORIGIN, container=_container(call, store, run_id))
