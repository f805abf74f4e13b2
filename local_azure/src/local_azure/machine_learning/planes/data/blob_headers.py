"""Headers of the answers of the blob plane.

Source: recordings of the service (docs/fidelity.md) and Azure Storage REST, "Get Blob Properties".
"""

from __future__ import annotations

from collections.abc import Mapping
from email.utils import formatdate

from starlette.requests import Request

from local_azure.machine_learning.clock import new_id, uptime
from local_azure.machine_learning.domain.data.blob_access import leases
from local_azure.machine_learning.domain.data.blob_access.leases import INFINITE, LeaseState
from local_azure.machine_learning.domain.data.blobs import BLOCK_BLOB, DEFAULT_TYPE, Blob, Facts, etag, last_modified

META = "x-ms-meta-"
_VERSION = "2021-08-06"  # of the protocol, where a client names none


def answer_headers(request: Request, *more: Mapping[str, str]) -> dict[str, str]:
    """Return what every answer has, and more."""
    headers = {
        "x-ms-request-id": new_id(),
        "x-ms-version": request.headers.get("x-ms-version", _VERSION),
        "Date": formatdate(usegmt=True),
    }
    for some in more:
        headers |= some
    return headers


def version_headers(blob: Blob) -> dict[str, str]:
    """Return which version of a blob there is now."""
    return {"ETag": etag(blob.path), "Last-Modified": last_modified(blob.path)}


def blob_headers(blob: Blob, facts: Facts) -> dict[str, str]:
    """Return what Get Blob and Get Blob Properties say about a blob."""
    return {
        **{f"{META}{key}": str(value) for key, value in facts.get("metadata", {}).items()},
        **version_headers(blob),
        "Content-Type": str(facts.get("contentType", DEFAULT_TYPE)),
        "Accept-Ranges": "bytes",
        "x-ms-blob-type": str(facts.get("blobType", BLOCK_BLOB)),
        "x-ms-creation-time": last_modified(blob.path),
        "x-ms-server-encrypted": "true",
        **_lease_headers(blob),
    }


def _lease_headers(blob: Blob) -> dict[str, str]:
    lease = blob.lease()
    state = leases.state_of(lease, uptime())
    headers = {"x-ms-lease-state": str(state), "x-ms-lease-status": "locked" if state.is_locked else "unlocked"}
    if lease and state is LeaseState.LEASED:
        headers["x-ms-lease-duration"] = "infinite" if lease.duration == INFINITE else "fixed"
    return headers
