"""Import what client programs import, then fork one process a program.

    python -c BOOTSTRAP FOLDER LISTENER ALIVE SERVER       started by client.py

FOLDER: holds `secret`; `imported` is made in it when programs can start. LISTENER, ALIVE: numbers of the inherited
listening socket, and of a file that is locked as long as programs are accepted. SERVER: process number of the server
to which this parent belongs, or "-": it comes as a line on standard input, because the server is still starting.

This process has one Python thread and holds no token. It ends with its server, however that ends; programs that run
then go on as they would without it, and it waits for them. shim.py describes the protocol.
"""

from __future__ import annotations

import contextlib
import fcntl
import gc
import os
import select
import signal
import socket
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from local_azure.machine_learning.processes.clients import IMPORTED, SECRET
from local_azure.machine_learning.processes.clients.child import RUNNING, Parent, become
from local_azure.machine_learning.processes.clients.preload import MODULES, Preloaded, preload
from local_azure.machine_learning.processes.sdk_polling import shorten_polls

# {root}: where this package is. What is in sys.modules is noted before anything else is imported.
BOOTSTRAP = (
    "import sys; started_with = frozenset(sys.modules); sys.path[0] = {root!r}; "
    "from local_azure.machine_learning.processes.clients.parent import main; del sys.path[0]; main(started_with)"
)
_SERVER_SECONDS = 70.0  # a server may take 60 to start


@dataclass
class _Child:
    """connection: to the shim. told: what the child says; None once its program runs. lost: the shim was killed."""

    pid: int
    connection: socket.socket
    told: int | None
    said: bytes = b""
    lost: bool = False

    def close(self) -> None:
        self.connection.close()
        if self.told is not None:
            os.close(self.told)


class ClientParent:
    """Accept, fork, hand signals on, report ends."""

    def __init__(self, listener: socket.socket, secret: bytes, server: int, preloaded: Preloaded, alive: int) -> None:
        self._listener: socket.socket | None = listener
        self._secret, self._server, self._preloaded, self._alive = secret, server, preloaded, alive
        self._children: dict[int, _Child] = {}
        self._server_end = os.pidfd_open(server)
        self._wake_read, self._wake_write = os.pipe()
        for descriptor in (self._wake_read, self._wake_write):
            os.set_blocking(descriptor, False)
        self._asked_to_end = False
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.signal(signal.SIGTERM, self._end_soon)
        signal.set_wakeup_fd(self._wake_write, warn_on_full_buffer=False)

    def run(self) -> None:
        """Serve until the server ends, then until no program runs."""
        while self._listener is not None or self._children:
            ready = self._wait()
            if self._server_end in ready or self._asked_to_end:
                self._retire()
            if self._wake_read in ready:
                with contextlib.suppress(BlockingIOError):
                    os.read(self._wake_read, 512)
            for child in list(self._children.values()):
                self._hear(child, ready)
            self._reap()
            if self._listener is not None and self._listener.fileno() in ready:
                self._accept(self._listener)

    def _end_soon(self, *_: object) -> None:
        self._asked_to_end = True

    def _wait(self) -> set[int]:
        poll = select.poll()
        watched = [self._wake_read]
        if self._listener is not None:
            watched += [self._listener.fileno(), self._server_end]
        for child in self._children.values():
            if not child.lost:
                watched.append(child.connection.fileno() if child.told is None else child.told)
        for descriptor in watched:
            poll.register(descriptor, select.POLLIN)
        return {descriptor for descriptor, _ in poll.poll()}

    def _accept(self, listener: socket.socket) -> None:
        try:
            connection, _ = listener.accept()
            told, tell = os.pipe()
            os.set_blocking(told, False)
        except OSError:
            return
        parent = Parent(os.getpid(), tell, self._secret, str(self._server), self._preloaded)
        try:
            pid = os.fork()
        except OSError:  # no more processes: the shim starts plainly
            connection.close()
            os.close(told)
            os.close(tell)
            return
        if pid == 0:
            self._forget(told)
            become(connection, parent)
        os.close(tell)
        with contextlib.suppress(OSError):
            os.setpgid(pid, pid)
        self._children[pid] = _Child(pid, connection, told)

    def _forget(self, told: int) -> None:
        """In a child: nothing of the parent stays open."""
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signal.SIG_DFL)
        for descriptor in (told, self._server_end, self._wake_read, self._wake_write, self._alive):
            os.close(descriptor)
        for child in self._children.values():
            child.close()
        if self._listener is not None:
            self._listener.close()

    def _hear(self, child: _Child, ready: set[int]) -> None:
        if child.told in ready:
            self._hear_child(child)
        elif child.told is None and child.connection.fileno() in ready:
            self._hear_shim(child)

    def _hear_child(self, child: _Child) -> None:
        if child.told is None:
            return
        try:
            said = os.read(child.told, 1)
        except BlockingIOError:
            return
        if said == RUNNING:
            os.close(child.told)
            child.told = None
            child.connection.setblocking(False)

    def _hear_shim(self, child: _Child) -> None:
        try:
            data = child.connection.recv(4096)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:  # what the shim stood for was killed
            child.lost = True
            _signal(-child.pid, signal.SIGKILL)
        *lines, child.said = (child.said + data).split(b"\n")
        for line in lines:
            number, group = map(int, line.split())
            _signal(-child.pid if group else child.pid, number)

    def _reap(self) -> None:
        for child in list(self._children.values()):
            pid, status = os.waitpid(child.pid, os.WNOHANG | os.WUNTRACED)
            if pid == 0:
                continue
            self._hear_child(child)  # it may have ended right after it had spoken
            stopped = os.WIFSTOPPED(status)
            if child.told is None:
                line = f"S {os.WSTOPSIG(status)}\n" if stopped else f"E {status}\n"
                with contextlib.suppress(OSError):
                    child.connection.send(line.encode())
            if not stopped:
                del self._children[pid]
                child.close()

    def _retire(self) -> None:
        """Accept no program any more."""
        if self._listener is not None:
            self._listener.close()
            self._listener = None
            if self._children:
                fcntl.flock(self._alive, fcntl.LOCK_UN)  # who waits for the end does not wait for programs


def _signal(pid: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(pid, number)


def _server_number(text: str) -> int | None:
    """The server's process number, or None when whoever was to tell it has gone."""
    if text == "-" and select.select([0], [], [], _SERVER_SECONDS)[0]:
        text = os.read(0, 32).decode().strip()
    return int(text) if text.isdigit() else None


def main(started_with: frozenset[str], argv: Sequence[str] | None = None) -> None:
    """Serve. Never returns to the end of the interpreter: taking everything apart would take longer than starting."""
    inherited = sys.argv[1:] if argv is None else argv
    folder, listener_number, alive, server, *left_out = inherited
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    gc.disable()  # what is imported stays: looking for garbage in it would take a fifth of the time
    preloaded, offender = preload([name for name in MODULES if name not in left_out], started_with)
    if offender:  # its threads or files would not survive a fork: again, without it
        sys.stderr.write(f"not preloaded, because of what it starts or opens: {offender}\n")
        os.execv(sys.executable, [sys.executable, "-c", sys.orig_argv[2], *inherited, offender])  # noqa: S606 - itself
    shorten_polls()
    (Path(folder) / IMPORTED).touch(0o600)
    number = _server_number(server)
    if number is not None:
        gc.enable()
        gc.collect()
        gc.freeze()  # children share these pages for as long as no collection touches them
        os.umask(0o077)
        secret = (Path(folder) / SECRET).read_bytes()
        with contextlib.suppress(ProcessLookupError), socket.socket(fileno=int(listener_number)) as listener:
            ClientParent(listener, secret, number, preloaded, int(alive)).run()
    os._exit(0)
