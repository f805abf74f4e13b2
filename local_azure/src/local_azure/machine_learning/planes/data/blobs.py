"""Blob storage: the part of the Azure Blob REST interface that the SDK, rslex and plain downloads use.

Callers: the SDK's vendored azure-storage (https), `requests` (downloads), rslex (both). Every call carries a shared
access signature of this server; nothing is held in memory but a block that is appended.
"""

from __future__ import annotations

import re
from email.utils import formatdate

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from local_azure.machine_learning.clock import uptime
from local_azure.machine_learning.domain.access.addresses import Addresses
from local_azure.machine_learning.domain.access.signatures import Signatures
from local_azure.machine_learning.domain.data.blob_access.conditions import Conditions, invalid_header
from local_azure.machine_learning.domain.data.blob_listing import Known, Listing, listing_xml
from local_azure.machine_learning.domain.data.blobs import (
    APPEND_BLOB,
    BLOCK_BLOB,
    DEFAULT_TYPE,
    FOLDER_MARKER,
    NO_TAGS,
    Blob,
    Facts,
    content,
    described_blobs,
    leases_of,
)
from local_azure.machine_learning.domain.workspace.redaction import Redactor
from local_azure.machine_learning.errors import ApiError, bad_request, not_implemented
from local_azure.machine_learning.http.bodies import announced_length, body_chunks, bounded_body, xml_body
from local_azure.machine_learning.http.call import Call
from local_azure.machine_learning.http.routing import Plane
from local_azure.machine_learning.planes.data.blob_headers import META, answer_headers, blob_headers, version_headers
from local_azure.machine_learning.planes.data.blob_leases import put_lease
from local_azure.machine_learning.storage.files import BlobFiles
from local_azure.machine_learning.storage.store import Store

PLANE = Plane("Blob storage", access="signature")
_CONTAINER = "/azureml-{rest}"
_BLOB = "/azureml-{rest}/{blob:path}"
_META_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
MAX_TAGS_BYTES = 64 * 1024
MAX_APPEND_BYTES = 4 * 1024 * 1024  # source: Azure Storage REST, "Append Block"
_APPEND_POSITION, _MOST_SIZE = "x-ms-blob-condition-appendpos", "x-ms-blob-condition-maxsize"
_ENCRYPTED = {"x-ms-request-server-encrypted": "true"}


def _permit(call: Call, signatures: Signatures, rest: str, blob: str, *permissions: str) -> str:
    """Name of the container, once the signature allows one of the permissions."""
    container = f"azureml-{rest}"
    if not any(signatures.allows(call.query, container, blob, letter) for letter in permissions):
        message = f"The signature does not allow '{permissions[0]}' on {container}/{blob}, or is not of this server."
        raise ApiError(403, "AuthenticationFailed", message)
    return container


def _written(call: Call, blob: Blob, status: int = 201) -> Response:
    return Response(status_code=status, headers=answer_headers(call.request, version_headers(blob), _ENCRYPTED))


def _metadata(request: Request) -> dict[str, str]:
    found = {key[len(META) :]: value for key, value in request.headers.items() if key.startswith(META)}
    for name in found:
        if not _META_NAME.fullmatch(name):  # it becomes the name of an element where blobs are listed
            message = f"'{name}' is not a name of metadata: letters, digits and '_', not a digit first."
            raise ApiError(400, "InvalidMetadata", message)
    return found


def _content_type(request: Request) -> str:
    return request.headers.get("x-ms-blob-content-type") or DEFAULT_TYPE


def _facts(request: Request) -> Facts:
    """What the headers say about a blob beside its bytes."""
    facts: Facts = {}
    if _metadata(request):
        facts["metadata"] = _metadata(request)
    if _content_type(request) != DEFAULT_TYPE:
        facts["contentType"] = _content_type(request)
    return facts


@PLANE.route("PUT", _BLOB, streams=True)
def put(call: Call, store: Store, files: BlobFiles, signatures: Signatures, *, rest: str, blob: str) -> Response:
    """Put Blob, Put Block, Put Block List, Set Blob Metadata, Properties and Tags, Lease Blob; told apart by comp."""
    container = _permit(call, signatures, rest, blob, "w", "c")
    target = Blob(store, files, container, blob)
    comp = call.query.get("comp", "")
    handler = {
        "": _put_blob,
        "lease": put_lease,
        "appendblock": _append_block,
        "block": _put_block,
        "blocklist": _put_block_list,
        "metadata": _put_metadata,
        "properties": _put_properties,
        "tags": _put_tags,
    }.get(comp)
    if handler is None:
        raise not_implemented(f"PUT of a blob with comp={comp}")
    return handler(call, target)


def _conditions(call: Call) -> Conditions:
    return Conditions.of_headers(call.request.headers)


def _put_blob(call: Call, blob: Blob) -> Response:
    headers = call.request.headers
    kind = headers.get("x-ms-blob-type", "BlockBlob")
    if kind not in (BLOCK_BLOB, APPEND_BLOB):
        raise not_implemented(f"blobs of type {kind}")
    if "x-ms-copy-source" in headers:
        raise not_implemented("copying blobs by address")
    facts = _facts(call.request)
    if kind == APPEND_BLOB:
        return _put_append_blob(call, blob, facts)
    if f"{META}{FOLDER_MARKER}" in headers:
        xml_body(call.request)
        blob.write_marker(facts, _conditions(call))
    else:
        size, md5 = announced_length(call.request), headers.get("content-md5")
        blob.write(body_chunks(call.request), facts, conditions=_conditions(call), md5=md5, size=size)
    return _written(call, blob)


def _put_append_blob(call: Call, blob: Blob, facts: Facts) -> Response:
    if announced_length(call.request):
        raise bad_request("An append blob is made empty; append to it afterwards.", "InvalidHeaderValue")
    blob.write([], {**facts, "blobType": APPEND_BLOB}, conditions=_conditions(call))
    return _written(call, blob)


def _append_block(call: Call, blob: Blob) -> Response:
    block = bounded_body(call.request, MAX_APPEND_BYTES)
    if not block:
        raise bad_request("A block that is appended has at least one byte.", "InvalidHeaderValue")
    position, most = (_whole_number(call.request, name) for name in (_APPEND_POSITION, _MOST_SIZE))
    offset = blob.append(block, _conditions(call), position=position, most=most)
    response = _written(call, blob)
    response.headers["x-ms-blob-append-offset"] = str(offset)
    return response


def _whole_number(request: Request, header: str) -> int | None:
    text = request.headers.get(header)
    if text is not None and not re.fullmatch(r"[0-9]{1,18}", text):
        raise invalid_header(header, text, "a whole number")
    return None if text is None else int(text)


def _put_block(call: Call, blob: Blob) -> Response:
    size, md5 = announced_length(call.request), call.request.headers.get("content-md5")
    blob.write_block(call.query.get("blockid", ""), body_chunks(call.request), md5, size, _conditions(call))
    return Response(status_code=201, headers=answer_headers(call.request, _ENCRYPTED))


def _put_block_list(call: Call, blob: Blob) -> Response:
    named = re.findall(r"<(Latest|Uncommitted|Committed)>([^<]*)</", xml_body(call.request))
    if any(kind == "Committed" for kind, _ in named):
        raise not_implemented("block lists that keep committed blocks")
    blob.commit_blocks([block_id.strip() for _, block_id in named], _facts(call.request), _conditions(call))
    return _written(call, blob)


def _put_metadata(call: Call, blob: Blob) -> Response:
    blob.change_facts({"metadata": _metadata(call.request)}, _conditions(call))
    return _written(call, blob, 200)


def _put_properties(call: Call, blob: Blob) -> Response:
    blob.change_facts({"contentType": _content_type(call.request)}, _conditions(call))
    return _written(call, blob, 200)


def _put_tags(call: Call, blob: Blob) -> Response:
    blob.change_tags(xml_body(call.request, MAX_TAGS_BYTES), _conditions(call))
    return _written(call, blob, 204)


def _span(request: Request, size: int) -> tuple[int, int] | None:
    """First byte and length of the range asked for, or None for the whole; raises a 416 for one outside."""
    asked = request.headers.get("x-ms-range") or request.headers.get("range")
    found = re.fullmatch(r"bytes=([0-9]{1,18})-([0-9]{0,18})", asked or "")
    if not found:
        return None
    first = int(found[1])
    last = min(int(found[2] or size - 1), size - 1)
    if first >= size or last < first:
        message = f"The range '{asked}' is outside of {size} bytes."
        raise ApiError(416, "InvalidRange", message, {"Content-Range": f"bytes */{size}"})
    return first, last - first + 1


@PLANE.route("GET|HEAD", _BLOB, streams=True, recorded=True)
def read(
    call: Call, store: Store, files: BlobFiles, signatures: Signatures, redactor: Redactor, *, rest: str, blob: str
) -> Response:
    """Get Blob, Get Blob Properties, Metadata and Tags; ranges are streamed from disk."""
    source = Blob(store, files, _permit(call, signatures, rest, blob, "r"), blob)
    source.require()
    comp = call.query.get("comp", "")
    if comp not in ("", "metadata", "tags"):
        raise not_implemented(f"GET of a blob with comp={comp}")
    facts = source.facts()
    if comp == "tags":
        return Response(facts.get("tags", NO_TAGS), 200, answer_headers(call.request), "application/xml")
    if source.is_known(_conditions(call)):
        known = {**version_headers(source), "x-ms-error-code": "ConditionNotMet"}
        return Response(status_code=304, headers=answer_headers(call.request, known))
    size = source.size
    headers, status = answer_headers(call.request, blob_headers(source, facts)), 200
    first, length = 0, size
    span = _span(call.request, size)
    if span:
        status, (first, length) = 206, span
        headers["Content-Range"] = f"bytes {first}-{first + length - 1}/{size}"
    headers["Content-Length"] = str(length)
    if call.request.method == "HEAD":
        headers |= {"x-ms-access-tier": "Hot", "x-ms-access-tier-inferred": "true"}
    if call.request.method == "HEAD" or not length:
        return Response(status_code=status, headers=headers)
    return StreamingResponse(content(redactor, source.path, first, length), status, headers)


@PLANE.route("DELETE", _BLOB, streams=True, evidence="sdk-source")
def delete(call: Call, store: Store, files: BlobFiles, signatures: Signatures, *, rest: str, blob: str) -> Response:
    """Delete Blob."""
    Blob(store, files, _permit(call, signatures, rest, blob, "d"), blob).delete(_conditions(call))
    deleted = {"x-ms-delete-type-permanent": "true"}
    return Response(status_code=202, headers=answer_headers(call.request, deleted))


@PLANE.route("HEAD", _CONTAINER, streams=True, evidence="sdk-source")
@PLANE.route("GET", _CONTAINER, streams=True, recorded=True)
def read_container(
    call: Call, store: Store, files: BlobFiles, signatures: Signatures, addresses: Addresses, *, rest: str
) -> Response:
    """List Blobs, or the container's properties."""
    container = _permit(call, signatures, rest, "", "l")
    comp = call.query.get("comp", "")
    if comp not in ("", "list"):
        raise not_implemented(f"GET of a container with comp={comp}")
    if comp != "list":
        properties = {
            "ETag": f'"{rest}"',
            "Last-Modified": formatdate(0, usegmt=True),
            "x-ms-lease-state": "available",
            "x-ms-lease-status": "unlocked",
        }
        return Response(status_code=200, headers=answer_headers(call.request, properties))
    wanted = Listing.of_query(container, call.query)
    known = Known(described_blobs(store, container), leases_of(store, container), uptime())
    body = listing_xml(files, addresses.tls, wanted, known)
    return Response(body, 200, answer_headers(call.request), "application/xml")


@PLANE.route("PUT|DELETE", _CONTAINER, streams=True, evidence="sdk-source")
def change_container(call: Call, signatures: Signatures, *, rest: str) -> Response:
    """Containers belong to their workspace: none is created or deleted by a client."""
    _permit(call, signatures, rest, "", "w", "d")
    comp = call.query.get("comp", "")
    if comp:
        raise not_implemented(f"{call.request.method} of a container with comp={comp}")
    raise ApiError(409, "ContainerAlreadyExists", f"The container 'azureml-{rest}' belongs to its workspace.")
