"""A command in the foreground of this one, and a server that several such commands share."""

from __future__ import annotations

import fcntl
import signal
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from local_azure.cli import lifecycle
from local_azure.machine_learning.storage.state import ServerInfo, StateFolder


def run(command: Sequence[str], environment: Mapping[str, str]) -> int:
    """Run a command to its own end and return its exit code, as a shell has it; raises FileNotFoundError.

    Ctrl-C reaches the command from the terminal itself. What it then does, such as cancelling a run and saying so, it
    does in its own time: `subprocess.run` would kill it after a quarter of a second. SIGTERM is handed on.
    """
    process = subprocess.Popen(command, env=dict(environment))

    def hand_on(number: int, _: object) -> None:
        process.send_signal(number)

    with _handling(signal.SIGINT, lambda *_: None), _handling(signal.SIGTERM, hand_on):
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
    """A running server for the block, and whether it was started for it; raises StartError.

    With `stop_after`, who started the server stops it, after all others that use it at that time have ended; `wait`
    is called before waiting for them.
    """
    lifecycle.make_folder(state)
    with state.clients_lock.open("a") as clients:
        fcntl.flock(clients, fcntl.LOCK_SH)
        info, started = lifecycle.ensure(state)
        try:
            yield info, started
        finally:
            if started and stop_after:
                _be_the_last(clients.fileno(), wait)
                lifecycle.stop(state)


def _be_the_last(clients: int, wait: Callable[[], None]) -> None:
    """Return when nobody else uses the server; who comes later waits for its end and starts another."""
    try:
        fcntl.flock(clients, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        wait()
        fcntl.flock(clients, fcntl.LOCK_EX)
