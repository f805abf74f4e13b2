"""Experimental: client programs start in processes that have the SDK imported already (`exec --warm`)."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import click

from local_azure.cli.client_environment import client_environment
from local_azure.machine_learning.processes.clients import client
from local_azure.machine_learning.storage.state import ServerInfo, StateFolder

VARIABLE = "LOCAL_AZURE_WARM"
HELP = "Experimental: python starts with the SDK already imported, if that changes nothing but the time."
_UNKNOWN = ServerInfo(0, 0, 0, "")
_INHERITED_BY_JOBS = ("HOME", "LANG", "LC_ALL", "TZ")


class Preloading:
    """Preloading for the programs of one state folder: a preloaded parent, and scripts named python on their PATH."""

    def __init__(self, state: StateFolder) -> None:
        self._state = state
        self._processes = client.ClientProcesses(state.client_processes)
        self._scripts = state.client_processes / "bin"
        self._obstacle = client.unsupported()

    def begin(self, command: Sequence[str]) -> None:
        """Start importing while a server starts."""
        if self._obstacle or self._state.running_server() is not None:
            return
        inherited = inherited_by_jobs() if _is_local_azure(command) else os.environ
        self._processes.begin(client_environment(inherited, self._state, _UNKNOWN))

    def belong(self, info: ServerInfo, environment: Mapping[str, str]) -> None:
        """Bind the parent to the running server; `environment` is that of the programs."""
        self._obstacle = self._obstacle or _other_interpreter(info)
        if not self._obstacle:
            self._processes.belong(info.pid, environment)

    def apply(
        self, info: ServerInfo, command: Sequence[str], environment: Mapping[str, str]
    ) -> tuple[list[str], dict[str, str]]:
        """The command and its environment, so that it and what it starts come from the parent where they can."""
        if _is_local_azure(command):  # it preloads its own programs: steps of pipelines
            self.belong(info, client_environment(inherited_by_jobs(), self._state, info))
            return list(command), {**environment, VARIABLE: "1"}
        self.belong(info, environment)
        direct = os.sep in command[0] and client.is_own(command[0])
        if not self._obstacle and not direct and not client.own_names(self.own_path(environment)):
            self._obstacle = f"no python on the PATH is the server's interpreter, {sys.executable}"
        if self._obstacle:
            click.echo(f"local_azure: --warm has no effect here: {self._obstacle}.", err=True)
            return list(command), dict(environment)
        words = self._processes.command(str(Path(command[0]).absolute())) if direct else [command[0]]
        return [*words, *command[1:]], {**self.first_on_path(self._scripts, environment), VARIABLE: "1"}

    def first_on_path(self, scripts: Path, environment: Mapping[str, str]) -> dict[str, str]:
        """An environment in which python is found in a folder of scripts, which is written."""
        path = self.own_path(environment)
        names = {} if self._obstacle else client.own_names(path)
        if not names:
            return dict(environment)
        self._processes.write_scripts(scripts, names)
        return {**environment, "PATH": os.pathsep.join([str(scripts), path])}

    def own_path(self, environment: Mapping[str, str]) -> str:
        """The PATH without our scripts."""
        folders = environment.get("PATH", os.defpath).split(os.pathsep)
        return os.pathsep.join(folder for folder in folders if folder != str(self._scripts))


class PreloadedSteps:
    """Preloading for the steps of one pipeline run: each job has its own python."""

    def __init__(self, state: StateFolder) -> None:
        self._state = state
        self._preloading = Preloading(state)
        self._server: int | None = None

    def begin(self) -> None:
        """Start importing before the first step needs it, where a server runs."""
        os.environ["PATH"] = self._preloading.own_path(os.environ)  # a job finds python where its YAML says so only
        info = self._state.running_server()
        if info is not None:
            self._belong(info, client_environment(inherited_by_jobs(), self._state, info))

    def environment(self, info: ServerInfo, environment: dict[str, str]) -> dict[str, str]:
        """The environment of a step that uses the SDK."""
        self._belong(info, environment)
        tools = environment.get("AGENT_TOOLSDIRECTORY", "")
        return self._preloading.first_on_path(Path(tools) / "preloaded", environment) if tools else environment

    def _belong(self, info: ServerInfo, environment: Mapping[str, str]) -> None:
        if self._server != info.pid:
            self._preloading.belong(info, environment)
            self._server = info.pid


def inherited_by_jobs() -> dict[str, str]:
    """Return the variables that affect a program's start and are passed on to a pipeline's jobs."""
    return {name: os.environ[name] for name in _INHERITED_BY_JOBS if name in os.environ}


def _is_local_azure(command: Sequence[str]) -> bool:
    return list(command[1:3]) == ["-m", "local_azure"]


def _other_interpreter(info: ServerInfo) -> str:
    try:
        words = Path(f"/proc/{info.pid}/cmdline").read_text(encoding="utf-8").split("\0")
    except OSError:
        return "the server has just ended"
    return "" if client.is_own(words[0]) else f"the server runs on {words[0]}, this command on {sys.executable}"
