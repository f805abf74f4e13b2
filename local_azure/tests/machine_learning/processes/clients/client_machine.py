"""Programs that are started from a preloaded parent and plainly, to be compared."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from local_azure.cli.client_environment import client_environment
from local_azure.cli.warm import Preloading
from local_azure.machine_learning.processes.clients import IMPORTED
from local_azure.machine_learning.storage.state import StateFolder

# Says who the parent of a program is: the first thing that every program of these tests does.
PRELUDE = "if __name__ == '__main__': import os; os.write(int(os.environ['REPORT']), str(os.getppid()).encode())\n"


def without_addresses(text: bytes) -> bytes:
    """A text in which objects of two processes look the same."""
    return re.sub(rb"0x[0-9a-f]{6,}", b"0x", text or b"")


@dataclass(frozen=True)
class Ended:
    """How a program ended; parent: process number of its parent, 0 when it never said."""

    code: int
    out: bytes
    err: bytes
    parent: int


@dataclass(frozen=True)
class Machine:
    """A server with its preloaded parent, and a folder to work in."""

    state: StateFolder
    environment: Mapping[str, str]
    folder: Path

    @property
    def parent(self) -> int:
        """Process number of the preloaded parent."""
        return int(json.loads((self.state.client_processes / "parent.json").read_text())["pid"])

    def with_variables(self, **variables: str | None) -> Machine:
        """The same with other variables; None removes one."""
        changed = {**self.environment, **{name: value for name, value in variables.items() if value is not None}}
        for name in [name for name, value in variables.items() if value is None]:
            changed.pop(name, None)
        return replace(self, environment=changed)

    def start(self, words: Sequence[str], *, plain: bool = False, **more: Any) -> subprocess.Popen[bytes]:
        """Start `python WORDS` by its name on the PATH; plainly on a PATH without our scripts."""
        environment = dict(self.environment)
        if plain:
            scripts, *rest = environment["PATH"].split(os.pathsep)
            assert scripts == str(self.state.client_processes / "bin")
            environment["PATH"] = os.pathsep.join(rest)
        settings = {"cwd": self.folder, "stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, **more}
        settings = {"stderr": subprocess.PIPE, **settings}
        return subprocess.Popen(["python", *words], env={**environment, **settings.pop("variables", {})}, **settings)

    def run(self, words: Sequence[str], *, plain: bool = False, stdin: bytes | None = None, **more: Any) -> Ended:
        """Run a program to its end."""
        reader, writer = os.pipe()
        if stdin is not None:
            more["stdin"] = subprocess.PIPE
        variables = {"REPORT": str(writer), **more.pop("variables", {})}
        process = self.start(words, plain=plain, pass_fds=(writer,), variables=variables, **more)
        os.close(writer)
        out, err = process.communicate(stdin, timeout=60)
        with os.fdopen(reader) as report:
            said = report.read()
        return Ended(process.returncode, without_addresses(out), without_addresses(err), int(said or 0))

    def both(self, words: Sequence[str], **more: Any) -> Ended:
        """Run a program preloaded and plainly: it must end in the same way; returns how."""
        preloaded, plain = self.run(words, **more), self.run(words, plain=True, **more)
        assert preloaded.parent == self.parent, f"it was not preloaded:\n{self.log()}"
        assert plain.parent == os.getpid()
        assert (preloaded.code, preloaded.out, preloaded.err) == (plain.code, plain.out, plain.err)
        return preloaded

    def plainly(self, words: Sequence[str], **more: Any) -> Ended:
        """Run a program that must be started plainly, and ends as it does without our scripts."""
        tried, plain = self.run(words, **more), self.run(words, plain=True, **more)
        assert tried.parent != self.parent
        assert (tried.code, tried.out, tried.err) == (plain.code, plain.out, plain.err)
        return tried

    def script(self, source: str, name: str = "program.py") -> str:
        """Write a program into the folder; returns its name."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(PRELUDE + source)
        return name

    def log(self) -> str:
        """What the parent has written, such as why a start was plain."""
        return (self.state.client_processes / "log").read_text()


def wait_for_imports(state: StateFolder) -> None:
    """Return when the preloaded parent has imported: a program waits 10 s for it, then starts plainly."""
    deadline = time.monotonic() + 60
    while not (state.client_processes / IMPORTED).exists():
        assert time.monotonic() < deadline, "the parent does not come to the end of its imports"
        time.sleep(0.02)


def prepare(state: StateFolder, folder: Path, variables: Mapping[str, str]) -> Machine:
    """A machine on a running server, whose parent has done its imports."""
    info = state.running_server()
    assert info is not None
    path = os.pathsep.join([str(Path(sys.executable).parent), variables["PATH"]])
    environment = client_environment({**variables, "PATH": path}, state, info)
    _, environment = Preloading(state).apply(info, ["python"], environment)
    machine = Machine(state, environment, folder)
    wait_for_imports(state)
    assert machine.run(["-c", PRELUDE]).parent == machine.parent, machine.log()
    return machine
