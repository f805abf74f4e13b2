"""Starts the processes of steps, forked from a server that has imported what steps import."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping

from local_azure.machine_learning.domain.access.addresses import CLOUD_NAME, Addresses
from local_azure.machine_learning.errors import conflict
from local_azure.machine_learning.processes.forking.client import ChildCommand, ChildProcess, ForkingClient
from local_azure.machine_learning.storage.certificates import trust_variables
from local_azure.machine_learning.storage.state import StateFolder

ENTRY = "local_azure.machine_learning.processes.step.entry:enter"
PARALLEL_ENTRY = "local_azure.machine_learning.processes.parallel.driver:enter"
PRELOADED = (
    "azureml.core", "azureml.data", "azureml.pipeline.core", "azureml.pipeline.steps", "azureml.core.webservice",
    "numpy", "pandas", "yaml", "pandera.pandas", "local_azure.machine_learning.processes.step.entry",
    "local_azure.machine_learning.processes.parallel.driver",
)  # fmt: skip
PRELOADED_LATER = ("sklearn.linear_model", "sklearn.preprocessing", "sklearn.pipeline", "sklearn.ensemble")
_INHERITED = ("PATH", "LANG", "LC_ALL", "TMPDIR", "HOME")


def base_variables(state: StateFolder, addresses: Addresses) -> dict[str, str]:
    """Return the variables of every step: an allow-list of the server's own, and the way to trust the server.

    No secret is among them: the fork server has them too, and every step can read those of the fork server.
    """
    kept = {
        name: value
        for name, value in os.environ.items()
        if name in _INHERITED or name.endswith("_NUM_THREADS") or name.startswith("OPENBLAS_")
    }
    return {
        **kept,
        "AZURE_CONFIG_DIR": str(state.client_configurations / "steps"),
        **trust_variables(state.certificates),
        "ARM_CLOUD_METADATA_URL": addresses.clouds(),
        "AZUREML_CURRENT_CLOUD": CLOUD_NAME,
        "HBI_WORKSPACE_JOB": "true",
        "PYTHONUNBUFFERED": "1",
    }


class Launcher:
    """Starts and ends the processes of steps. variables: what all of them get.

    web: asked at each start, how a step gets data at web addresses. quiet_at_start: seconds without a step after
    which the fork server imports what only some steps need.
    """

    def __init__(
        self, variables: Mapping[str, str], web: Callable[[], Mapping[str, str]], *, quiet_at_start: float
    ) -> None:
        self._variables = variables
        self._web = web
        inherited = {name: os.environ[name] for name in ("PYTHONPATH",) if name in os.environ}
        self._client = ForkingClient(
            {**variables, **inherited}, PRELOADED, PRELOADED_LATER, quiet_at_start=quiet_at_start
        )
        self._stopping = False

    @property
    def variables(self) -> dict[str, str]:
        """What a step gets that starts now."""
        return {**self._variables, **self._web()}

    def prepare(self) -> None:
        """Start the fork server before a step needs it; steps wait for its imports."""
        self._client.prepare()

    async def stop(self) -> None:
        """End the fork server and every step."""
        self._stopping = True
        await self._client.close()

    def launch(self, command: ChildCommand) -> ChildProcess:
        """Start a process; raises a 409 when the server is being stopped."""
        if self._stopping:
            raise conflict("The server is being stopped.")
        return self._client.start(command)

    async def terminate(self, process: ChildProcess) -> int:
        """Send SIGTERM to the process group, after a grace period SIGKILL; returns the exit code."""
        return await self._client.stop(process)
