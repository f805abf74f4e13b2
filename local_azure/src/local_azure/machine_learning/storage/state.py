"""The state folder: what a server leaves on disk, and how others find a running one."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import time
from collections.abc import Mapping
from dataclasses import MISSING, asdict, dataclass, fields
from pathlib import Path
from typing import TypeGuard

FOLDER_NAME = ".local_azure"
STATE_VARIABLE = "LOCAL_AZURE_STATE"
_LOCK_ATTEMPTS = 5


@dataclass(frozen=True)
class ServerInfo:
    """A running server, as written to server.json (mode 0600, because of the tokens)."""

    pid: int
    http_port: int
    tls_port: int
    token: str
    web_port: int = 0  # of the proxy for web addresses; a server of an older version has none
    studio_port: int = 0  # of the pages for browsers; 0: this server has none
    # Opens the studio. Scripts of pipelines have the other token in their environment, and must not approve anything.
    studio_token: str = ""

    @property
    def base_url(self) -> str:
        """Address of every JSON plane."""
        return f"http://127.0.0.1:{self.http_port}"

    @property
    def studio_url(self) -> str:
        """Address of the studio's pages, without a slash at its end."""
        return f"http://127.0.0.1:{self.studio_port}/studio"


class StateLockedError(Exception):
    """Another server works on this folder."""

    def __init__(self, folder: Path, pid: str) -> None:
        super().__init__(f"{folder} is in use by the server with process id {pid or 'unknown'}.")


def find_state_folder(explicit: Path | None = None) -> Path:
    """The folder to use: the given one, the environment's, the nearest .local_azure upwards, or the project's own.

    The last is outside the project, in the user's state folder: a step with `source_directory="."` uploads all of
    the project, and would upload the server's data with it.
    """
    if explicit or os.environ.get(STATE_VARIABLE):
        return (explicit or Path(os.environ[STATE_VARIABLE])).absolute()
    here = Path.cwd()
    for folder in (here, *here.parents):
        if (folder / FOLDER_NAME).is_dir():
            return folder / FOLDER_NAME
    project = find_project()
    home = Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state")
    key = hashlib.sha256(str(project).encode()).hexdigest()[:12]
    return home / "local_azure" / f"{project.name or 'root'}-{key}"


def find_project() -> Path:
    """The project that a command is typed in: the nearest git checkout upwards, else the current directory."""
    here = Path.cwd()
    return next((folder for folder in (here, *here.parents) if (folder / ".git").exists()), here)


class StateFolder:
    """Paths inside one state folder, and its lock."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.database = root / "store.sqlite"
        self.blobs = root / "blobs"
        self.work = root / "work"
        self.services = root / "services"
        self.certificates = root / "certificates"
        self.server_log = root / "server.log"
        # What a client would keep in ~/.azure. A file there freezes addresses, so each server start has its own.
        self.client_configurations = root / "azure-config"
        self.clients_lock = root / "clients.lock"
        self.start_lock = root / "start.lock"
        self.client_processes = root / "clients"
        # Runs of Azure Pipelines YAML, a folder each.
        self.pipeline_runs = root / "pipelines"
        self._server_file = root / "server.json"
        self._ports_file = root / "ports.json"
        self._lock_file = root / "lock"
        self._web_data_file = root / "web_data.json"
        self._denied_file = root / "denied.json"

    def create(self) -> None:
        """Make the folders, readable by their owner only."""
        for folder in (self.root, self.blobs, self.work, self.services, self.certificates):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)

    def client_configuration(self, info: ServerInfo) -> Path:
        """AZURE_CONFIG_DIR of the clients of one server start. Not made here: without it the SDK stores nothing."""
        return self.client_configurations / hashlib.sha256(info.token.encode()).hexdigest()[:12]

    def lock(self) -> int:
        """Take the folder for this process until it ends; returns the descriptor to keep open.

        Raises StateLockedError.
        """
        descriptor = os.open(self._lock_file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        for attempt in range(_LOCK_ATTEMPTS):
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError as error:
                if attempt == _LOCK_ATTEMPTS - 1:
                    holder = os.pread(descriptor, 32, 0).decode().strip()
                    os.close(descriptor)
                    raise StateLockedError(self.root, holder) from error
                time.sleep(0.02)  # `is_locked` of another process holds it for a moment
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, str(os.getpid()).encode(), 0)
        return descriptor

    def is_locked(self) -> bool:
        """Whether a live server holds the folder. A killed one does not: the kernel drops its lock."""
        if not self._lock_file.exists():
            return False
        with self._lock_file.open("r+b") as stream:
            try:
                fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
        return False

    def write_server(self, info: ServerInfo) -> None:
        """Publish a running server to clients of this user; remember its ports for the next start."""
        partial = self.root / "server.json.partial"
        partial.unlink(missing_ok=True)
        descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
            json.dump(asdict(info), stream)
        partial.replace(self._server_file)
        ports = [info.http_port, info.tls_port, info.studio_port]
        self._ports_file.write_text(json.dumps(ports), encoding="utf-8")

    def remove_server(self) -> None:
        """Say that no server runs any more."""
        self._server_file.unlink(missing_ok=True)

    def running_server(self) -> ServerInfo | None:
        """The live server of this folder, or None."""
        if not self._server_file.exists() or not self.is_locked():
            return None
        try:
            return _server_info(json.loads(self._server_file.read_text(encoding="utf-8")))
        except (FileNotFoundError, ValueError, RecursionError):
            return None

    def choose_web_data(self, folder: Path | None) -> None:
        """Keep which folder holds the data of web addresses, or that there is none."""
        if folder is None:
            self._web_data_file.unlink(missing_ok=True)
        else:
            partial = self._web_data_file.with_suffix(".partial")
            partial.write_text(json.dumps({"folder": str(folder.absolute())}), encoding="utf-8")
            partial.replace(self._web_data_file)

    def web_data(self) -> Path | None:
        """The folder that holds the data of web addresses, or None."""
        try:
            return Path(json.loads(self._web_data_file.read_text(encoding="utf-8"))["folder"])
        except (FileNotFoundError, ValueError, TypeError, KeyError, RecursionError):
            return None

    def deny(self, rules: Mapping[str, str]) -> None:
        """Keep what the server refuses from now on; without rules, nothing."""
        if not rules:
            self._denied_file.unlink(missing_ok=True)
            return
        partial = self._denied_file.with_suffix(".partial")
        partial.write_text(json.dumps({"rules": dict(rules), "since": time.time()}), encoding="utf-8")
        partial.replace(self._denied_file)

    def denied(self) -> tuple[dict[str, str], float]:
        """What the server refuses, and since when (seconds since 1970); nothing where nobody has said so."""
        try:
            document = json.loads(self._denied_file.read_text(encoding="utf-8"))
            return {str(name): str(value) for name, value in document["rules"].items()}, float(document["since"])
        except (FileNotFoundError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
            return {}, 0.0

    def last_ports(self) -> tuple[int, int, int]:
        """Ports of the last server (JSON planes, TLS, studio), so that addresses stay the same; else zeros."""
        try:
            ports = json.loads(self._ports_file.read_text(encoding="utf-8"))
        except (FileNotFoundError, ValueError, RecursionError):
            return 0, 0, 0
        # Earlier versions have written two.
        if not isinstance(ports, list) or len(ports) not in (2, 3) or not all(map(_is_port, ports)):
            return 0, 0, 0
        http_port, tls_port, studio_port = [*ports, 0][:3]
        return http_port, tls_port, studio_port


def _is_port(value: object) -> TypeGuard[int]:
    return type(value) is int and 0 <= value < 1 << 16


def _server_info(document: object) -> ServerInfo | None:
    """Return what server.json says; None where it is not as a server writes it."""
    names = {each.name: each.default is MISSING for each in fields(ServerInfo)}
    required = {name for name, is_required in names.items() if is_required}
    if not isinstance(document, dict) or not required <= set(document) <= set(names):
        return None
    info = ServerInfo(**document)
    valid = all(map(_is_port, (info.http_port, info.tls_port, info.web_port, info.studio_port)))
    valid = valid and isinstance(info.token, str) and isinstance(info.studio_token, str)
    return info if valid and type(info.pid) is int and info.pid > 1 else None
