"""The door of the plain and TLS listeners: refuses what no client of ours would send, before any route is looked at.

Host allow-list (DNS rebinding), no writes that carry an Origin (browser forgery), limits on how large a head may be
and how slowly a head or a body may come. Order and statuses follow the guard rules that the project measured: Host
421, Origin 403; the application behind checks tokens and the size of bodies.
"""

from __future__ import annotations

import asyncio
import re
from typing import Any

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from local_azure.machine_learning.errors import ApiError

_HOST = re.compile(rb"(?:127\.0\.0\.1|localhost|\[::1\])(?::\d{1,5})?", re.IGNORECASE)
HEAD_BYTES = 128 * 1024  # the SDK's longest address stays below 8 KB
MAX_HEADERS = 200  # of a request; the SDK sends about 15
HEAD_SECONDS = 20.0
# A body may pause for so long, and must come at least as fast as this on average.
BODY_SECONDS = 30.0
BODY_BYTES_PER_SECOND = 16 * 1024


class PatientProtocol(HttpToolsProtocol):
    """uvicorn's protocol, with limits on the bytes of a request's head and on the seconds until it is there."""

    _in_head = True
    _head_bytes = 0  # as they came
    _parsed_bytes = 0  # as the parser took them for parts of the head
    _headers = 0
    _head_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for the first head."""
        super().connection_made(transport)
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait for nothing any more."""
        self._forget_head()
        super().connection_lost(exc)

    def on_message_begin(self) -> None:
        """The first byte of a request."""
        super().on_message_begin()
        self._await_head()

    def on_url(self, url: bytes) -> None:
        """Another piece of the address."""
        self._count(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Another header. It may have come whole, in one read with the rest of the head."""
        self._headers += 1
        self._count(len(name) + len(value) + len(b": \r\n"))
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """The head is there."""
        self._forget_head()
        super().on_headers_complete()

    def _count(self, more: int) -> None:
        """Raise what the parser takes for a broken request, which uvicorn answers with a 400."""
        self._parsed_bytes += more
        if self._parsed_bytes > HEAD_BYTES or self._headers > MAX_HEADERS:
            raise ValueError("the head of the request is too long")

    def data_received(self, data: bytes) -> None:
        """Feed the parser unless the head has become too long."""
        if self._in_head:
            self._head_bytes += len(data)
        super().data_received(data)
        if self._in_head and self._head_bytes > HEAD_BYTES:
            self._refuse_head()

    def _await_head(self) -> None:
        self._forget_head()
        self._in_head = True
        self._head_timer = self.loop.call_later(HEAD_SECONDS, self._refuse_head)

    def _forget_head(self) -> None:
        self._in_head = False
        self._head_bytes = self._parsed_bytes = self._headers = 0
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _refuse_head(self) -> None:
        self._forget_head()
        if not self.transport.is_closing():
            self.send_400_response(
                f"The request headers exceed {HEAD_BYTES} bytes or took longer than {HEAD_SECONDS:g} s."
            )


class _Body:
    """The receiving end of one request, with a read time limit."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._left = True
        self._due = asyncio.get_running_loop().time() + BODY_SECONDS

    async def __call__(self) -> Message:
        if not self._left:  # what comes now is the end of the connection, which may be far
            return await self._receive()
        try:
            async with asyncio.timeout_at(self._due):
                message = await self._receive()
        except TimeoutError as error:
            slow = f"The request body was sent too slowly (below {BODY_BYTES_PER_SECOND} bytes/s)."
            raise ApiError(408, "RequestTimeout", slow) from error
        self._left = message.get("more_body", False)
        self._due += len(message.get("body", b"")) / BODY_BYTES_PER_SECOND
        return message


class Guard:
    """ASGI wrapper around the application."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        refusal = self._refusal(scope)
        if refusal:
            status, message = refusal
            body: dict[str, Any] = {"error": {"code": "Refused", "message": message, "details": []}}
            await JSONResponse(body, status, {"Connection": "close"})(scope, receive, send)
            return
        await self._app(scope, _Body(receive), send)

    @staticmethod
    def _refusal(scope: Scope) -> tuple[int, str] | None:
        hosts = [value for name, value in scope["headers"] if name == b"host"]
        if len(hosts) != 1 or not _HOST.fullmatch(hosts[0]):
            return 421, "Invalid Host header: only 127.0.0.1 and localhost are served."
        if scope["method"] not in ("GET", "HEAD") and any(name == b"origin" for name, _ in scope["headers"]):
            return 403, "Writes from web pages are refused."
        return None
