"""The server's end of the warm parent: starts it when needed, asks it for services, hears when they end."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import signal
import socket
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

from local_azure.machine_learning.scoring import MESSAGE_BYTES, STOP_SECONDS

LOG = logging.getLogger("local_azure")
PARENT = "local_azure.machine_learning.scoring.warm_parent"
LOST = -int(signal.SIGKILL)


@dataclass(frozen=True)
class Launch:
    """What a service process is started with. `environment` is complete: nothing is inherited."""

    folder: Path
    log: Path
    keys_file: Path
    environment: dict[str, str] = field(repr=False)


class ServiceProcess:
    """A running service. `ended` becomes its exit code; negative when a signal ended it."""

    def __init__(self, number: str, ended: asyncio.Future[int]) -> None:
        self.number = number
        self.ended = ended


class WarmClient:
    """Belongs to the event loop that calls it."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._socket: socket.socket | None = None
        self._running: dict[str, ServiceProcess] = {}
        self._count = 0

    def ensure(self) -> socket.socket:
        """The connection to a live parent; starts one when there is none."""
        if self._socket is None:
            ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            command = [sys.executable, "-P", "-m", PARENT, "--socket", str(theirs.fileno())]
            with theirs:
                self._process = subprocess.Popen(
                    command,
                    stdin=subprocess.DEVNULL,
                    env=_own_environment(),
                    pass_fds=(theirs.fileno(),),
                    start_new_session=True,
                )
            ours.setblocking(False)
            asyncio.get_running_loop().add_reader(ours, self._hear)
            self._socket = ours
        return self._socket

    def start(self, launch: Launch, listener: socket.socket) -> ServiceProcess:
        """Ask for a process that serves on `listener`; it is being started when this returns."""
        connection = self.ensure()
        self._count += 1
        number = str(self._count)
        message = {
            "start": number,
            "folder": str(launch.folder),
            "log": str(launch.log),
            "keys": str(launch.keys_file),
            "environment": launch.environment,
        }
        socket.send_fds(connection, [json.dumps(message).encode()], [listener.fileno()])
        process = ServiceProcess(number, asyncio.get_running_loop().create_future())
        self._running[number] = process
        return process

    async def stop(self, process: ServiceProcess) -> None:
        """End a service and everything that it started; returns when it has gone."""
        if self._socket is not None and not process.ended.done():
            self._socket.send(json.dumps({"stop": process.number}).encode())
            await asyncio.shield(process.ended)

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
        process = self._running.pop(message["ended"], None)
        if process and not process.ended.done():
            process.ended.set_result(message["code"])

    def _lose(self) -> None:
        if self._socket is not None:
            asyncio.get_running_loop().remove_reader(self._socket)
            self._socket.close()
            self._socket = None
        if self._process is not None:
            code = self._process.wait()
            LOG.warning("the parent of the web services ended (exit code %s)", code)
        for process in self._running.values():
            if not process.ended.done():
                process.ended.set_result(LOST)
        self._running.clear()

    async def close(self) -> None:
        """End the parent and with it every service."""
        if self._socket is None or self._process is None:
            return
        asyncio.get_running_loop().remove_reader(self._socket)
        self._socket.close()
        self._socket = None
        self._process.terminate()  # it may be in the middle of an import, where it hears signals only
        try:
            await asyncio.to_thread(self._process.wait, STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def _own_environment() -> dict[str, str]:
    """No proxies, no telemetry settings, nothing of the user's shell that a container would not have."""
    return {
        name: value for name, value in os.environ.items() if name in ("PATH", "LANG", "LC_ALL", "TZ", "PYTHONPATH")
    }
