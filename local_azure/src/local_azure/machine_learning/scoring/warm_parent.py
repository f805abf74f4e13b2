"""The parent of all web services: has the slow imports done and forks one child a service.

Importing the inference server takes 0.8 seconds, pandas and scikit-learn 1.5 more, forking ten milliseconds. One
message a packet, JSON, over the socket given by --socket:

    host -> parent  {"start": ID, "folder": F, "log": F, "keys": F, "environment": {..}} and the listening socket
                    {"stop": ID}
    parent -> host  {"ended": ID, "code": N}   negative: killed by that signal

This process never has a second Python thread, so that forking is safe. It ends, with every service, when the host's
end of the socket closes: a killed server leaves nothing behind.
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import importlib
import json
import os
import select
import signal
import socket
import sys
import time
import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from local_azure.machine_learning.scoring import MESSAGE_BYTES, STOP_SECONDS
from local_azure.machine_learning.scoring.application import ScoringService, end_with_parent

# Nothing of azureml_inference_server_http.server itself: it reads the environment when it is imported.
FIRST = (
    "gunicorn.arbiter",
    "gunicorn.workers.gthread",
    "flask",
    "pydantic_settings",
    "azure.monitor.opentelemetry.exporter",
    "opentelemetry.sdk._logs.export",
    "opentelemetry.sdk.trace.export",
    "inference_schema.schema_util",
    "numpy",
)
# Only once somebody has deployed a service, and in quiet moments: at the start others need the processor more.
LATER = ("pandas", "sklearn.linear_model", "sklearn.ensemble", "sklearn.pipeline")
QUIET_SECONDS = 1.0


@dataclass
class _Child:
    service: str
    pid: int
    kill_at: float | None = None


class WarmParent:
    """Waits for messages and for ended children; one call at a time."""

    def __init__(self, host: socket.socket) -> None:
        self._host = host
        self._children: dict[str, _Child] = {}
        self._later: list[str] = []
        self._wake_read, self._wake_write = os.pipe()
        os.set_blocking(self._wake_write, False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(self._wake_write, warn_on_full_buffer=False)

    def run(self) -> None:
        """Serve until the host goes away."""
        for name in FIRST:
            _preload(name)
        gc.collect()
        gc.freeze()  # children share these pages for as long as no collection touches them
        self._later = list(LATER)
        try:
            while self._turn():
                pass
        finally:
            self._end_all()

    def _patience(self) -> float | None:
        moments = [child.kill_at - time.monotonic() for child in self._children.values() if child.kill_at is not None]
        if self._children and self._later:
            moments.append(QUIET_SECONDS)
        return max(0.0, min(moments)) if moments else None

    def _turn(self) -> bool:
        readable, _, _ = select.select([self._host, self._wake_read], [], [], self._patience())
        if not readable and self._later:
            _preload(self._later.pop(0))
        if self._wake_read in readable:
            os.read(self._wake_read, 512)
        self._reap()
        self._kill_overdue()
        return self._answer() if self._host in readable else True

    def _answer(self) -> bool:
        data, descriptors, _, _ = socket.recv_fds(self._host, MESSAGE_BYTES, 1)
        if not data:
            return False
        message = json.loads(data)
        if "start" in message:
            self._start(message, descriptors[0])
            os.close(descriptors[0])
        else:
            self._stop(message["stop"])
        return True

    def _start(self, message: dict[str, Any], listener: int) -> None:
        pid = os.fork()
        if pid == 0:
            self._become_service(message, listener)
        self._children[message["start"]] = _Child(message["start"], pid)

    def _become_service(self, message: dict[str, Any], listener: int) -> NoReturn:
        code = 1
        try:
            self._leave_parent()
            _enter(message)
            ScoringService(listener, Path(message["keys"])).run()
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else 1
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code & 0xFF)

    def _leave_parent(self) -> None:
        os.setsid()
        end_with_parent()
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signal.SIG_DFL)
        self._host.close()
        os.close(self._wake_read)
        os.close(self._wake_write)

    def _stop(self, service: str) -> None:
        child = self._children.get(service)
        if child:
            _signal_group(child.pid, signal.SIGTERM)
            child.kill_at = time.monotonic() + STOP_SECONDS

    def _kill_overdue(self) -> None:
        for child in self._children.values():
            if child.kill_at is not None and child.kill_at <= time.monotonic():
                _signal_group(child.pid, signal.SIGKILL)
                child.kill_at = None

    def _reap(self) -> None:
        for child in list(self._children.values()):
            ended = os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            if ended is None:
                continue
            _signal_group(child.pid, signal.SIGKILL)  # while its number cannot have been given to somebody else
            _, status = os.waitpid(child.pid, 0)
            del self._children[child.service]
            answer = {"ended": child.service, "code": os.waitstatus_to_exitcode(status)}
            with contextlib.suppress(OSError):
                self._host.send(json.dumps(answer).encode())

    def _end_all(self) -> None:
        """The server has gone: no time of grace, so that the next one finds the ports free."""
        for child in self._children.values():
            _signal_group(child.pid, signal.SIGKILL)
            os.waitpid(child.pid, 0)
        self._children.clear()


def _preload(name: str) -> None:
    with contextlib.suppress(ImportError):
        importlib.import_module(name)


def _signal_group(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, number)


def _enter(message: dict[str, Any]) -> None:
    """Take on the folder, the log and the environment of a service; nothing of this process's own remains."""
    log = os.open(message["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.close(log)
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    os.chdir(message["folder"])
    os.environ.clear()
    os.environ.update(message["environment"])
    time.tzset()
    sys.argv = ["azmlinfsrv"]
    sys.path[:0] = [entry for entry in os.environ.get("PYTHONPATH", "").split(os.pathsep) if entry]
    if "numpy" in sys.modules:
        sys.modules["numpy"].random.seed()  # otherwise every service would draw the same numbers


def main(argv: list[str] | None = None) -> int:
    """Serve the host at the other end of --socket."""
    parser = argparse.ArgumentParser(description="Parent process of the web services; started by the server.")
    parser.add_argument("--socket", type=int, required=True, help="number of an inherited packet socket")
    arguments = parser.parse_args(argv)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # also in the middle of an import
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with socket.socket(fileno=arguments.socket) as host:
        WarmParent(host).run()
    return 0


if __name__ == "__main__":
    sys.exit(main())
