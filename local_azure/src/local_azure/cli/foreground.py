"""Runs a command in the foreground, against a server that several such commands share."""

from __future__ import annotations

import fcntl
import signal
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from local_azure.cli import lifecycle
from local_azure.machine_learning.storage.state import ServerInfo, StateFolder


def run(command: Sequence[str], environment: Mapping[str, str]) -> int:
    """Run a command until it ends by itself and return its exit code, as a shell would; raises FileNotFoundError.

    Ctrl-C reaches the command from the terminal itself. The command has as much time as it needs to clean up:
    `subprocess.run` would kill it after a quarter of a second. SIGTERM is forwarded.
    """
    process = subprocess.Popen(command, env=dict(environment))

    def forward(number: int, _: object) -> None:
        process.send_signal(number)

    with _handling(signal.SIGINT, lambda *_: None), _handling(signal.SIGTERM, forward):
        code = process.wait()
    return code if code >= 0 else 128 - code


@contextmanager
def _handling(number: signal.Signals, handler: Callable[[int, object], None]) -> Iterator[None]:
    before = signal.signal(number, handler)
    try:
        yield
    finally:
        signal.signal(number, before)


@contextmanager
def use(state: StateFolder, *, stop_after: bool, wait: Callable[[], None]) -> Iterator[tuple[ServerInfo, bool]]:
    """Keep a server running for the block; yields it and whether it was started now. Raises StartError.

    With `stop_after`, the command that started the server stops it, once all others that use it have ended; `wait` is
    called before waiting for them.
    """
    lifecycle.make_folder(state)
    with state.clients_lock.open("a") as clients:
        fcntl.flock(clients, fcntl.LOCK_SH)
        info, started = lifecycle.ensure(state)
        try:
            yield info, started
        finally:
            if started and stop_after:
                _wait_for_others(clients.fileno(), wait)
                lifecycle.stop(state)


def _wait_for_others(clients: int, wait: Callable[[], None]) -> None:
    """Wait until no other command uses the server; later commands wait for its stop, then start a new one."""
    try:
        fcntl.flock(clients, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        wait()
        fcntl.flock(clients, fcntl.LOCK_EX)
