"""Starting and stopping the server process from another process."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

import click

from local_azure.machine_learning.state import ServerInfo, StateFolder

START_SECONDS = 60
STOP_SECONDS = 20


class StartError(click.ClickException):
    """The server did not come up. The command line shows the message and ends with the exit code."""

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code  # type: ignore[misc]  # click reads it from the instance


def _tail(path: Path, lines: int = 15) -> str:
    if not path.exists():
        return ""
    return "\n".join(path.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:])


def start(state: StateFolder, *, http_port: int = 0, tls_port: int = 0) -> ServerInfo:
    """Start a detached server and return when it answers; raises StartError."""
    try:
        state.create()
    except OSError as error:
        message = f"The state folder {state.root} cannot be used: {error.strerror}. Choose one with --state."
        raise StartError(message, 2) from error
    receiver, sender = os.pipe()
    command = [sys.executable, "-m", "local_azure.machine_learning.server", "--state", str(state.root)]
    command += ["--http-port", str(http_port), "--tls-port", str(tls_port), "--ready-fd", str(sender)]
    with os.fdopen(os.open(state.server_log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "ab") as log:
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
    finally:
        os.close(receiver)
    info = state.running_server()
    if answered and info:
        process.returncode = 0  # it outlives this process on purpose; no warning about that
        return info
    if not readable:
        process.kill()
        raise StartError(f"The server did not answer within {START_SECONDS} s.\n{_tail(state.server_log)}", 124)
    code = process.wait()
    raise StartError(f"The server did not start (exit code {code}).\n{_tail(state.server_log)}", code or 1)


def ensure(state: StateFolder) -> tuple[ServerInfo, bool]:
    """The running server, started when there is none; True when this call started it."""
    running = state.running_server()
    if running:
        return running, False
    return start(state), True


def stop(state: StateFolder) -> bool:
    """Stop the server of this folder and wait until it has gone; False when none ran."""
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
    return True


def _wait_until_gone(pid: int, seconds: float) -> None:
    """Wait for the end of a process that is not our child."""
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
