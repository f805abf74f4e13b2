"""Import what children need once, then fork a child for each start message, or spawn it where forking is unavailable.

Importing azureml, pandas and scikit-learn takes over a second, the inference server almost another; forking takes ten
milliseconds. One message a packet, JSON, over the socket given by --socket:

    emulator -> fork server   {"start": ID, "entry": "module:function", "directory", "log", "environment", ..}
                              and a listening socket where the entry wants one
                              {"stop": ID}
    fork server -> emulator   {"started": ID, "pid": N}
                              {"ended": ID, "code": N}, negative: killed by that signal

This process never has a second Python thread, so that forking is safe. It ends, with every child, when the emulator's
end of the socket closes: a killed emulator leaves nothing behind. Whatever a child leaves running is killed with its
process group when it ends. Processes that left the group (daemons) are killed once no child is running.
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
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from local_azure.machine_learning.processes.forking import (
    MESSAGE_BYTES,
    QUIET_SECONDS,
    START_METHOD_VARIABLE,
    STOP_SECONDS,
)
from local_azure.machine_learning.processes.forking.child import run_child, set_parent_death_signal
from local_azure.machine_learning.processes.forking.orphans import adopt_orphans, own_children

CHILD = "local_azure.machine_learning.processes.forking.child"
MOST_TEXT_BYTES = 100_000  # how much of each script is searched for package names
_HANDLED = (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT)  # signals that this process has handlers for


@dataclass
class _Child:
    name: str
    pid: int
    kill_at: float | None = None


class ForkServer:
    """Event loop over messages and child exits; single-threaded.

    later: imported when nothing has happened for QUIET_SECONDS (at the start for `quiet_at_start`), or before the
    first child whose script names it.
    """

    def __init__(self, emulator: socket.socket, later: list[str], quiet_at_start: float) -> None:
        self._emulator = emulator
        self._deferred_imports = later
        self._children: dict[str, _Child] = {}
        self._quiet_seconds = quiet_at_start
        self._spawn = os.environ.get(START_METHOD_VARIABLE) == "spawn" or sys.platform != "linux"
        self._wake_read, self._wake_write = os.pipe()
        os.set_blocking(self._wake_write, False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(self._wake_write, warn_on_full_buffer=False)

    def run(self) -> None:
        """Serve until the emulator goes away."""
        adopt_orphans()
        gc.collect()
        gc.freeze()  # children share these pages for as long as no collection touches them
        try:
            while self._run_once():
                pass
        finally:
            self._end_all()

    def _tell(self, message: dict[str, Any]) -> None:
        with contextlib.suppress(OSError):
            self._emulator.send(json.dumps(message).encode())

    def _kill_deadlines(self) -> list[float]:
        return [child.kill_at for child in self._children.values() if child.kill_at is not None]

    def _select_timeout(self) -> float | None:
        """Return the seconds until the next child must be killed, else until the next deferred import, if any."""
        moments = self._kill_deadlines()
        if moments:
            return max(0.0, min(moments) - time.monotonic())
        return self._quiet_seconds if self._deferred_imports else None

    def _run_once(self) -> bool:
        readable, _, _ = select.select([self._emulator, self._wake_read], [], [], self._select_timeout())
        self._quiet_seconds = QUIET_SECONDS
        if not readable and self._deferred_imports and not self._kill_deadlines():
            preload([self._deferred_imports.pop(0)])
            self._quiet_seconds = 0.0  # what is left follows at once
        if self._wake_read in readable:
            os.read(self._wake_read, 512)
        self._reap()
        self._kill_overdue()
        if self._emulator in readable:
            return self._handle_message()
        return True

    def _handle_message(self) -> bool:
        data, descriptors, _, _ = socket.recv_fds(self._emulator, MESSAGE_BYTES, 1)
        if not data:
            return False
        message = json.loads(data)
        if "start" in message:
            listener = descriptors[0] if descriptors else None
            self._import_what_is_named(Path(message["directory"]))
            pid = self._spawned(message, listener) if self._spawn else self._forked(message, listener)
            self._children[message["start"]] = _Child(message["start"], pid)
            self._tell({"started": message["start"], "pid": pid})
            for descriptor in descriptors:
                os.close(descriptor)
        else:
            self._stop(message["stop"])
        return True

    def _import_what_is_named(self, directory: Path) -> None:
        """Import packages that a script mentions, so that not every child imports them for itself."""
        text = _text(directory) if self._deferred_imports and not self._spawn else b""
        named = [name for name in self._deferred_imports if name.partition(".")[0].encode() in text]
        preload(named)
        self._deferred_imports = [name for name in self._deferred_imports if name not in named]

    def _forked(self, message: dict[str, Any], listener: int | None) -> int:
        parent = os.getpid()
        # Block signals, so that the child never runs the parent's handlers.
        signal.pthread_sigmask(signal.SIG_BLOCK, _HANDLED)
        pid = os.fork()
        if pid == 0:
            signal.set_wakeup_fd(-1)
            for number in _HANDLED:
                signal.signal(number, signal.SIG_DFL)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _HANDLED)
            self._emulator.close()
            os.close(self._wake_read)
            os.close(self._wake_write)
            run_child(message, listener, parent)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _HANDLED)
        return pid

    def _spawned(self, message: dict[str, Any], listener: int | None) -> int:
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", CHILD],
            stdin=subprocess.PIPE,
            pass_fds=() if listener is None else (listener,),
            text=True,
        )
        assert process.stdin is not None  # noqa: S101 - asked for as a pipe
        with contextlib.suppress(BrokenPipeError), process.stdin as stdin:
            json.dump({"message": message, "listener": listener}, stdin)
        process.returncode = 0  # reaped below, by its PID
        return process.pid

    def _stop(self, name: str) -> None:
        child = self._children.get(name)
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
            _signal_group(child.pid, signal.SIGKILL)  # before the PID can be reused
            _, status = os.waitpid(child.pid, 0)
            del self._children[child.name]
            self._tell({"ended": child.name, "code": os.waitstatus_to_exitcode(status)})
        self._end_orphans()

    def _end_all(self) -> None:
        """Kill every child at once, without a grace period: the next emulator needs their ports."""
        for child in self._children.values():
            _signal_group(child.pid, signal.SIGKILL)
            os.waitpid(child.pid, 0)
        self._children.clear()
        while self._end_orphans():  # their descendants are reparented to us
            pass

    def _end_orphans(self) -> bool:
        """Reap orphans that have ended; kill the others once no child is running. Return whether there were any."""
        orphans = own_children() - {child.pid for child in self._children.values()}
        for pid in orphans:
            with contextlib.suppress(ProcessLookupError, ChildProcessError):
                if not self._children:
                    os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, os.WNOHANG if self._children else 0)
        return bool(orphans)


def _text(directory: Path) -> bytes:
    """Return the first bytes of the scripts in a folder; empty if unreadable; the child reports that error."""
    texts = []
    with contextlib.suppress(OSError):
        for path in directory.glob("*.py"):
            with path.open("rb") as script:
                texts.append(script.read(MOST_TEXT_BYTES))
    return b"\n".join(texts)


def preload(names: list[str]) -> None:
    """Import the installed modules of a list.

    The socket is not read meanwhile, so ask the kernel for SIGTERM if the emulator dies; between imports, end-of-file
    on the socket tells us.
    """
    set_parent_death_signal(signal.SIGTERM)
    gc.disable()  # garbage collection during imports would take 20% of the time
    for name in names:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    gc.enable()
    set_parent_death_signal(None)


def _signal_group(pid: int, number: signal.Signals) -> None:
    # A child that has not made its own session yet has no group of its own; its process is signalled then.
    try:
        os.killpg(pid, number)
    except ProcessLookupError:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)
    except PermissionError:
        pass


def main(argv: list[str] | None = None) -> int:
    """Serve the emulator at the other end of --socket."""
    parser = argparse.ArgumentParser(description="Fork server of steps or of web services; started by the emulator.")
    parser.add_argument("--socket", type=int, required=True, help="number of an inherited packet socket")
    parser.add_argument("--first", default="", help="modules to import before the first child, separated by commas")
    parser.add_argument(
        "--later", default="", help="modules to import when idle, or before the first script that mentions them"
    )
    parser.add_argument(
        "--quiet-at-start", type=float, default=QUIET_SECONDS, help="idle seconds before the first of them"
    )
    arguments = parser.parse_args(argv)
    # os._exit, because an import could swallow SystemExit; there is nothing to clean up yet.
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with contextlib.suppress(SystemExit), socket.socket(fileno=arguments.socket) as emulator:
        preload(list(filter(None, arguments.first.split(","))))
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
        ForkServer(emulator, list(filter(None, arguments.later.split(","))), arguments.quiet_at_start).run()
    # Taking the imported libraries apart one by one would take longer than everything before.
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


if __name__ == "__main__":
    sys.exit(main())
