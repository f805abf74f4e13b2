"""Run the command line in processes that are forked from this one, which has imported what verbs need.

Importing the SDK takes a process more than a second of processor time; a forked one finds it imported.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import resource
import selectors
import sys
import tempfile
import time
import traceback
from collections import deque
from collections.abc import Callable, Generator, Iterable, Mapping
from dataclasses import dataclass, field
from typing import IO

IMPORTED = (
    "azureml.core.webservice",
    "azureml.pipeline.steps",
    "ml_service.audit.status",
    "ml_service.production.release",
    "ml_service.training.publish",
    "ml_service.training.runs.run",
)
"""What most verbs import, and what that imports; none of it starts a thread of Python or reads settings."""
MAX_OUTPUT_BYTES = 1024 * 1024
"""Of what one process prints; only the end of more is kept."""


@dataclass(frozen=True)
class Ended:
    """A process that has ended. name: what it was started as."""

    name: str
    status: int
    usage: resource.struct_rusage
    seconds: float
    output: str
    notes: str


Running = Generator[Ended, None, None]
"""To close it is to wait for those that run."""


@dataclass(frozen=True)
class _Child:
    name: str
    pid: int
    out: IO[bytes]
    err: IO[bytes]
    begun: float = field(default_factory=time.monotonic)

    def wait(self) -> Ended:
        with self.out, self.err:
            _, status, usage = os.wait4(self.pid, 0)
            seconds = time.monotonic() - self.begun
            return Ended(self.name, status, usage, seconds, _end_of(self.out), _end_of(self.err))


def preload() -> None:
    """Import what the forked processes need."""
    for name in IMPORTED:
        importlib.import_module(name)


def run_all(environments: Mapping[str, Mapping[str, str]], at_once: int, work: Callable[[], int]) -> Running:
    """Call `work` in a process for each named environment, some at a time; yields them as they end.

    work returns the exit code. Ctrl-C reaches them too; then those that run are waited for and no other begins.
    """
    waiting, running = deque(environments), dict[int, _Child]()
    with selectors.DefaultSelector() as ends:
        try:
            while waiting or running:
                while waiting and len(running) < at_once:
                    name = waiting.popleft()
                    child = _start(name, environments[name], work)
                    ended = os.pidfd_open(child.pid)
                    running[ended] = child
                    ends.register(ended, selectors.EVENT_READ)
                for key, _ in ends.select():
                    ends.unregister(key.fd)
                    os.close(key.fd)
                    yield running.pop(key.fd).wait()
        finally:
            _wait_for(running.values())


def _wait_for(children: Iterable[_Child]) -> None:
    for child in children:
        with contextlib.suppress(KeyboardInterrupt):
            child.wait()


def _start(name: str, environment: Mapping[str, str], work: Callable[[], int]) -> _Child:
    out, err = (tempfile.TemporaryFile() for _ in "oe")  # noqa: SIM115 - closed when the process has ended
    sys.stdout.flush()
    sys.stderr.flush()
    pid = os.fork()
    if pid == 0:
        os._exit(_become(environment, work, out, err))
    return _Child(name, pid, out, err)


def _become(environment: Mapping[str, str], work: Callable[[], int], out: IO[bytes], err: IO[bytes]) -> int:
    """Be another process from here on: streams and environment of its own; returns its exit code."""
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(out.fileno(), 1)
    os.dup2(err.fileno(), 2)
    sys.stdin, sys.stdout, sys.stderr = (os.fdopen(number, mode) for number, mode in enumerate("rww"))
    os.environ.clear()  # noqa: TID251 - settings are read from it, once, by the work
    os.environ.update(environment)  # noqa: TID251
    try:
        code = work()
    except BaseException:  # the parent's own code must not go on in here
        traceback.print_exc()
        code = 1
    sys.stdout.flush()
    sys.stderr.flush()
    return code


def _end_of(file: IO[bytes]) -> str:
    file.seek(max(0, file.seek(0, os.SEEK_END) - MAX_OUTPUT_BYTES))
    return file.read().decode("utf-8", errors="replace")
