"""Run a Python command line in a preloaded process, or start the interpreter if that is not possible.

    python -IS shim.py FOLDER INTERPRETER ARGUMENTS...

FOLDER belongs to the preloaded parent (parent.py): `socket` and `secret`. The request is an 8-byte length, then
NUL-separated items (request.py), with the working directory and all open descriptors. Then, over the same connection:

    child  -> shim    R  ready: nothing has run yet           P  use a plain start
    shim   -> child   G  go
    shim   -> parent  "NUMBER 0|1\n"  a signal for the program, 1: for its whole process group
    parent -> shim    "S NUMBER\n"    the program was stopped      "E STATUS\n"  it ended (a wait status)

When this process is killed, the parent kills the program. Only what is imported in ten milliseconds is imported here:
not `site`, `socket`, `signal` or `pathlib`.
"""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]  # `signal` makes enumerations of its constants: 3 ms
import _socket
import fcntl
import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import NoReturn

CONNECT_TIMEOUT_SECONDS = 10.0  # while the parent still imports, which a plain start would have to do too
MOST_DESCRIPTORS = 200  # sendmsg passes at most 253 descriptors (SCM_MAX_FD)
# These change packages, rewrite their imports or do not benefit from preloading.
PLAIN_MODULES = ("pip", "ensurepip", "venv", "virtualenv", "pytest", "local_azure")
READY, GO = b"R", b"G"
_SI_KERNEL = 0x80  # the terminal's own signals; these go to every process of a group
_JOB_CONTROL = (_signal.SIGTSTP, _signal.SIGCONT)


def may_be_preloaded(arguments: list[str]) -> bool:
    """Return whether a preloaded process can run this command line: no option needs a new interpreter.

    What is left is `[-u] (-m MODULE | -c CODE | - | SCRIPT) ...`, or nothing at all with a program on standard input.
    """
    rest = arguments[1:] if arguments[:1] == ["-u"] else arguments
    if not rest or rest[0] == "-":
        return not os.isatty(0)
    if rest[0] in ("-m", "-c"):
        return len(rest) > 1 and not (rest[0] == "-m" and rest[1].partition(".")[0] in PLAIN_MODULES)
    return not rest[0].startswith("-")


def in_foreground() -> bool:
    """Return whether this process may read the terminal; the program itself has no controlling terminal."""
    try:
        return not os.isatty(0) or os.tcgetpgrp(0) == os.getpgrp()
    except OSError:
        return True


def inherited_descriptors() -> list[int]:
    """Return every descriptor that a plain start would inherit."""
    found = []
    for name in os.listdir("/proc/self/fd"):
        try:
            if not fcntl.fcntl(int(name), fcntl.F_GETFD) & fcntl.FD_CLOEXEC:
                found.append(int(name))
        except OSError:  # the one of the listing itself
            pass
    return sorted(found)


def read(path: str) -> bytes:
    """Read a file of at most 64 KiB; a longer one is cut."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        return os.read(descriptor, 1 << 16)
    finally:
        os.close(descriptor)


def connect(folder: str) -> _socket.socket:
    """Connect to the parent; raises OSError. Through /proc, because a socket address has at most 108 bytes."""
    connection = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
    directory_fd = os.open(folder, os.O_PATH | os.O_DIRECTORY)
    try:
        connection.settimeout(CONNECT_TIMEOUT_SECONDS)
        connection.connect(f"/proc/self/fd/{directory_fd}/socket")
    finally:
        os.close(directory_fd)
    return connection


def send(
    connection: _socket.socket,
    folder: str,
    kind: str,
    interpreter: str,
    arguments: list[str],
    *,
    variables: Mapping[bytes, bytes],
) -> None:
    """Send a request with the descriptors of this process; raises OSError."""
    descriptors = inherited_descriptors()
    if descriptors[:3] != [0, 1, 2] or len(descriptors) > MOST_DESCRIPTORS:
        raise OSError("a standard stream is closed, or too many files are open")
    environment = [name + b"=" + value for name, value in variables.items()]
    facts = [
        read(f"{folder}/secret"),
        kind.encode(),
        os.fsencode(interpreter),
        read("/proc/self/status"),
        read("/proc/self/limits"),
        b"%d" % os.getpriority(os.PRIO_PROCESS, 0),
        b" ".join(b"%d" % number for number in descriptors),
        b"%d" % len(arguments),
    ]
    data = b"\0".join([*facts, *map(os.fsencode, arguments), *environment])
    directory_fd = os.open(".", os.O_PATH | os.O_DIRECTORY)
    try:
        passed = b"".join(number.to_bytes(4, sys.byteorder) for number in (directory_fd, *descriptors))
        header = len(data).to_bytes(8, "big")
        sent = connection.sendmsg([header, data], [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, passed)])
        connection.sendall((header + data)[sent:])
    finally:
        os.close(directory_fd)


def _accepted(folder: str, interpreter: str, arguments: list[str]) -> _socket.socket | None:
    """Return the connection to a process that is ready to run the command line, or None."""
    try:
        connection = connect(folder)
        send(connection, folder, "run", interpreter, arguments, variables=os.environb)
        return connection if connection.recv(1) == READY else None
    except (OSError, ValueError):
        return None


def exec_interpreter(interpreter: str, arguments: list[str]) -> NoReturn:
    """Replace this process with the interpreter."""
    try:
        os.execv(interpreter, [interpreter, *arguments])  # noqa: S606 - what the user typed
    except OSError as error:
        os.write(2, f"{interpreter}: {error.strerror}\n".encode())
        os._exit(127)


def start(folder: str, interpreter: str, arguments: list[str]) -> NoReturn:
    """Run the command line, in a preloaded process if the behavior is identical."""
    if not (may_be_preloaded(arguments) and in_foreground()):
        exec_interpreter(interpreter, arguments)
    if _signal.getsignal(_signal.SIGINT) == _signal.default_int_handler:
        _signal.signal(_signal.SIGINT, _signal.SIG_DFL)  # the program reports it
    connection = _accepted(folder, interpreter, arguments)
    if connection is None:
        exec_interpreter(interpreter, arguments)
    _signal.pthread_sigmask(_signal.SIG_SETMASK, _signal.valid_signals())
    _Program(connection).follow()


def start_from_path(folder: str, interpreter: str) -> NoReturn:
    """Run as the script named python that is first on PATH: a different python later on PATH has precedence."""
    place, name = os.path.split(sys.argv[0])
    folders = os.environ.get("PATH", os.defpath).split(os.pathsep)
    later = folders[folders.index(place) + 1 :] if place in folders else []
    for candidate in (os.path.join(later_folder, name) for later_folder in later):
        if os.access(candidate, os.X_OK) and not os.path.isdir(candidate):
            if candidate != interpreter:
                exec_interpreter(candidate, sys.argv[1:])
            break
    start(folder, interpreter, sys.argv[1:])


class _Program:
    """The running program: forward signals to it, and end as it ends."""

    def __init__(self, connection: _socket.socket) -> None:
        self._connection = connection
        self._said = b""

    def follow(self) -> NoReturn:
        """Start the program, forward every signal, and end as it ends."""
        number = self._connection.fileno()
        self._connection.setblocking(False)
        fcntl.fcntl(number, fcntl.F_SETOWN, os.getpid())
        fcntl.fcntl(number, fcntl.F_SETFL, fcntl.fcntl(number, fcntl.F_GETFL) | os.O_ASYNC)  # SIGIO for each message
        self._connection.send(GO)
        while True:
            self._read_messages()
            signal = _signal.sigwaitinfo(_signal.valid_signals())
            if signal.si_signo not in (_signal.SIGIO, _signal.SIGCHLD):
                group = signal.si_code == _SI_KERNEL or signal.si_signo in _JOB_CONTROL
                self._connection.send(b"%d %d\n" % (signal.si_signo, group))

    def _read_messages(self) -> None:
        while True:
            try:
                data = self._connection.recv(4096)
            except BlockingIOError:
                return
            except OSError:
                data = b""
            if not data:
                told = b"local_azure: the preloading process was killed, so this program was killed too."
                os.write(2, told + b" Run the command again.\n")
                self._kill_self(_signal.SIGKILL)
            *lines, self._said = (self._said + data).split(b"\n")
            for line in lines:
                word, _, value = line.partition(b" ")
                self._stop(int(value)) if word == b"S" else self._end(int(value))

    def _stop(self, number: int) -> None:
        """Stop as the program has stopped; SIGCONT to this process is forwarded to it."""
        _signal.pthread_sigmask(_signal.SIG_UNBLOCK, [number])
        os.kill(os.getpid(), number)
        _signal.pthread_sigmask(_signal.SIG_SETMASK, _signal.valid_signals())

    def _end(self, status: int) -> NoReturn:
        if os.WIFSIGNALED(status):
            self._kill_self(os.WTERMSIG(status))
        os._exit(os.WEXITSTATUS(status))

    def _kill_self(self, number: int) -> NoReturn:
        """End by the same signal, without a second core dump."""
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        if number not in (_signal.SIGKILL, _signal.SIGSTOP):
            _signal.signal(number, _signal.SIG_DFL)
        _signal.pthread_sigmask(_signal.SIG_UNBLOCK, [number])
        os.kill(os.getpid(), number)
        os._exit(128 + number)


if __name__ == "__main__":
    start(sys.argv[1], sys.argv[2], sys.argv[3:])
