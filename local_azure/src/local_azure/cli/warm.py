"""Experimental: client programs start in processes that have the SDK imported already (`exec --warm`)."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import click

from local_azure.cli.client_environment import client_environment
from local_azure.machine_learning.http.certificates import BUNDLE
from local_azure.machine_learning.processes.clients import client
from local_azure.machine_learning.storage.state import ServerInfo, StateFolder

VARIABLE = "LOCAL_AZURE_WARM"
_UNKNOWN = ServerInfo(0, 0, 0, "")


class Preloading:
    """What one command needs for it: a preloaded parent, and scripts named python first on its PATH."""

    def __init__(self, state: StateFolder) -> None:
        self._state = state
        self._processes = client.ClientProcesses(state.client_processes)
        self._obstacle = client.unsupported()

    def begin(self, environment: Mapping[str, str]) -> None:
        """Start importing while a server starts, unless there are no certificates yet that an import could read."""
        is_useful = self._state.running_server() is None and (self._state.certificates / BUNDLE).exists()
        if is_useful and not self._obstacle:
            self._processes.begin(client_environment(environment, self._state, _UNKNOWN))

    def belong(self, info: ServerInfo, environment: Mapping[str, str]) -> None:
        """Bind the parent to the running server; `environment` is that of the programs."""
        self._obstacle = self._obstacle or _other_interpreter(info)
        if not self._obstacle:
            self._processes.belong(info.pid, environment)

    def apply(self, command: Sequence[str], environment: Mapping[str, str]) -> tuple[list[str], dict[str, str]]:
        """The command and its environment, so that it and what it starts come from the parent where they can."""
        scripts = self._state.client_processes / "bin"
        path = [folder for folder in environment.get("PATH", os.defpath).split(os.pathsep) if folder != str(scripts)]
        names = client.own_names(os.pathsep.join(path))
        direct = os.sep in command[0] and client.is_own(command[0], Path(sys.executable))
        if not self._obstacle and not names and not direct:
            self._obstacle = f"no python on the PATH is the server's interpreter, {sys.executable}"
        if self._obstacle:
            click.echo(f"local_azure: --warm changes nothing here: {self._obstacle}.", err=True)
            return list(command), dict(environment)
        self._processes.write_scripts(scripts, names)
        words = self._processes.command(str(Path(command[0]).absolute())) if direct else [command[0]]
        changed = {"PATH": os.pathsep.join([str(scripts), *path]), VARIABLE: "1"}
        return [*words, *command[1:]], {**environment, **changed}


def _other_interpreter(info: ServerInfo) -> str:
    try:
        words = Path(f"/proc/{info.pid}/cmdline").read_text(encoding="utf-8").split("\0")
    except OSError:
        return "the server has just ended"
    same = client.is_own(words[0], Path(sys.executable))
    return "" if same else f"the server runs on {words[0]}, this command on {sys.executable}"
