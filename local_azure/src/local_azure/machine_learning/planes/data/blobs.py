"""Blob storage: the part of the Azure Blob REST interface that the SDK, rslex and plain downloads use.

Callers: the SDK's vendored azure-storage (https), `requests` (downloads), rslex (both). Every call carries a shared
access signature of this server; nothing is held in memory.
"""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Iterator
from email.utils import formatdate
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from anyio import from_thread
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from local_azure.machine_learning.clock import new_id
from local_azure.machine_learning.domain.access.addresses import Addresses, SignedAddresses
from local_azure.machine_learning.domain.access.tokens import Tokens
from local_azure.machine_learning.domain.data.blob_listing import Listing, etag, last_modified, listing_xml
from local_azure.machine_learning.domain.redaction import Redactor
from local_azure.machine_learning.errors import ApiError, not_implemented
from local_azure.machine_learning.http.call import Call
from local_azure.machine_learning.http.routing import Plane
from local_azure.machine_learning.storage.blob_files import FOLDER_MARKER, BlobDisk, markers, read_chunks
from local_azure.machine_learning.storage.files import BlobFiles
from local_azure.machine_learning.storage.store import Store

if TYPE_CHECKING:
    pass

PLANE = Plane("Blob storage", access="signature")
_CONTAINER = "/azureml-{rest}"
_BLOB = "/azureml-{rest}/{blob:path}"
_META = "x-ms-meta-"
_MAX_XML_BYTES = 8 * 1024 * 1024  # 50,000 blocks, the most that Azure takes, fit
_UNPRINTED = re.compile(r"[\x00-\x1f\x7f]")


def writable_address(signed: SignedAddresses, container: str, blob: str) -> str:
    """A signed https address for the SDK's uploads.

    The SDK cuts the name out of the address and encodes it again, so it stands there as it is, not encoded.
    Raises a 400 for the names that such an address cannot carry.
    """
    if any(sign in blob for sign in "?#") or _UNPRINTED.search(blob):
        raise ApiError(
            400, "InvalidResourceName", f"'{blob}' cannot be uploaded: the SDK cannot address '?' and '#'."
        )
    address, _, query = signed.upload(container, blob).partition("?")
    return f"{address.removesuffix(quote(blob))}{blob}?{query}"


def _permit(call: Call, tokens: Tokens, rest: str, blob: str, *permissions: str) -> str:
    """Name of the container, once the signature allows one of the permissions."""
    container = f"azureml-{rest}"
    allows = tokens.signature_allows
    if not any(allows(call.query, container, blob, letter) for letter in permissions):
        message = f"The signature does not allow '{permissions[0]}' on {container}/{blob}, or is not of this server."
        raise ApiError(403, "AuthenticationFailed", message)
    return container


def _headers(**more: str) -> dict[str, str]:
    return {"x-ms-request-id": new_id(), "x-ms-version": "2020-08-04", "Date": formatdate(usegmt=True), **more}


def _written(disk: BlobDisk, status: int = 201) -> Response:
    facts = {"ETag": etag(disk.path), "Last-Modified": last_modified(disk.path)}
    return Response(status_code=status, headers=_headers(**facts, **{"x-ms-request-server-encrypted": "true"}))


async def _next(stream: AsyncGenerator[bytes, None]) -> bytes | None:
    return await anext(stream, None)


def body_chunks(request: Request) -> Iterator[bytes]:
    """The body, chunk by chunk, from a handler's own thread."""
    stream = request.stream()
    while (chunk := from_thread.run(_next, stream)) is not None:
        yield chunk


def _small_body(request: Request) -> str:
    body = bytearray()
    for chunk in body_chunks(request):
        body += chunk
        if len(body) > _MAX_XML_BYTES:
            raise ApiError(413, "RequestBodyTooLarge", f"The XML is larger than {_MAX_XML_BYTES} bytes.")
    return body.decode("utf-8", "replace")


def _length(request: Request) -> int | None:
    """Bytes that the client announces, None when it does not say."""
    announced = request.headers.get("content-length")
    return None if announced is None else int(announced)


def _facts(request: Request) -> dict[str, object]:
    """What the headers say about a blob beside its bytes."""
    metadata = {key[len(_META) :]: value for key, value in request.headers.items() if key.startswith(_META)}
    kind = request.headers.get("x-ms-blob-content-type") or "application/octet-stream"
    facts: dict[str, object] = {"metadata": metadata} if metadata else {}
    return facts if kind == "application/octet-stream" else {**facts, "contentType": kind}


@PLANE.route("PUT", _BLOB, streams=True)
def put(call: Call, store: Store, files: BlobFiles, tokens: Tokens, *, rest: str, blob: str) -> Response:
    """Put Blob, Put Block, Put Block List, Set Blob Metadata, Properties and Tags, told apart by `comp`."""
    container = _permit(call, tokens, rest, blob, "w", "c")
    disk = BlobDisk(store, files, container, blob)
    comp = call.query.get("comp", "")
    handler = {
        "": _put_blob, "block": _put_block, "blocklist": _put_block_list,
        "metadata": _put_facts, "properties": _put_facts, "tags": _put_facts,
    }.get(comp)  # fmt: skip
    if handler is None:
        raise not_implemented(f"PUT of a blob with comp={comp}")
    return handler(call, disk)


def _only_new(call: Call) -> bool:
    return call.request.headers.get("if-none-match") == "*"


def _put_blob(call: Call, disk: BlobDisk) -> Response:
    headers = call.request.headers
    kind = headers.get("x-ms-blob-type", "BlockBlob")
    if kind != "BlockBlob" or "x-ms-copy-source" in headers:
        raise not_implemented(f"blobs of type {kind}" if kind != "BlockBlob" else "copying blobs by address")
    facts = _facts(call.request)
    if f"{_META}{FOLDER_MARKER}" in headers:
        _small_body(call.request)
        disk.write_marker(facts)
    else:
        md5 = headers.get("content-md5")
        disk.write(body_chunks(call.request), facts, only_new=_only_new(call), md5=md5, size=_length(call.request))
    return _written(disk)


def _put_block(call: Call, disk: BlobDisk) -> Response:
    md5 = call.request.headers.get("content-md5")
    disk.write_block(call.query.get("blockid", ""), body_chunks(call.request), md5, _length(call.request))
    return Response(status_code=201, headers=_headers(**{"x-ms-request-server-encrypted": "true"}))


def _put_block_list(call: Call, disk: BlobDisk) -> Response:
    named = re.findall(r"<(Latest|Uncommitted|Committed)>\s*([^<]*?)\s*</", _small_body(call.request))
    if any(kind == "Committed" for kind, _ in named):
        raise not_implemented("block lists that keep committed blocks")
    disk.commit_blocks([block_id for _, block_id in named], _facts(call.request), only_new=_only_new(call))
    return _written(disk)


def _put_facts(call: Call, disk: BlobDisk) -> Response:
    if not disk.exists():
        raise _missing(disk.blob)
    comp = call.query["comp"]
    given = _facts(call.request)
    facts = disk.facts()
    if comp == "metadata":
        facts["metadata"] = given.get("metadata", {})
    elif comp == "properties":
        facts["contentType"] = given.get("contentType", "application/octet-stream")
    else:
        facts["tags"] = _small_body(call.request)
    disk.note(facts)
    return _written(disk, 204 if comp == "tags" else 200)


def _missing(blob: str) -> ApiError:
    return ApiError(404, "BlobNotFound", f"The blob '{blob}' does not exist.")


def _span(request: Request, size: int) -> tuple[int, int] | None:
    """First byte and length of the range asked for, or None for the whole; raises a 416 for one outside."""
    asked = request.headers.get("x-ms-range") or request.headers.get("range")
    found = re.fullmatch(r"bytes=(\d+)-(\d*)", asked or "")
    if not found:
        return None
    first = int(found[1])
    last = min(int(found[2]) if found[2] else size - 1, size - 1)
    if first >= size or last < first:
        raise ApiError(416, "InvalidRange", f"The range '{asked}' is outside of {size} bytes.")
    return first, last - first + 1


@PLANE.route("GET|HEAD", _BLOB, streams=True)
def read(
    call: Call, store: Store, files: BlobFiles, tokens: Tokens, redactor: Redactor, *, rest: str, blob: str
) -> Response:
    """Get Blob, Get Blob Properties, Metadata and Tags; ranges are streamed from disk."""
    disk = BlobDisk(store, files, _permit(call, tokens, rest, blob, "r"), blob)
    facts = disk.facts()
    if not disk.exists():
        raise _missing(blob)
    comp = call.query.get("comp", "")
    if comp not in ("", "metadata", "tags"):
        raise not_implemented(f"GET of a blob with comp={comp}")
    if comp == "tags":
        return Response(facts.get("tags", "<Tags><TagSet/></Tags>"), 200, _headers(), "application/xml")
    size = disk.path.stat().st_size if disk.path.is_file() else 0
    headers = _blob_headers(disk, facts)
    expected = call.request.headers.get("if-match", "*")
    if expected not in ("*", headers["ETag"]):
        raise ApiError(412, "ConditionNotMet", f"The blob '{blob}' has changed since.")
    span = _span(call.request, size)
    first, length = span or (0, size)
    headers["Content-Length"] = str(length)
    if span:
        headers["Content-Range"] = f"bytes {first}-{first + length - 1}/{size}"
    if call.request.method == "HEAD" or not length:
        return Response(status_code=206 if span else 200, headers=headers)
    return StreamingResponse(content_chunks(redactor, disk.path, first, length), 206 if span else 200, headers)


def content_chunks(redactor: Redactor, path: Path, first: int, length: int) -> Iterator[bytes]:
    """A range of a blob's bytes; of a log that a step is still writing, masked."""
    if redactor.is_written(path):
        return redactor.read(path, first, length)
    stream = path.open("rb")
    stream.seek(first)
    return read_chunks(stream, length)


def _blob_headers(disk: BlobDisk, facts: dict[str, object]) -> dict[str, str]:
    metadata = facts.get("metadata")
    pairs = {f"{_META}{key}": str(value) for key, value in metadata.items()} if isinstance(metadata, dict) else {}
    return _headers(
        **pairs,
        **{
            "ETag": etag(disk.path),
            "Last-Modified": last_modified(disk.path),
            "Content-Type": str(facts.get("contentType", "application/octet-stream")),
            "Accept-Ranges": "bytes",
            "x-ms-blob-type": "BlockBlob",
        },
    )


@PLANE.route("DELETE", _BLOB, streams=True, evidence="sdk-source")
def delete(call: Call, store: Store, files: BlobFiles, tokens: Tokens, *, rest: str, blob: str) -> Response:
    """Delete Blob."""
    disk = BlobDisk(store, files, _permit(call, tokens, rest, blob, "d"), blob)
    if not disk.exists():
        raise _missing(blob)
    disk.delete()
    return Response(status_code=202, headers=_headers())


@PLANE.route("HEAD", _CONTAINER, streams=True, evidence="sdk-source")
@PLANE.route("GET", _CONTAINER, streams=True)
def read_container(
    call: Call, store: Store, files: BlobFiles, tokens: Tokens, addresses: Addresses, *, rest: str
) -> Response:
    """List Blobs, or the container's properties."""
    container = _permit(call, tokens, rest, "", "l")
    comp = call.query.get("comp", "")
    if comp not in ("", "list"):
        raise not_implemented(f"GET of a container with comp={comp}")
    if comp != "list":
        facts = {"ETag": f'"{rest}"', "Last-Modified": formatdate(0, usegmt=True)}
        return Response(status_code=200, headers=_headers(**facts))
    wanted = Listing.of_query(container, call.query)
    described = markers(store, container)
    body = listing_xml(files, addresses.tls, wanted, described)
    return Response(body, 200, _headers(), "application/xml")


@PLANE.route("PUT|DELETE", _CONTAINER, streams=True, evidence="sdk-source")
def change_container(call: Call, tokens: Tokens, *, rest: str) -> Response:
    """Containers belong to their workspace: none is created or deleted by a client."""
    _permit(call, tokens, rest, "", "w", "d")
    raise ApiError(409, "ContainerAlreadyExists", f"The container 'azureml-{rest}' belongs to its workspace.")
