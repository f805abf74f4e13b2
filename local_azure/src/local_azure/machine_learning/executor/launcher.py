"""Starts step processes: forked from the warm parent, or spawned plainly where there is none."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import signal
import socket
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from local_azure.machine_learning.clock import new_id
from local_azure.machine_learning.errors import conflict

LOG = logging.getLogger("local_azure")
GRACE_SECONDS = 5.0
RUNNER_LOST = 125  # the exit code of a step whose parent process died


@dataclass(frozen=True)
class StepCommand:
    """One script to run. `log` gets standard output and standard error."""

    script: str
    arguments: list[str]
    directory: Path
    variables: Mapping[str, str]
    log: Path


class StepProcess:
    """A running step: its process group and, later, its exit code (negative: killed by that signal)."""

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        self.started: asyncio.Future[int] = loop.create_future()
        self.ended: asyncio.Future[int] = loop.create_future()

    def signal(self, number: signal.Signals) -> None:
        """Signal the whole group; nothing happens when it has gone."""
        if self.started.done() and self.started.result():  # 0: lost before it started; our own group, to the kernel
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.started.result(), number)

    async def terminate(self) -> int:
        """SIGTERM, a time of grace, SIGKILL; returns the exit code."""
        await self.started
        self.signal(signal.SIGTERM)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(asyncio.shield(self.ended), GRACE_SECONDS)
        self.signal(signal.SIGKILL)
        return await self.ended

    async def wait(self) -> int:
        """The exit code; afterwards nothing of the group is left, background children included."""
        code = await asyncio.shield(self.ended)
        self.signal(signal.SIGKILL)
        return code


class Launcher:
    """The server's end of the warm parent."""

    def __init__(self, variables: Mapping[str, str], log: Path) -> None:
        self._variables = dict(variables)
        self._log = log
        self._processes: dict[str, StepProcess] = {}
        self._writer: asyncio.StreamWriter | None = None
        self._reading: asyncio.Task[None] | None = None
        self._parent: asyncio.subprocess.Process | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._ready = asyncio.Event()
        self._stopping = False

    async def start(self) -> None:
        """Start the warm parent; it is used as soon as its imports are done, and waited for until then."""
        ours, theirs = socket.socketpair()
        with self._log.open("ab") as log:
            self._parent = await asyncio.create_subprocess_exec(
                *(
                    sys.executable,
                    "-m",
                    "local_azure.machine_learning.step_process.warm_parent",
                    str(theirs.fileno()),
                ),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=(theirs.fileno(),),
                env=self._variables,
                start_new_session=True,
            )
        theirs.close()
        reader, self._writer = await asyncio.open_connection(sock=ours)
        self._reading = asyncio.create_task(self._read(reader))

    async def stop(self) -> None:
        """Close the channel, which ends the warm parent and every step."""
        self._stopping = True
        if self._writer:
            self._writer.close()
        if self._parent:
            if not self._ready.is_set():  # still importing: it would see the closed channel only after that
                self._parent.terminate()
            await self._parent.wait()
        if self._reading:
            await self._reading

    async def _read(self, reader: asyncio.StreamReader) -> None:
        while line := await reader.readline():
            message: dict[str, Any] = json.loads(line)
            if "ready" in message:
                self._ready.set()
            elif "started" in message:
                self._processes[message["started"]].started.set_result(message["pid"])
            elif "ended" in message:
                process = self._processes.pop(message["ended"])
                process.ended.set_result(message["code"])
        self._lost()

    def _lost(self) -> None:
        """The parent has gone: its children were killed by the kernel; later steps are spawned plainly."""
        self._writer = None
        self._ready.set()
        for process in self._processes.values():
            if not process.started.done():
                process.started.set_result(0)
            process.ended.set_result(RUNNER_LOST)
        self._processes.clear()

    async def launch(self, command: StepCommand) -> StepProcess:
        """Start a step; raises a 409 when the server is on its way out."""
        await self._ready.wait()
        if self._stopping:
            raise conflict("The server is being stopped.")
        process = StepProcess()
        if self._writer is None:
            await self._spawn(command, process)
            return process
        key = new_id()
        self._processes[key] = process
        request = {
            "launch": key,
            "script": command.script,
            "arguments": command.arguments,
            "directory": str(command.directory),
            "variables": dict(command.variables),
            "log": str(command.log),
        }
        self._writer.write(json.dumps(request).encode() + b"\n")
        await self._writer.drain()
        await process.started
        return process

    async def _spawn(self, command: StepCommand, process: StepProcess) -> None:
        words = [sys.executable, "-u", "-m", "local_azure.machine_learning.step_process.script", command.script]
        with command.log.open("ab") as log:
            spawned = await asyncio.create_subprocess_exec(
                *words,
                *command.arguments,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=command.directory,
                env=dict(command.variables),
                start_new_session=True,
            )
        process.started.set_result(spawned.pid)

        async def report() -> None:
            process.ended.set_result(await spawned.wait())

        task = asyncio.create_task(report())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
