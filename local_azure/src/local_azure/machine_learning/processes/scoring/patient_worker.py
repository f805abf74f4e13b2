"""gunicorn's threaded worker, with its threads kept for requests that are there.

gunicorn gives a thread to every connection and lets it read without a limit of time: as many half heads as there are
threads end a service. Here the main loop collects heads and waits for the ends of closing connections, so a slow
client costs a socket and no thread; where there are too many, the one that has been slow for longest is closed.
A thread reads the body, within limits. They are those of the main server's door (`http/guard.py`).
"""

from __future__ import annotations

import contextlib
import selectors
import socket
import time
from collections.abc import Callable
from typing import Any

from gunicorn.http.unreader import SocketUnreader  # type: ignore[import-untyped]
from gunicorn.workers import gthread  # type: ignore[import-untyped]

THREADS = 16
CONNECTIONS = 128  # open at a time; one more closes the one that has been slow, or else idle, for longest
HEAD_BYTES = 128 * 1024
HEAD_SECONDS = 20.0
# A body may pause for so long, and must come at least as fast as this on average.
BODY_SECONDS = 30.0
BODY_BYTES_PER_SECOND = 16 * 1024
SEND_SECONDS = 30.0  # for each piece of an answer
LINGER_SECONDS = 2.0  # for a client that is still sending when it is answered for the last time
# How long a worker that is asked to stop keeps idle connections; gunicorn's 2 s would be added to each redeployment.
STOP_LINGER_SECONDS = 0.1
# How long a thread waits for the rest of a body that the application did not want; gunicorn's 5 s would keep it busy.
DRAIN_SECONDS = 0.05
_HEAD_END = b"\r\n\r\n"
_PIECE = 64 * 1024
_TOO_SLOW = b"HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
_TOO_LONG = b"HTTP/1.1 431 Request Header Fields Too Large\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"


def set_limits() -> None:
    """Settings of gunicorn's module that it has no options for."""
    gthread.STOP_KEEPALIVE_LINGER = STOP_LINGER_SECONDS
    gthread.DEFAULT_WORKER_DATA_TIMEOUT = DRAIN_SECONDS


class PatientUnreader(SocketUnreader):  # type: ignore[misc]
    """What a thread reads a request from; raises TimeoutError when it comes too slowly."""

    def __init__(self, sock: socket.socket) -> None:
        super().__init__(sock)
        self._due = 0.0

    def begin(self) -> None:
        """A thread begins to read a request."""
        self._due = time.monotonic() + BODY_SECONDS

    def chunk(self, size_hint: int | None = None) -> bytes:
        """The next bytes, or b"" at the end of the connection."""
        before = self.sock.gettimeout()  # of a caller that is in a greater hurry
        left = max(0.001, self._due - time.monotonic())
        self.sock.settimeout(left if before is None else min(left, before))
        try:
            data = bytes(super().chunk(size_hint))
        finally:
            self.sock.settimeout(before)
        self._due += len(data) / BODY_BYTES_PER_SECOND
        return data


class PatientWorker(gthread.ThreadWorker):  # type: ignore[misc]
    """Everything but `handle` and `handle_request` runs in the main loop."""

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        self._slow: dict[Any, float] = {}  # until when each connection is waited for here; the oldest comes first
        self._heads: dict[Any, bytearray] = {}

    def enqueue_req(self, conn: Any) -> None:
        """A connection has something to say: collect a head before it gets a thread."""
        if not conn.initialized:
            conn.init()
            conn.parser.unreader = PatientUnreader(conn.sock)
            conn.data_ready = True
        conn.sock.setblocking(False)
        self._heads[conn] = bytearray(conn.parser.unreader.take_buffered())
        self._wait_for(conn, HEAD_SECONDS if self.alive else STOP_LINGER_SECONDS, self._collect)
        if _HEAD_END in self._heads[conn]:
            self._head_is_there(conn)
        else:
            self._collect(conn)
        self._make_room(conn)

    def _wait_for(self, conn: Any, seconds: float, then: Callable[[Any], None]) -> None:
        self._slow[conn] = time.monotonic() + seconds
        self.poller.register(conn.sock, selectors.EVENT_READ, lambda _: then(conn))

    def _forget(self, conn: Any) -> None:
        with contextlib.suppress(KeyError, ValueError, OSError):
            self.poller.unregister(conn.sock)
        self._slow.pop(conn, None)

    def _received(self, conn: Any) -> bytes | None:
        """What has come; b"" when nothing will come any more."""
        try:
            return bytes(conn.sock.recv(_PIECE))
        except BlockingIOError:
            return None
        except OSError:
            return b""

    def _collect(self, conn: Any) -> None:
        piece, head = self._received(conn), self._heads[conn]
        if piece == b"":
            self._close(conn)
            return
        searched = max(0, len(head) - len(_HEAD_END) + 1)
        head += piece or b""
        if head.find(_HEAD_END, searched) >= 0:
            self._head_is_there(conn)
        elif len(head) > HEAD_BYTES:
            self._linger(conn, _TOO_LONG)

    def _head_is_there(self, conn: Any) -> None:
        self._forget(conn)
        conn.parser.unreader.unread(bytes(self._heads.pop(conn)))
        super().enqueue_req(conn)

    def _make_room(self, newest: Any) -> None:
        while self.nr_conns > CONNECTIONS:
            slow = next((conn for conn in self._slow if conn is not newest), None)
            if slow is None and not self.keepalived_conns:
                return  # all others are being answered
            self._close(slow or self.keepalived_conns.popleft())

    def _close(self, conn: Any) -> None:
        self._forget(conn)
        self._heads.pop(conn, None)
        self.nr_conns -= 1
        conn.close()

    def _linger(self, conn: Any, last_words: bytes = b"") -> None:
        """Close after the client has stopped sending; what it was told might not reach it otherwise."""
        self._forget(conn)
        self._heads.pop(conn, None)
        try:
            conn.sock.setblocking(False)
            if last_words:
                conn.sock.send(last_words)
            conn.sock.shutdown(socket.SHUT_WR)
            self._wait_for(conn, LINGER_SECONDS if self.alive else STOP_LINGER_SECONDS, self._discard)
        except (OSError, ValueError):
            self._close(conn)

    def _discard(self, conn: Any) -> None:
        if self._received(conn) == b"":
            self._close(conn)

    def handle(self, conn: Any) -> Any:
        """One request, in a thread: parse it and answer it."""
        conn.parser.unreader.begin()
        return super().handle(conn)

    def handle_request(self, req: Any, conn: Any) -> Any:
        """The answer to a parsed request, in the same thread; its body is not read yet."""
        conn.sock.settimeout(SEND_SECONDS)
        return super().handle_request(req, conn)

    def finish_request(self, conn: Any, fs: Any) -> None:
        """A thread has answered: keep the connection, or wait here until its client has stopped sending."""
        if fs.cancelled() or fs.exception() or fs.result():
            super().finish_request(conn, fs)
            return
        self._linger(conn)

    def murder_pending(self) -> None:
        """Close what has been slow for too long."""
        super().murder_pending()
        now = time.monotonic()
        for conn in [conn for conn, due in self._slow.items() if due < now]:
            if self._heads.get(conn):
                self._linger(conn, _TOO_SLOW)
            else:
                self._close(conn)

    def _cap_keepalive(self, deadline: float) -> None:
        """A worker that stops waits for nobody any longer than this."""
        super()._cap_keepalive(deadline)
        self._slow = {conn: min(due, deadline) for conn, due in self._slow.items()}
