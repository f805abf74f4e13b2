"""Program between the runner and a step's command: what the step started ends with it, detached processes included.

The kernel makes it the parent of the command's orphans. It reads its standard input: a byte says that nobody writes
output any more, the end (also by the runner's death) that everything must end now. Plain Python, for a fast start.
"""

import contextlib
import ctypes
import os
import select
import signal
import sys
import time

_PR_SET_CHILD_SUBREAPER = 36
# How long what a command has left behind may go on writing.
_DRAIN_SECONDS = 2.0
_KILL_SECONDS = 5.0
_PAUSE_SECONDS = 0.01


def main(command: list[str]) -> int:
    """Run a command; returns its exit code, 128 and more for a signal."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    woken, wake = os.pipe()
    os.set_blocking(wake, False)
    signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    # Handlers, because a command would inherit that a signal is ignored.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGCHLD):
        signal.signal(number, lambda *_: None)
    pid = _start(command)
    code = _wait(pid, woken)
    _end_children()
    return code


def _start(command: list[str]) -> int:
    """Start the command and let go of its output, so that its end shows."""
    nothing = [(os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0)]
    own = [signal.SIGPIPE, signal.SIGXFSZ]
    pid = os.posix_spawnp(command[0], command, _environment(), file_actions=nothing, setsigdef=own)
    devnull = os.open(os.devnull, os.O_WRONLY)
    os.dup2(devnull, 1)
    os.dup2(devnull, 2)
    return pid


def _environment() -> dict[bytes, bytes]:
    """Return the environment as it was given: Python adds LC_CTYPE to its own."""
    try:
        with open("/proc/self/environ", "rb") as stream:  # noqa: PTH123 - pathlib would take longer to import
            pairs = [entry.partition(b"=") for entry in stream.read().split(b"\0") if entry]
    except OSError:
        return dict(os.environb)
    return {name: value for name, _, value in pairs}


def _wait(pid: int, woken: int) -> int:
    """Wait for the command, then for what it has left behind, as long as that may write."""
    code, drained_at, output_ended = 0, None, False
    while True:
        seconds = None if drained_at is None else max(drained_at - time.monotonic(), 0)
        readable, _, _ = select.select([0, woken], [], [], seconds)
        if 0 in readable:
            output_ended = True
            if not os.read(0, 1):
                return code if drained_at else 128 + signal.SIGKILL
        if woken in readable:
            os.read(woken, 4096)
        for ended, status in _ended_children():
            if ended == pid:
                code, drained_at = _exit_code(status), time.monotonic() + _DRAIN_SECONDS
        if drained_at and (output_ended or time.monotonic() >= drained_at or not _children()):
            return code


def _exit_code(status: int) -> int:
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else 128 - code


def _ended_children() -> list[tuple[int, int]]:
    """Reap what has ended."""
    ended: list[tuple[int, int]] = []
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return ended
        if not pid:
            return ended
        ended.append((pid, status))


def _children() -> list[int]:
    """Return the children of this process; orphans of killed ones become its children in turn."""
    try:
        with open(f"/proc/self/task/{os.getpid()}/children", encoding="ascii") as stream:  # noqa: PTH123
            return [int(pid) for pid in stream.read().split()]
    except OSError:
        return []


def _end_children() -> None:
    """Kill all children until there are none; those that cannot be killed are left after some seconds."""
    deadline = time.monotonic() + _KILL_SECONDS
    children = _children()
    while children and time.monotonic() < deadline:
        for pid in children:
            with contextlib.suppress(OSError):  # it has just ended, or belongs to another user
                os.kill(pid, signal.SIGKILL)
        time.sleep(_PAUSE_SECONDS)
        _ended_children()
        children = _children()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
