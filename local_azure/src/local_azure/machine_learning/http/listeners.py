"""The two listeners of the server, plain and TLS, around one application."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Iterator

import uvicorn
from starlette.types import ASGIApp

from local_azure.machine_learning.http.guard import Guard, PatientProtocol


class _Listener(uvicorn.Server):
    """uvicorn without its own signal handlers: there are two listeners and one process."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class Listeners:
    """Serve one application on two listening sockets. context: for the TLS one."""

    def __init__(self, app: ASGIApp, http: socket.socket, tls: socket.socket, context: ssl.SSLContext) -> None:
        guarded = Guard(app)
        secure = _configuration(guarded)
        secure.load()
        secure.ssl = context
        self._served = [(_Listener(_configuration(guarded)), http), (_Listener(secure), tls)]

    async def serve(self) -> None:
        """Answer until `stop`."""
        await asyncio.gather(*(listener.serve(sockets=[bound]) for listener, bound in self._served))

    def stop(self) -> None:
        """Let `serve` return, after what is being answered."""
        for listener, _ in self._served:
            listener.should_exit = True


def _configuration(app: Guard) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        http=PatientProtocol,
        ws="none",
        log_config=None,
        access_log=False,
        lifespan="off",
        timeout_keep_alive=120,
        timeout_graceful_shutdown=2,
        server_header=False,
    )
