"""The other end of a preloaded parent: start it for a server, ask it, replace it; make the scripts named python."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from local_azure.machine_learning.processes.clients import ALIVE, IMPORTED, SECRET, SOCKET, shim
from local_azure.machine_learning.processes.clients.equality import parent_environment
from local_azure.machine_learning.processes.clients.interpreter import is_same

CHECK_SECONDS = 10.0
END_SECONDS = 5.0
_BACKLOG = 128
_LONGEST_SHEBANG = 120  # the kernel reads 127 bytes of the first line in its oldest form
_SCRIPT = """\
#!{base} -IS
import sys

sys.path.insert(0, {place!r})
from shim import start_from_path

start_from_path({folder!r}, {interpreter!r})
"""
_PACKAGE_ROOT = str(Path(__file__).parents[4])


class ClientProcesses:
    """The preloaded parent of one state folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._facts = folder / "parent.json"
        self._tell: int | None = None

    def begin(self, environment: Mapping[str, str]) -> None:
        """Start a parent before its server is there; `belong` follows, or it ends with this process."""
        with self._changing():
            if not self.runs():
                self._tell = self._start(environment, "-")

    def belong(self, server: int, environment: Mapping[str, str]) -> None:
        """See to it that a parent for programs with this environment runs, or is being started, for a server."""
        if self._tell is not None:
            os.write(self._tell, f"{server}\n".encode())
            os.close(self._tell)
            self._tell = None
            return
        with self._changing():
            if not (self.runs() and self._fits(server, environment)):
                self._retire()
                self._start(environment, str(server))

    def write_scripts(self, folder: Path, interpreters: Mapping[str, str]) -> None:
        """Make a folder for the PATH: scripts that start these interpreters, by name, from the parent."""
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        place = str(Path(shim.__file__).parent)
        for name, interpreter in interpreters.items():
            text = _SCRIPT.format(
                base=_base_interpreter(), place=place, folder=str(self._folder), interpreter=interpreter
            )
            script = folder / name
            if not script.exists() or script.read_text(encoding="utf-8") != text:
                partial = folder / f".{name}.{os.getpid()}"
                partial.write_text(text, encoding="utf-8")
                partial.chmod(0o700)
                partial.replace(script)

    def command(self, interpreter: str) -> list[str]:
        """Words in place of an interpreter that is called by its path."""
        return [_base_interpreter(), "-IS", shim.__file__, str(self._folder), interpreter]

    def wait_until_gone(self) -> None:
        """Wait until no parent takes programs any more."""
        deadline = time.monotonic() + END_SECONDS
        while self.runs() and time.monotonic() < deadline:
            time.sleep(0.01)

    @contextlib.contextmanager
    def _changing(self) -> Iterator[None]:
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with (self._folder / "lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def runs(self) -> bool:
        """Whether a parent takes programs, or will when it has imported."""
        with contextlib.suppress(FileNotFoundError), (self._folder / ALIVE).open("rb") as alive:
            try:
                fcntl.flock(alive, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
        return False

    def _fits(self, server: int, environment: Mapping[str, str]) -> bool:
        """Whether the parent is the server's, has imported what is installed, and with the same variables."""
        facts = json.loads(self._facts.read_text(encoding="utf-8"))
        if facts["environment"] != parent_environment(environment):
            return False
        if not (self._folder / IMPORTED).exists():
            return True
        variables = {os.fsencode(name): os.fsencode(value) for name, value in environment.items()}
        try:
            with contextlib.closing(shim.connect(str(self._folder))) as connection:
                connection.settimeout(CHECK_SECONDS)
                words = (f"check {server}", sys.executable, ["-c", ""])
                shim.send(connection, str(self._folder), *words, variables=variables)
                return connection.recv(1) == shim.READY
        except OSError:
            return False

    def _retire(self) -> None:
        """Let the parent end; running programs continue."""
        if self.runs():
            with contextlib.suppress(ProcessLookupError):
                os.kill(json.loads(self._facts.read_text(encoding="utf-8"))["pid"], signal.SIGTERM)
            self.wait_until_gone()

    def _start(self, environment: Mapping[str, str], server: str) -> int | None:
        """Start a parent; returns where to write its server's number, when that is not known yet."""
        from local_azure.machine_learning.processes.clients.parent import BOOTSTRAP

        _write_private(self._folder / SECRET, secrets.token_hex(32))
        (self._folder / IMPORTED).unlink(missing_ok=True)
        variables = parent_environment(environment)
        reader, writer = os.pipe()
        with (
            _listen(self._folder) as listener,
            (self._folder / ALIVE).open("ab") as alive,
            (self._folder / "log").open("ab") as log,
            os.fdopen(reader) as told,
        ):
            fcntl.flock(alive, fcntl.LOCK_EX | fcntl.LOCK_NB)  # the parent keeps it locked
            inherited = (listener.fileno(), alive.fileno())
            bootstrap = BOOTSTRAP.format(root=_PACKAGE_ROOT)
            process = subprocess.Popen(
                [sys.executable, "-c", bootstrap, str(self._folder), *map(str, inherited), server],
                stdin=told,
                stdout=log,
                stderr=log,
                env=variables,
                cwd="/",
                pass_fds=inherited,
                start_new_session=True,
            )
        process.returncode = 0  # it outlives this process on purpose; no warning about that
        _write_private(self._facts, json.dumps({"pid": process.pid, "environment": variables}))
        if server == "-":
            return writer
        os.close(writer)
        return None


def own_names(path: str) -> dict[str, str]:
    """The names under which this interpreter is found on a PATH, each with where it is found."""
    names = ("python", "python3", f"python3.{sys.version_info.minor}")
    found = {name: shutil.which(name, path=path) for name in names}
    return {name: place for name, place in found.items() if place and is_own(place)}


def is_own(place: str) -> bool:
    """Whether a path leads to this interpreter with its packages."""
    return is_same(place, sys.path)


def unsupported() -> str:
    """Why nothing can be preloaded on this machine, or ""."""
    if sys.platform != "linux":
        return "it needs Linux"
    base = _base_interpreter()
    if len(base) > _LONGEST_SHEBANG or any(character.isspace() for character in base):
        return f"the path of the interpreter {base} is too long for a script, or holds a space"
    return ""


def _base_interpreter() -> str:
    return str(Path(sys.executable).resolve())


def _listen(folder: Path) -> socket.socket:
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    (folder / SOCKET).unlink(missing_ok=True)
    place = os.open(folder, os.O_PATH | os.O_DIRECTORY)
    try:
        listener.bind(f"/proc/self/fd/{place}/{SOCKET}")  # an address has 108 bytes at most
    finally:
        os.close(place)
    (folder / SOCKET).chmod(0o600)
    listener.listen(_BACKLOG)
    return listener


def _write_private(path: Path, text: str) -> None:
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
        stream.write(text)
