"""Azure DevOps' REST API beside a command: the runs of this machine, and an organization that it may change."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from local_azure.cli.client_environment import JOB_TOKEN
from local_azure.machine_learning.storage.state import StateFolder
from local_azure.pipelines.run.builds.server import serving


@contextmanager
def served(state: StateFolder) -> Iterator[dict[str, str]]:
    """Serve it until the end of the block; yields the variables that lead a program to it."""
    folder = state.pipeline_runs
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with serving(folder) as builds:
        names = {name.upper().replace(".", "_"): value for name, value in builds.variables.items()}
        yield {**names, JOB_TOKEN: builds.token}
