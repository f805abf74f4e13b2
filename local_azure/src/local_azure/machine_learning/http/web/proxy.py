"""The proxy's listening end: ends TLS itself, with a certificate for whichever host a client asks for.

A connection is authorized by the credentials of its first request; without them it sees no file.
"""

from __future__ import annotations

import asyncio
import base64
import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import uvicorn
from starlette.types import ASGIApp

from local_azure.machine_learning.http.guard import PatientProtocol

if TYPE_CHECKING:
    import ssl

HEAD_BYTES = 16 * 1024  # of a CONNECT, or of the first request that is not encrypted
HEAD_SECONDS = 20.0
TLS_SECONDS = 20.0
_END = b"\r\n\r\n"
_CONNECT = re.compile(rb"CONNECT ([a-zA-Z0-9._-]{1,253}):(\d{1,5}) HTTP/1\.[01]\r\n")
_CREDENTIALS = re.compile(rb"\r\nproxy-authorization: basic ([a-z0-9+/=]{1,200})\r\n", re.IGNORECASE)


@dataclass(frozen=True)
class Door:
    """Decides what a connection gets: with the credentials the files, else refusals only.

    user_info: "USER:PASSWORD". context: makes the TLS context that stands for a host.
    """

    user_info: str
    context: Callable[[str], ssl.SSLContext]
    with_files: ASGIApp
    without_files: ASGIApp

    def protocol(self, *, config: uvicorn.Config, **settings: Any) -> asyncio.Protocol:
        """Make the protocol of one connection, in place of the one that uvicorn would make."""
        return _ProxyProtocol(self, partial(PatientProtocol, config=config, **settings))

    def application(self, head: bytes) -> ASGIApp:
        """Choose what answers a connection that begins with a head."""
        found = _CREDENTIALS.search(head)
        expected = base64.b64encode(self.user_info.encode())
        return self.with_files if found and secrets.compare_digest(found[1], expected) else self.without_files


class _ProxyProtocol(asyncio.Protocol):
    """Reads the first head of a connection, then lets uvicorn's protocol have it."""

    def __init__(self, door: Door, make: Callable[[], PatientProtocol]) -> None:
        self._door = door
        self._make = make
        self._received = b""
        self._tunnel: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - of a stream
        self._transport = transport
        self._timer = asyncio.get_running_loop().call_later(HEAD_SECONDS, transport.abort)

    def connection_lost(self, _: Exception | None) -> None:
        self._timer.cancel()

    def data_received(self, data: bytes) -> None:
        self._received += data
        if self._tunnel is not None:
            return  # a request that follows the handshake at once, whole bodies too: it waits for uvicorn's protocol
        if _END in self._received[:HEAD_BYTES]:
            self._timer.cancel()
            self._begin()
        elif len(self._received) >= HEAD_BYTES:
            self._refuse(b"431 Request Header Fields Too Large")

    def _begin(self) -> None:
        head = self._received
        application = self._door.application(head)
        if not head.startswith(b"CONNECT "):
            self._hand_over(self._transport, application)
            return
        found = _CONNECT.match(head)
        if found is None or head.index(_END) + len(_END) != len(head):
            self._refuse(b"400 Bad Request")
            return
        self._received = b""
        self._tunnel = asyncio.get_running_loop().create_task(self._encrypt(found[1].decode().lower(), application))

    async def _encrypt(self, host: str, application: ASGIApp) -> None:
        self._transport.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        loop = asyncio.get_running_loop()
        try:
            encrypted = await loop.start_tls(
                self._transport, self, self._door.context(host), server_side=True, ssl_handshake_timeout=TLS_SECONDS
            )
        except OSError:  # the client does not trust us, or has gone
            return
        if encrypted is not None:
            self._hand_over(encrypted, application)

    def _hand_over(self, transport: asyncio.Transport, application: ASGIApp) -> None:
        protocol = self._make()
        protocol.app = application
        transport.set_protocol(protocol)
        protocol.connection_made(transport)
        if self._received:
            protocol.data_received(self._received)

    def _refuse(self, status: bytes) -> None:
        self._transport.write(b"HTTP/1.1 " + status + b"\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        self._transport.close()
