"""A process that has already imported what steps import, and forks one child a step.

A fresh process spends about 1.5 s on importing azureml, pandas and scikit-learn; a fork of this one spends none. It
has one Python thread, has touched no workspace, and speaks JSON lines on one socket: {"launch", "script",
"arguments", "directory", "variables", "log"} in; {"started", "pid"} and {"ended", "code"} out. When the socket
closes, the server is gone: all children are killed.

    python -m local_azure.machine_learning.step_process.warm_parent FD
"""

from __future__ import annotations

import contextlib
import ctypes
import importlib
import json
import os
import select
import signal
import socket
import sys
import traceback
from typing import Any

PRELOAD = (
    "azureml.core", "azureml.data", "azureml.pipeline.core", "azureml.pipeline.steps", "azureml.core.webservice",
    "numpy", "pandas", "sklearn.linear_model", "sklearn.preprocessing", "sklearn.pipeline",
    "sklearn.ensemble", "yaml", "pandera.pandas",
)  # fmt: skip
_PR_SET_PDEATHSIG = 1


def _preload() -> None:
    for name in PRELOAD:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)


class WarmParent:
    """The loop: requests from the socket, ends of children from a signal pipe."""

    def __init__(self, channel: socket.socket) -> None:
        self._channel = channel
        self._received = b""
        self._children: dict[int, str] = {}
        self._libc = ctypes.CDLL(None, use_errno=True)

    def run(self) -> None:
        """Serve until the server closes the socket."""
        wake_read, wake_write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(wake_write)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        self._send({"ready": True})
        while True:
            readable, _, _ = select.select([self._channel, wake_read], [], [])
            if wake_read in readable:
                os.read(wake_read, 4096)
                self._reap()
            if self._channel in readable and not self._receive():
                self._kill_children()
                return

    def _send(self, message: dict[str, Any]) -> None:
        self._channel.sendall(json.dumps(message).encode() + b"\n")

    def _receive(self) -> bool:
        data = self._channel.recv(65536)
        if not data:
            return False
        *lines, self._received = (self._received + data).split(b"\n")
        for line in lines:
            self._launch(json.loads(line))
        return True

    def _launch(self, request: dict[str, Any]) -> None:
        parent = os.getpid()
        pid = os.fork()
        if pid == 0:
            self._become_step(request, parent)
        self._children[pid] = request["launch"]
        self._send({"started": request["launch"], "pid": pid})

    def _become_step(self, request: dict[str, Any], parent: int) -> None:
        """In the child: be a process of its own, run the script, never return."""
        code = 1
        try:
            os.setsid()
            self._libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
            if os.getppid() != parent:
                os._exit(1)
            self._channel.close()
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            _redirect(request["log"])
            os.environ.clear()
            os.environ.update(request["variables"])
            os.chdir(request["directory"])
            if "numpy" in sys.modules:
                sys.modules["numpy"].random.seed()  # otherwise all steps would draw the same "random" numbers
            script_module = importlib.import_module("local_azure.machine_learning.step_process.script")
            code = script_module.run_script(request["script"], request["arguments"])
        except BaseException:
            traceback.print_exc()
        finally:
            with contextlib.suppress(Exception):
                sys.stdout.flush()
                sys.stderr.flush()
            os._exit(code & 0xFF)

    def _reap(self) -> None:
        while self._children:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            launch = self._children.pop(pid, None)
            if launch is not None:
                self._send({"ended": launch, "code": os.waitstatus_to_exitcode(status)})

    def _kill_children(self) -> None:
        for pid in self._children:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(pid, signal.SIGKILL)


def _redirect(log: str) -> None:
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    os.close(descriptor)
    os.close(nothing)
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    sys.stderr.reconfigure(line_buffering=True)  # type: ignore[union-attr]


def main() -> None:
    """Import first, then serve."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    channel = socket.socket(fileno=int(sys.argv[1]))
    channel.set_inheritable(False)
    _preload()
    importlib.import_module("local_azure.machine_learning.step_process.script")
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        WarmParent(channel).run()


if __name__ == "__main__":
    main()
    os._exit(0)  # taking apart what was imported would keep `local_azure down` waiting for half a second
