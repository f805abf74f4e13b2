"""Reads the bodies of requests: JSON in the event loop, streams from the thread of their handler."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Iterator
from typing import Any

from anyio import from_thread
from starlette.requests import Request

from local_azure.machine_learning.errors import ApiError, bad_request

MAX_JSON_BYTES = 32 * 1024 * 1024
MAX_XML_BYTES = 8 * 1024 * 1024  # 50,000 blocks, the most that Azure takes, fit
_FORMS = ("application/x-www-form-urlencoded", "multipart/form-data")


async def parsed_body(request: Request) -> Any:
    """The JSON of a body, the text of a form, None where there is no body; raises a 400 or 413."""
    too_large = ApiError(413, "RequestBodyTooLarge", f"The body is larger than {MAX_JSON_BYTES} bytes.")
    if int(request.headers.get("content-length", 0)) > MAX_JSON_BYTES:  # a number: the parser took it
        raise too_large
    received = bytearray()
    async for chunk in request.stream():
        received += chunk
        if len(received) > MAX_JSON_BYTES:
            raise too_large
    if not received:
        return None
    if request.headers.get("content-type", "").startswith(_FORMS):
        return received.decode(errors="replace")
    try:
        return json.loads(received)
    except (ValueError, RecursionError) as error:
        raise bad_request(f"The body is not JSON: {error}") from error


async def _next(stream: AsyncGenerator[bytes, None]) -> bytes | None:
    return await anext(stream, None)


def body_chunks(request: Request) -> Iterator[bytes]:
    """The body, chunk by chunk, from a handler's own thread."""
    stream = request.stream()
    while (chunk := from_thread.run(_next, stream)) is not None:
        yield chunk


def xml_body(request: Request) -> str:
    """A body of XML as text, from a handler's own thread; raises a 413."""
    body = bytearray()
    for chunk in body_chunks(request):
        body += chunk
        if len(body) > MAX_XML_BYTES:
            raise ApiError(413, "RequestBodyTooLarge", f"The XML is larger than {MAX_XML_BYTES} bytes.")
    return body.decode("utf-8", "replace")


def announced_length(request: Request) -> int | None:
    """Bytes that the client announces, None when it does not say."""
    announced = request.headers.get("content-length")
    return None if announced is None else int(announced)
