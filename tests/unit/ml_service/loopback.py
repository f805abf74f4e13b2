"""A listener on loopback in place of a REST API: it holds answers by path, and keeps what it was asked."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, TypeVar
from urllib.parse import parse_qs, urlsplit


class Listener(ThreadingHTTPServer):
    """Answers as a test has said; 404 for what it does not hold."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answers: dict[str, Any] = {}
        self.status, self.headers = 200, dict[str, str]()
        self.busy: list[int] = []
        """Statuses of the next answers, before all others."""
        self.asked: list[tuple[str, Mapping[str, str]]] = []
        """Address and headers."""

    def answer(self, path: str, query: Mapping[str, list[str]]) -> Any:
        """What it holds: bytes, or a document; None for nothing."""
        return self.answers.get(path)


class _Handler(BaseHTTPRequestHandler):
    server: Listener

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        self.server.asked.append((self.path, dict(self.headers)))
        found = self.server.answer(parts.path, parse_qs(parts.query))
        busy = self.server.busy.pop(0) if self.server.busy else 0
        self.send_response(busy or (self.server.status if found is not None else 404))
        for name, value in self.server.headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(found if isinstance(found, bytes) else json.dumps(found).encode())

    def log_message(self, *_: object) -> None:
        """Silence."""


Kind = TypeVar("Kind", bound=Listener)


@contextmanager
def listening(server: Kind) -> Iterator[Kind]:
    """Answer in a thread until the end of the block."""
    with server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join()
