"""Starts the processes of steps, forked from a parent that has imported what steps import."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from local_azure.machine_learning.errors import conflict
from local_azure.machine_learning.processes.forking.client import ChildCommand, ChildProcess, ForkingClient

ENTRY = "local_azure.machine_learning.processes.step.entry:enter"
PRELOADED = (
    "azureml.core", "azureml.data", "azureml.pipeline.core", "azureml.pipeline.steps", "azureml.core.webservice",
    "numpy", "pandas", "sklearn.linear_model", "sklearn.preprocessing", "sklearn.pipeline", "sklearn.ensemble",
    "yaml", "pandera.pandas", "local_azure.machine_learning.processes.step.entry",
)  # fmt: skip


@dataclass(frozen=True)
class StepCommand:
    """One script or command to run. `log` gets standard output and standard error."""

    program: dict[str, str]  # {"script": path in the snapshot} or {"command": first word}
    arguments: list[str]
    directory: Path
    variables: Mapping[str, str]
    log: Path


class StepProcess:
    """A running step."""

    def __init__(self, client: ForkingClient, process: ChildProcess) -> None:
        self._client = client
        self._process = process

    async def wait(self) -> int:
        """The exit code (negative: killed by that signal); nothing of the step's process group is left then."""
        return await asyncio.shield(self._process.ended)

    async def terminate(self) -> int:
        """SIGTERM to the whole group, a time of grace, SIGKILL; returns the exit code."""
        return await self._client.stop(self._process)


class Launcher:
    """The parent of all steps of a server."""

    def __init__(self, variables: Mapping[str, str]) -> None:
        inherited = {name: os.environ[name] for name in ("PYTHONPATH",) if name in os.environ}
        self._client = ForkingClient({**variables, **inherited}, PRELOADED)
        self._stopping = False

    def start(self) -> None:
        """Start the parent; steps wait for its imports."""
        self._client.ensure()

    async def stop(self) -> None:
        """End the parent and every step."""
        self._stopping = True
        await self._client.close()

    def launch(self, command: StepCommand) -> StepProcess:
        """Start a step; raises a 409 when the server is on its way out."""
        if self._stopping:
            raise conflict("The server is being stopped.")
        details = {**command.program, "arguments": command.arguments}
        child = ChildCommand(ENTRY, command.directory, command.log, command.variables, details)
        return StepProcess(self._client, self._client.start(child))
