"""One web service while the server runs: its listening socket, its process, and what happens when that ends."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from typing import Any

from local_azure.machine_learning.domain.workspace.workspaces import Workspace
from local_azure.machine_learning.engines.services.folder import DeploymentError, ServiceFolder
from local_azure.machine_learning.loopback import LOOPBACK, listen
from local_azure.machine_learning.processes.forking import EOF_CODE
from local_azure.machine_learning.processes.forking.client import ChildCommand, ChildProcess, ForkingClient
from local_azure.machine_learning.storage import storage_faults

LOG = logging.getLogger("local_azure")
READY_SECONDS = 300
RESTART_PAUSES = (0.1, 0.5, 1.0)  # one a crash; a service that crashes once more within the window has failed
CRASH_WINDOW_SECONDS = 60
RETRY_SECONDS = 0.02
PORT_SECONDS = 15.0  # as long, what a killed server has left behind may hold the port of a service
ROOM_BYTES = 1024**2  # with less, a process may have ended because it could not write its log
_BACKLOG = 128


class Instance:
    """A service and its process. The listener stays open across restarts: callers wait instead of failing."""

    def __init__(
        self, fork_server: ForkingClient, workspace: Workspace, name: str, folder: ServiceFolder, port: int
    ) -> None:
        """port: the one to listen on, 0 for any; where it is taken, `take_port` waits for it."""
        self.workspace = workspace
        self.name = name
        self.folder = folder
        self.task: asyncio.Task[None] | None = None
        self._fork_server = fork_server
        self._remembered = port
        self._listener = listen((port,), _BACKLOG)
        self._process: ChildProcess | None = None
        self._has_answered = False  # its worker has; until then there is nobody to finish for
        self._crashes: list[float] = []

    @property
    def scoring_uri(self) -> str:
        """Where the service answers."""
        return f"http://{LOOPBACK}:{self._port}/score"

    @property
    def _port(self) -> int:
        if self._listener is None:
            raise RuntimeError(f"The web service {self.name} has no port yet.")
        return int(self._listener.getsockname()[1])

    async def take_port(self) -> None:
        """Wait until the remembered port is free, so that callers keep their address; in the end, take any."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + PORT_SECONDS
        while self._listener is None and loop.time() < deadline:
            await asyncio.sleep(RETRY_SECONDS)
            self._listener = listen((self._remembered,), _BACKLOG)
        if self._listener is None:
            LOG.warning("port %d of the web service %s is taken; it gets another one", self._remembered, self.name)
            self._listener = _listen_anywhere()

    async def start(self, launch: ChildCommand) -> None:
        """Start a process and wait until its worker answers; the listening socket holds our request until then.

        Raises DeploymentError.
        """
        self._has_answered = False
        process = self._process = self._fork_server.start(launch, self._listener)
        probe = asyncio.create_task(_answers(self._port))
        events: set[asyncio.Future[Any]] = {probe, process.ended}
        try:
            await asyncio.wait(events, timeout=READY_SECONDS, return_when=asyncio.FIRST_COMPLETED)
            if process.ended.done():
                raise DeploymentError(_crash_text(process.ended.result()))
            if not probe.done():
                raise DeploymentError(f"The service did not answer within {READY_SECONDS} s.")
            self._has_answered = True
        finally:
            probe.cancel()

    async def bring_up(self, launch: ChildCommand, *, returns: bool) -> None:
        """Start the service; raises DeploymentError.

        returns: whether it was up before the server ended. Then it has the attempts of one that has crashed; a new
        one is started again only where its process cannot be blamed for ending.
        """
        try:
            await self.start(launch)
        except DeploymentError:
            if not returns and self._is_to_blame(await self._ended()):
                raise
            await self._restart(launch)

    async def keep_alive(self, launch: ChildCommand) -> None:
        """Start the process again whenever it ends by itself; raises DeploymentError when it keeps ending."""
        while self._process:
            await asyncio.shield(self._process.ended)
            await self._restart(launch)

    async def _restart(self, launch: ChildCommand) -> None:
        """Start a process in place of the one that ended.

        One that was lost with the fork server, or that may have been unable to write, is started again without limit.
        Raises DeploymentError when it has ended too often.
        """
        while self._process:
            code = await self._ended()
            LOG.warning("the web service %s ended by itself (code %s); starting it again", self.name, code)
            now = asyncio.get_running_loop().time()
            self._crashes = [moment for moment in self._crashes if now - moment < CRASH_WINDOW_SECONDS]
            if self._is_to_blame(code):
                if len(self._crashes) == len(RESTART_PAUSES):
                    raise DeploymentError(f"{_crash_text(code)} Starting it again did not help.")
                self._crashes.append(now)
            await asyncio.sleep(RESTART_PAUSES[max(len(self._crashes) - 1, 0)])
            with contextlib.suppress(DeploymentError):
                await self.start(launch)
                return

    async def _ended(self) -> int:
        """End what is left of the process, and return its exit code."""
        return await self._fork_server.stop(self._process) if self._process else 0

    def _is_to_blame(self, code: int) -> bool:
        """Return whether the process ended by itself, not with the fork server and not because of a full disk."""
        return code != EOF_CODE and storage_faults.free_bytes(self.folder.root) >= ROOM_BYTES

    async def stop_process(self) -> None:
        """End the process, if there is one; the listener stays open."""
        if self._process:
            await self._fork_server.stop(self._process)

    async def stop_after_requests(self) -> None:
        """End a process that has answered, which may finish what it is asked."""
        if self._has_answered:
            await self.stop_process()

    def close(self) -> None:
        """Answer nobody any more."""
        if self._listener:
            self._listener.close()


def _crash_text(code: int) -> str:
    how = f"exit code {code}" if code >= 0 else f"signal {-code}"
    return (
        f"Your container application crashed ({how}). This may be caused by errors in your scoring file's init() "
        "function. Its log says more: service.get_logs()."
    )


def _listen_anywhere() -> socket.socket:
    listener = listen((0,), _BACKLOG)
    if listener is None:
        raise OSError(f"There is no free port on {LOOPBACK}.")
    return listener


async def _answers(port: int) -> None:
    """Return when the service answers `GET /` with 200; a worker that dies meanwhile is asked again."""
    status = b""
    while b" 200 " not in status:
        with contextlib.suppress(OSError):
            reader, writer = await asyncio.open_connection(LOOPBACK, port)
            try:
                writer.write(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
                status = await reader.readline()
            finally:
                writer.close()
        if not status:
            await asyncio.sleep(RETRY_SECONDS)
