"""The listeners of the server: plain and TLS around one application, and the proxy for web addresses."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import uvicorn
from starlette.types import ASGIApp

from local_azure.machine_learning.http.guard import Guard, PatientProtocol
from local_azure.machine_learning.http.web.answers import WebAnswers
from local_azure.machine_learning.http.web.proxy import Door
from local_azure.machine_learning.loopback import LOOPBACK
from local_azure.machine_learning.storage.web_files import WebFiles


class _Listener(uvicorn.Server):
    """uvicorn without its own signal handlers: there are two listeners and one process."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@dataclass(frozen=True)
class WebAccess:
    """What the proxy needs. user_info: "USER:PASSWORD" of who may read the files. context: TLS as some other host."""

    files: WebFiles
    user_info: str
    context: Callable[[str], ssl.SSLContext]


@dataclass(frozen=True)
class Sockets:
    """The listening sockets."""

    http: socket.socket
    tls: socket.socket
    web: socket.socket
    studio: socket.socket


class Listeners:
    """Serve one application on two sockets, web addresses on the third, and the studio, if any, on the fourth.

    context: for the TLS one. studio: guards itself, because browsers may write to it and to nothing else.
    """

    def __init__(
        self, app: ASGIApp, sockets: Sockets, context: ssl.SSLContext, web: WebAccess, studio: ASGIApp | None = None
    ) -> None:
        guarded = Guard(app)
        secure = _configuration(guarded)
        secure.load()
        secure.ssl = context
        proxy = _configuration(guarded)
        proxy.load()
        proxy.http_protocol_class = _door(guarded, sockets, web).protocol  # type: ignore[assignment]
        self._served = [
            (_Listener(_configuration(guarded)), sockets.http),
            (_Listener(secure), sockets.tls),
            (_Listener(proxy), sockets.web),
        ]
        if studio is not None:
            self._served.append((_Listener(_configuration(studio)), sockets.studio))

    async def serve(self) -> None:
        """Answer until `stop`."""
        await asyncio.gather(*(listener.serve(sockets=[bound]) for listener, bound in self._served))

    def stop(self) -> None:
        """Let `serve` return, after what is being answered."""
        for listener, _ in self._served:
            listener.should_exit = True


def _door(own: ASGIApp, sockets: Sockets, web: WebAccess) -> Door:
    ports = [bound.getsockname()[1] for bound in (sockets.http, sockets.tls)]
    own_hosts = frozenset(f"{host}:{port}" for host in (LOOPBACK, "localhost") for port in ports)
    with_files = WebAnswers(web.files, own, own_hosts)
    return Door(web.user_info, web.context, with_files, WebAnswers(WebFiles(), own, own_hosts))


def _configuration(app: ASGIApp) -> uvicorn.Config:
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
