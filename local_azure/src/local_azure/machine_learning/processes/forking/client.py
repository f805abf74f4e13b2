"""The emulator's end of a fork server: starts it when needed, asks it for children, hears when they end."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from local_azure.machine_learning.processes.forking import (
    EOF_CODE,
    MESSAGE_BYTES,
    QUIET_SECONDS,
    STOP_SECONDS,
    orphans,
)

LOG = logging.getLogger("local_azure")
FORK_SERVER = "local_azure.machine_learning.processes.forking.fork_server"


@dataclass(frozen=True)
class ChildCommand:
    """What a child is started with. `environment` is complete: nothing is inherited.

    entry: "module:function"; details: what else that function reads from the message.
    """

    entry: str
    directory: Path
    log: Path
    environment: Mapping[str, str] = field(repr=False)
    details: Mapping[str, Any] = field(default_factory=dict)


class ChildProcess:
    """A running child. `ended` becomes its exit code: negative for a signal, EOF_CODE when its fork server was lost.

    group: its process group, once it is known.
    """

    def __init__(self, name: str, ended: asyncio.Future[int]) -> None:
        self.name = name
        self.ended = ended
        self.group: int | None = None


class ForkingClient:
    """One fork server; belongs to the event loop that calls it. One that dies is started again for the next child.

    first: modules that it imports before the first child. later: those that it imports before a child whose script
    names them, or when nothing has happened for a while, at the start for `quiet_at_start` seconds.
    """

    def __init__(
        self,
        environment: Mapping[str, str],
        first: Iterable[str],
        later: Iterable[str] = (),
        *,
        quiet_at_start: float = QUIET_SECONDS,
    ) -> None:
        self._environment = dict(environment)
        self._modules = ["--first", ",".join(first), "--later", ",".join(later)]
        self._modules += ["--quiet-at-start", str(quiet_at_start)]
        self._process: subprocess.Popen[bytes] | None = None
        self._socket: socket.socket | None = None
        self._running: dict[str, ChildProcess] = {}
        self._count = 0
        self._sweep: asyncio.Task[None] | None = None
        self._closed = False

    def prepare(self) -> None:
        """Start the fork server before the first child is asked for, unless it was closed."""
        if not self._closed:
            self.ensure()

    def ensure(self) -> socket.socket:
        """Return the connection to a live fork server; start one if needed. Messages wait for its imports."""
        if self._socket is None:
            ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            command = [sys.executable, "-P", "-m", FORK_SERVER, "--socket", str(theirs.fileno()), *self._modules]
            with theirs, orphans.GUARD:
                self._process = subprocess.Popen(
                    command,
                    stdin=subprocess.DEVNULL,
                    env=self._environment,
                    pass_fds=(theirs.fileno(),),
                    start_new_session=True,
                )
                orphans.KEPT.add(self._process.pid)
            ours.setblocking(False)
            asyncio.get_running_loop().add_reader(ours, self._hear)
            self._socket = ours
        return self._socket

    def start(self, command: ChildCommand, listener: socket.socket | None = None) -> ChildProcess:
        """Ask for a child; it is being started when this returns. listener: handed to its entry."""
        connection = self.ensure()
        self._count += 1
        name = str(self._count)
        message = {
            **command.details,
            "start": name,
            "entry": command.entry,
            "directory": str(command.directory),
            "log": str(command.log),
            "environment": dict(command.environment),
        }
        descriptors = [] if listener is None else [listener.fileno()]
        socket.send_fds(connection, [json.dumps(message).encode()], descriptors)
        process = ChildProcess(name, asyncio.get_running_loop().create_future())
        self._running[name] = process
        return process

    async def stop(self, process: ChildProcess) -> int:
        """End a child and everything that it started; returns its exit code when it has gone."""
        if self._socket is not None and not process.ended.done():
            self._socket.send(json.dumps({"stop": process.name}).encode())
        return await asyncio.shield(process.ended)

    def _hear(self) -> None:
        if self._socket is None:
            return
        try:
            data = self._socket.recv(MESSAGE_BYTES)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._lose()
            return
        message = json.loads(data)
        if "started" in message:
            self._running[message["started"]].group = message["pid"]
            return
        process = self._running.pop(message.get("ended", ""), None)
        if process and not process.ended.done():
            process.ended.set_result(message["code"])

    def _lose(self) -> None:
        if self._socket is not None:
            asyncio.get_running_loop().remove_reader(self._socket)
            self._socket.close()
            self._socket = None
        if self._process is not None:
            LOG.warning("a fork server ended (exit code %s)", self._process.wait())
            orphans.KEPT.discard(self._process.pid)
        for process in self._running.values():
            _end_group(process)
        self._abandon()
        # What its children had started and what has left their groups comes to this process in turn.
        self._sweep = asyncio.create_task(asyncio.to_thread(orphans.end_orphans))

    def _abandon(self) -> None:
        for process in self._running.values():
            if not process.ended.done():
                process.ended.set_result(EOF_CODE)
        self._running.clear()

    async def close(self) -> None:
        """End the fork server and with it every child."""
        self._closed = True
        if self._socket is None or self._process is None:
            return
        asyncio.get_running_loop().remove_reader(self._socket)
        self._socket.close()
        self._socket = None
        self._process.terminate()  # it may still be importing and would see the closed socket only after that
        try:
            await asyncio.to_thread(self._process.wait, STOP_SECONDS + 2)
        except subprocess.TimeoutExpired:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        self._abandon()


def _end_group(process: ChildProcess) -> None:
    """Kill what a child has started. It died itself with the fork server; its group lives while they do."""
    if process.group is not None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.group, signal.SIGKILL)
