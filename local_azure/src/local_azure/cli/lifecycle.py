"""Starts and stops the server process from another process."""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import click

from local_azure.cli import exit_codes
from local_azure.cli.output.terminal import printable
from local_azure.machine_learning.loopback import LOOPBACK
from local_azure.machine_learning.processes.clients.client import ClientProcesses
from local_azure.machine_learning.storage.state import ServerInfo, StateFolder

START_SECONDS = 60
STOP_SECONDS = 20
# Of the paths below a state folder that are needed for a start.
_LONGEST_INSIDE = 128
_LEAST_FREE_BYTES = 1024 * 1024


class StartError(click.ClickException):
    """The server did not start. The command line shows the message and ends with the exit code.

    The message may quote the server's log, which may contain untrusted text.
    """

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(printable(message))
        self.exit_code = exit_code  # type: ignore[misc]  # click reads it from the instance


def require_usable(state: StateFolder) -> None:
    """Raise StartError where the path of the state folder cannot be one, for example is too long."""
    try:
        os.lstat(state.root / ("x" * _LONGEST_INSIDE))
    except (FileNotFoundError, NotADirectoryError):
        return
    except OSError as error:
        shown = f"{str(state.root)[:100]}..." if len(str(state.root)) > 100 else str(state.root)
        message = f"The state folder {shown} cannot be used: {error.strerror}. Choose one with --state."
        raise StartError(message, exit_codes.USAGE) from error


def make_folder(state: StateFolder) -> None:
    """Make the state folder where it does not exist; raises StartError."""
    try:
        state.create()
        state.server_log.touch(0o600)
    except OSError as error:
        message = f"The state folder {state.root} cannot be used: {error.strerror}. Choose one with --state."
        raise StartError(message, exit_codes.USAGE) from error


def start(state: StateFolder, *, http_port: int = 0, tls_port: int = 0) -> ServerInfo:
    """Start a detached server and return when it answers; raises StartError."""
    make_folder(state)
    receiver, sender = os.pipe()
    command = [sys.executable, "-m", "local_azure.server", "--state", str(state.root)]
    command += ["--http-port", str(http_port), "--tls-port", str(tls_port), "--ready-fd", str(sender)]
    with state.server_log.open("ab") as log:
        written_before = log.tell()
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            pass_fds=(sender,),
            start_new_session=True,
        )
    os.close(sender)
    try:
        readable, _, _ = select.select([receiver], [], [], START_SECONDS)
        answered = bool(readable) and os.read(receiver, 16) == b"ready"
    except KeyboardInterrupt:
        process.terminate()
        process.wait()
        raise
    finally:
        os.close(receiver)
    info = state.running_server()
    if answered and info:
        process.returncode = 0  # it outlives this process on purpose; no warning about that
        return info
    if not readable:
        process.kill()
        output = _log_since(state.server_log, written_before)
        raise StartError(f"The server did not answer within {START_SECONDS} s.\n{output}", exit_codes.TIMED_OUT)
    code = process.wait()
    output = _log_since(state.server_log, written_before)
    reason = _full_disk(state.root)
    raise StartError(f"The server did not start (exit code {code}).{reason}\n{output}", code or exit_codes.FAILED)


def _full_disk(folder: Path) -> str:
    """Return a sentence if the disk is full, because the log cannot record that; else ""."""
    free = shutil.disk_usage(folder).free
    if free >= _LEAST_FREE_BYTES:
        return ""
    return f" The disk of {folder} is full: {free} bytes are free. Make room, or choose another folder with --state."


def ensure(state: StateFolder, *, http_port: int = 0, tls_port: int = 0) -> tuple[ServerInfo, bool]:
    """Return the server, started if none was running, and whether this call started it.

    If several commands find no server, one of them starts it and the others wait.
    """
    running = _answering(state)
    if running:
        return running, False
    make_folder(state)
    with state.start_lock.open("a") as starting:
        fcntl.flock(starting, fcntl.LOCK_EX)
        running = _answering(state)
        if running:
            return running, False
        return start(state, http_port=http_port, tls_port=tls_port), True


def _answering(state: StateFolder) -> ServerInfo | None:
    """Return the running server; wait for a stopping one to end and return None."""
    running = state.running_server()
    if running is None or _answers(running):
        return running
    _wait_until_gone(running.pid, STOP_SECONDS)
    return None


def _answers(info: ServerInfo) -> bool:
    """Return whether the server accepts connections; a stopping one does not."""
    try:
        socket.create_connection((LOOPBACK, info.http_port), timeout=STOP_SECONDS).close()
    except OSError:
        return False
    return True


def _log_since(log: Path, since: int, lines: int = 15) -> str:
    """Return the last lines of a log after a position in it."""
    with log.open("rb") as stream:
        stream.seek(since)
        return "\n".join(stream.read().decode(errors="replace").splitlines()[-lines:])


def stop(state: StateFolder) -> bool:
    """Stop the server of this folder and wait until its process has ended; False when none ran."""
    info = state.running_server()
    if info is None:
        return False
    with contextlib.suppress(ProcessLookupError):
        os.kill(info.pid, signal.SIGTERM)
    _wait_until_gone(info.pid, STOP_SECONDS)
    if state.is_locked():
        with contextlib.suppress(ProcessLookupError):
            os.kill(info.pid, signal.SIGKILL)
        _wait_until_gone(info.pid, STOP_SECONDS)
    ClientProcesses(state.client_processes).wait_until_gone()
    return True


def _wait_until_gone(pid: int, seconds: float) -> None:
    """Wait for the end of a process that is not a child of this one."""
    deadline = time.monotonic() + seconds
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    except (AttributeError, OSError):  # not Linux, or an old kernel
        while time.monotonic() < deadline and _alive(pid):
            time.sleep(0.05)
        return
    with os.fdopen(descriptor):
        select.select([descriptor], [], [], seconds)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
