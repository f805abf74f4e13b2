"""The server process: makes every object that it consists of, and runs it on two loopback listeners (plain and TLS).

python -m local_azure.machine_learning.server --state DIR [--http-port N] [--tls-port N] [--preload WHEN]
    [--ready-fd N]
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import secrets
import shutil
import signal
import socket
import sqlite3
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Protocol

from starlette.types import Receive, Scope, Send

from local_azure.machine_learning.domain.access import denials
from local_azure.machine_learning.domain.access.addresses import Addresses, SignedAddresses
from local_azure.machine_learning.domain.access.sign_in import SignInSecrets
from local_azure.machine_learning.domain.access.signatures import Signatures
from local_azure.machine_learning.domain.access.tokens import Tokens
from local_azure.machine_learning.domain.access.web_proxy import user_info, web_variables
from local_azure.machine_learning.domain.workspace.coordinates import (
    PRODUCTION_NAME,
    RESOURCE_GROUP,
    SUBSCRIPTION,
    WORKSPACE_NAME,
)
from local_azure.machine_learning.domain.workspace.redaction import Redactor
from local_azure.machine_learning.domain.workspace.workspaces import Workspaces
from local_azure.machine_learning.engines.schedules.scheduler import Scheduler
from local_azure.machine_learning.engines.services.host import ServiceHost
from local_azure.machine_learning.engines.steps.executor import Executor
from local_azure.machine_learning.engines.steps.job import Job
from local_azure.machine_learning.engines.steps.launcher import Launcher, base_variables
from local_azure.machine_learning.errors import ApiError
from local_azure.machine_learning.http.access import AccessControl
from local_azure.machine_learning.http.app import Application
from local_azure.machine_learning.http.listeners import Listeners, Sockets, WebAccess
from local_azure.machine_learning.loopback import LOOPBACK, listen
from local_azure.machine_learning.planes.table import ROUTES
from local_azure.machine_learning.processes.forking import QUIET_SECONDS
from local_azure.machine_learning.processes.forking.orphans import adopt_orphans
from local_azure.machine_learning.storage.certificates import host_contexts, server_context
from local_azure.machine_learning.storage.files import BlobFiles
from local_azure.machine_learning.storage.lost_store import StoreLostError, refuse_lost_store
from local_azure.machine_learning.storage.migrations import StoreTooNewError
from local_azure.machine_learning.storage.server_log import ServerLog
from local_azure.machine_learning.storage.state import ServerInfo, StateFolder, StateLockedError
from local_azure.machine_learning.storage.store import Store
from local_azure.machine_learning.storage.web_files import WebFiles

BACKLOG = 512
EXIT_CONFLICT = 4
EXIT_USAGE = 2
SPEED_VARIABLE = "LOCAL_AZURE_SCHEDULE_SPEED"
MOST_SPEED = 10_000
PRELOAD_VARIABLE = "LOCAL_AZURE_PRELOAD"
AT_START, WHEN_NEEDED = "at-start", "when-needed"
PRELOADED_QUIET_SECONDS = 1.0  # a command that has just started the server submits its steps sooner than that


class _Engine(Protocol):
    """What works in the background while the server answers."""

    async def start(self) -> None: ...

    async def stop(self) -> None: ...


class Studio(Protocol):
    """Pages for browsers, on a port of their own."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None: ...

    def stop(self) -> None:
        """Called when the server begins to stop: answers that would go on end now."""


@dataclass(frozen=True)
class Parts:
    """What the studio reads and acts through: the objects that handlers of the planes use."""

    info: ServerInfo
    state: StateFolder
    store: Store
    files: BlobFiles
    workspaces: Workspaces
    redactor: Redactor
    executor: Executor
    scheduler: Scheduler
    host: ServiceHost


MakeStudio = Callable[[Parts], Studio]


@dataclass(frozen=True)
class _Server:
    """The objects that make a server."""

    app: Application
    engines: list[_Engine]
    parts: Parts


@dataclass(frozen=True)
class _Settings:
    """What the command line says."""

    state: StateFolder
    http_port: int
    tls_port: int
    ready_fd: int | None
    schedule_speed: float
    preload_at_start: bool


def _open_store(state: StateFolder) -> Store:
    """The database, with the workspaces that every server has. It writes, so it comes before the event loop."""
    store = Store(state.database)
    workspaces = Workspaces(store)
    for name in (WORKSPACE_NAME, PRODUCTION_NAME):
        workspaces.ensure(SUBSCRIPTION, RESOURCE_GROUP, name)
    return store


def _compose(settings: _Settings, store: Store, info: ServerInfo) -> _Server:
    """Make every object of the server and give each what it uses."""
    state = settings.state
    addresses = Addresses(info.http_port, info.tls_port, info.studio_port)
    files, tokens, signatures = BlobFiles(state.blobs, WebFiles(state.web_data)), Tokens(), Signatures()
    workspaces, sign_in = Workspaces(store), SignInSecrets(info.token)
    redactor = Redactor(store, workspaces, info.token, user_info(info.token).partition(":")[2], info.studio_token)
    quiet = PRELOADED_QUIET_SECONDS if settings.preload_at_start else QUIET_SECONDS
    web = partial(_web_variables_of_steps, state, info)
    launcher = Launcher(base_variables(state, addresses), web, quiet_at_start=quiet)
    executor = Executor(
        store=store,
        files=files,
        workspaces=workspaces,
        redactor=redactor,
        addresses=addresses,
        launcher=launcher,
        make_job=partial(
            Job,
            store=store,
            files=files,
            redactor=redactor,
            tokens=tokens,
            sign_in=sign_in,
            addresses=addresses,
            launcher=launcher,
            work=state.work,
        ),
        work=state.work,
    )
    scheduler = Scheduler(store, files, workspaces, executor.submit, speed=settings.schedule_speed)
    host = ServiceHost(store, files, workspaces, redactor, state.services)
    provided = [store, files, workspaces, redactor, executor, scheduler, host]
    denied = denials.Denials(lambda: denials.Given(*state.denied()))
    provided += [tokens, sign_in, signatures, addresses, SignedAddresses(addresses, signatures), denied]
    access = AccessControl(tokens, workspaces, denied)
    app = Application(ROUTES, provided, access, start_token=info.token, state_folder=state.root)
    parts = Parts(info, state, store, files, workspaces, redactor, executor, scheduler, host)
    return _Server(app, [executor, host, scheduler], parts)


def _web_variables_of_steps(state: StateFolder, info: ServerInfo) -> dict[str, str]:
    return web_variables(info.web_port, user_info(info.token), {}, with_files=state.web_data() is not None)


async def _serve(settings: _Settings, store: Store, sockets: Sockets, make_studio: MakeStudio | None) -> None:
    state = settings.state
    ports = [bound.getsockname()[1] for bound in (sockets.http, sockets.tls, sockets.web, sockets.studio)]
    studio_port = ports[3] if make_studio else 0
    token, studio_token = secrets.token_hex(32), secrets.token_hex(32) if make_studio else ""
    info = ServerInfo(os.getpid(), ports[0], ports[1], token, ports[2], studio_port, studio_token)
    server = _compose(settings, store, info)
    studio = make_studio(server.parts) if make_studio else None
    context = server_context(state.certificates)
    web = WebAccess(WebFiles(state.web_data), user_info(info.token), host_contexts(state.certificates))
    listeners = Listeners(server.app, sockets, context, web, studio)
    stop_all = [listeners.stop, *([studio.stop] if studio else [])]
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, lambda: [stop() for stop in stop_all])
    for engine in server.engines:  # each first sets right what a killed server left behind
        await engine.start()
    state.write_server(info)
    if settings.ready_fd is not None:
        os.write(settings.ready_fd, b"ready")
        os.close(settings.ready_fd)
    if settings.preload_at_start:  # only now: its imports would keep a core from the server's own start
        server.parts.executor.prepare()
    try:
        await listeners.serve()
    finally:
        state.remove_server()
        for engine in reversed(server.engines):
            await engine.stop()
        store.close()


def _bind(port: int, remembered: int) -> socket.socket:
    """On the given port, else on the one of the last start, else on any free one."""
    listener = listen((port,) if port else (remembered, 0), BACKLOG)
    if listener is None:
        raise SystemExit(f"Port {port} on {LOOPBACK} is taken; choose another one or none.")
    return listener


def _run(settings: _Settings, make_studio: MakeStudio | None) -> None:
    """Take the state folder and serve until SIGTERM or SIGINT."""
    state = settings.state
    state.create()
    state.lock()
    adopt_orphans()
    refuse_lost_store(state)
    shutil.rmtree(state.client_configurations, ignore_errors=True)
    state.choose_web_data(None)  # that of an earlier start
    state.deny({})
    remembered = state.last_ports()
    sockets = Sockets(
        http=_bind(settings.http_port, remembered[0]),
        tls=_bind(settings.tls_port, remembered[1]),
        web=_bind(0, 0),
        studio=_bind(0, remembered[2]),
    )
    asyncio.run(_serve(settings, _open_store(state), sockets, make_studio))


def _speed(text: str) -> float:
    speed = float(text)
    if not 0 < speed <= MOST_SPEED:
        raise argparse.ArgumentTypeError(f"{text} is not a speed above 0 and up to {MOST_SPEED}")
    return speed


def _preload_at_start(text: str) -> bool:
    if text not in (AT_START, WHEN_NEEDED):
        raise argparse.ArgumentTypeError(f"{text} is neither {AT_START} nor {WHEN_NEEDED}")
    return text == AT_START


def _settings(argv: list[str] | None) -> _Settings:
    parser = argparse.ArgumentParser(description="Serve the Azure ML planes on loopback.")
    parser.add_argument("--state", type=Path, required=True, help="folder for everything that the server keeps")
    parser.add_argument("--http-port", type=int, default=0, help="0: the last one used, or any free one")
    parser.add_argument("--tls-port", type=int, default=0, help="0: the last one used, or any free one")
    parser.add_argument("--ready-fd", type=int, help="descriptor to write to when the server answers")
    parser.add_argument(
        "--schedule-speed",
        type=_speed,
        default=os.environ.get(SPEED_VARIABLE, "1"),
        help=f"how much faster than the clock schedules run, for rehearsals (default: ${SPEED_VARIABLE}, else 1)",
    )
    parser.add_argument(
        "--preload",
        type=_preload_at_start,
        default=os.environ.get(PRELOAD_VARIABLE, AT_START),
        metavar=f"{{{AT_START},{WHEN_NEEDED}}}",
        help=f"import what steps need as soon as the server answers, or when the first client opens a workspace "
        f"(default: ${PRELOAD_VARIABLE}, else {AT_START})",
    )
    given = parser.parse_args(argv)
    state = StateFolder(given.state.absolute())
    return _Settings(state, given.http_port, given.tls_port, given.ready_fd, given.schedule_speed, given.preload)


def main(argv: list[str] | None = None, make_studio: MakeStudio | None = None) -> int:
    """Run until SIGTERM or SIGINT. Exit codes: 0 stopped, 2 unusable state folder, 4 folder in use.

    make_studio: makes the pages for browsers; this package serves its planes without it too.
    """
    settings = _settings(argv)
    state = settings.state
    os.umask(0o077)
    log = ServerLog(state.server_log)
    log.rotate()
    logging.basicConfig(handlers=[log], level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    try:
        _run(settings, make_studio)
    except StateLockedError as error:
        sys.stderr.write(f"{error} Stop it with `python -m local_azure down`, or use another folder.\n")
        return EXIT_CONFLICT
    except StoreLostError as error:
        sys.stderr.write(f"{error}\n")
        return EXIT_USAGE
    except sqlite3.DatabaseError as error:
        todo = f"Move {state.root} away to start with an empty one, or bring its {state.database.name} back."
        sys.stderr.write(f"The database {state.database} cannot be read: {error}. {todo}\n")
        return EXIT_USAGE
    except (StoreTooNewError, OSError, ApiError) as error:
        sys.stderr.write(f"The state folder {state.root} cannot be used: {error}\n")
        return EXIT_USAGE
    return 0


if __name__ == "__main__":
    sys.exit(main())
