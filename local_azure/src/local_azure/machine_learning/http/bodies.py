"""Reads the bodies of requests: JSON in the event loop, streams from the thread of their handler."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator
from typing import Any
from urllib.parse import unquote_to_bytes

from anyio import from_thread
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request

from local_azure.machine_learning import strict_json
from local_azure.machine_learning.errors import ApiError, bad_request

MAX_JSON_BYTES = 32 * 1024 * 1024
MAX_FORM_BYTES = 64 * 1024  # forms are what clients sign in with
_QUICK_BYTES = 256 * 1024  # more is parsed beside the event loop
MAX_XML_BYTES = 8 * 1024 * 1024  # 50,000 blocks, the most that Azure takes, fit
_FORMS = ("application/x-www-form-urlencoded", "multipart/form-data")


def refuse_odd_address(request: Request) -> None:
    """Raise a 400 for an address whose bytes are not UTF-8: decoded with replacements it would be another's name."""
    for part in (request.scope.get("raw_path") or b"", request.scope.get("query_string") or b""):
        try:
            unquote_to_bytes(part).decode("utf-8")
        except UnicodeDecodeError as error:
            raise bad_request("The request URL must be percent-encoded UTF-8.") from error


async def parsed_body(request: Request, *, lenient_numbers: bool = False) -> Any:
    """The JSON of a body, the text of a form, None where there is no body; raises a 400 or 413."""
    is_form = request.headers.get("content-type", "").startswith(_FORMS)
    received = await _received(request, MAX_FORM_BYTES if is_form else MAX_JSON_BYTES)
    if not received:
        return None
    if is_form:
        return received.decode(errors="replace")
    constant = str if lenient_numbers else None
    try:
        if len(received) <= _QUICK_BYTES:
            return strict_json.parse(received, constant)
        return await run_in_threadpool(strict_json.parse, received, constant)
    except ValueError as error:
        raise bad_request(f"The body is not JSON: {error}") from error


async def _received(request: Request, most: int) -> bytearray:
    too_large = ApiError(413, "RequestBodyTooLarge", f"The body is larger than {most} bytes.")
    if int(request.headers.get("content-length", 0)) > most:  # a number: the parser took it
        raise too_large
    received = bytearray()
    async for chunk in request.stream():
        received += chunk
        if len(received) > most:
            raise too_large
    return received


async def _next(stream: AsyncGenerator[bytes, None]) -> bytes | None:
    return await anext(stream, None)


def body_chunks(request: Request) -> Iterator[bytes]:
    """The body, chunk by chunk, from a handler's own thread."""
    stream = request.stream()
    while (chunk := from_thread.run(_next, stream)) is not None:
        yield chunk


def bounded_body(request: Request, most: int) -> bytes:
    """A whole body, from a handler's own thread; raises a 413."""
    body = bytearray()
    for chunk in body_chunks(request):
        body += chunk
        if len(body) > most:
            raise ApiError(413, "RequestBodyTooLarge", f"The body is larger than {most} bytes.")
    return bytes(body)


def xml_body(request: Request, most: int = MAX_XML_BYTES) -> str:
    """A body of XML as text, from a handler's own thread; raises a 400 or 413."""
    body = bounded_body(request, most)
    try:
        return body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise bad_request(f"The XML is not UTF-8 at byte {error.start}.", "InvalidXmlDocument") from error


def announced_length(request: Request) -> int | None:
    """Bytes that the client announces, None when it does not say."""
    announced = request.headers.get("content-length")
    return None if announced is None else int(announced)
