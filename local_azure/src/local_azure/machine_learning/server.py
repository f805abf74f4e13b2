"""The server process: two loopback listeners (plain and TLS) around one application.

python -m local_azure.machine_learning.server --state DIR [--http-port N] [--tls-port N] [--ready-fd N]
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import logging
import os
import secrets
import shutil
import signal
import socket
import sqlite3
import sys
from collections.abc import Iterator
from pathlib import Path

import uvicorn

from local_azure.machine_learning.emulator import Emulator
from local_azure.machine_learning.errors import ApiError
from local_azure.machine_learning.http.app import Access, Application
from local_azure.machine_learning.http.guard import Guard, PatientProtocol
from local_azure.machine_learning.loopback import LOOPBACK, listen
from local_azure.machine_learning.planes import PLANES
from local_azure.machine_learning.storage.certificates import server_context
from local_azure.machine_learning.storage.migrations import StoreTooNewError
from local_azure.machine_learning.storage.state import ServerInfo, StateFolder, StateLockedError

BACKLOG = 512
EXIT_CONFLICT = 4
EXIT_USAGE = 2
SPEED_VARIABLE = "LOCAL_AZURE_SCHEDULE_SPEED"
MOST_SPEED = 10_000


def _speed(text: str) -> float:
    speed = float(text)
    if not 0 < speed <= MOST_SPEED:
        raise argparse.ArgumentTypeError(f"{text} is not a speed above 0 and up to {MOST_SPEED}")
    return speed


class _Listener(uvicorn.Server):
    """uvicorn without its own signal handlers: there are two listeners and one process."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def _bind(port: int, remembered: int) -> socket.socket:
    """On the given port, else on the one of the last start, else on any free one."""
    listener = listen((port,) if port else (remembered, 0), BACKLOG)
    if listener is None:
        raise SystemExit(f"Port {port} on {LOOPBACK} is taken; choose another one or none.")
    return listener


def _configuration(app: Guard, **more: object) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        http=PatientProtocol,
        ws="none",
        log_config=None,
        access_log=False,
        lifespan="off",
        timeout_keep_alive=120,
        timeout_graceful_shutdown=2,
        server_header=False,
        **more,  # type: ignore[arg-type]
    )


async def _serve(
    state: StateFolder, http: socket.socket, tls: socket.socket, ready_fd: int | None, schedule_speed: float
) -> None:
    info = ServerInfo(os.getpid(), http.getsockname()[1], tls.getsockname()[1], secrets.token_hex(32))
    emulator = Emulator(state, info, schedule_speed)
    routes = [route for plane in PLANES for route in plane.routes]
    access = Access(emulator.tokens, emulator.workspaces, info.token)
    app = Guard(Application(routes, emulator.provided(), access, state.root))
    plain = _Listener(_configuration(app))
    secure_config = _configuration(app)
    secure_config.load()
    secure_config.ssl = server_context(state.certificates)
    secure = _Listener(secure_config)

    def stop() -> None:
        plain.should_exit = secure.should_exit = True

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
    await emulator.start()
    state.write_server(info)
    if ready_fd is not None:
        os.write(ready_fd, b"ready")
        os.close(ready_fd)
    try:
        await asyncio.gather(plain.serve(sockets=[http]), secure.serve(sockets=[tls]))
    finally:
        state.remove_server()
        await emulator.stop()


def main(argv: list[str] | None = None) -> int:
    """Run until SIGTERM or SIGINT. Exit codes: 0 stopped, 2 unusable state folder, 4 folder in use."""
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
    arguments = parser.parse_args(argv)
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    os.umask(0o077)
    state = StateFolder(arguments.state.absolute())
    try:
        state.create()
        state.lock()
        shutil.rmtree(state.client_configurations, ignore_errors=True)
        remembered = state.last_ports()
        http = _bind(arguments.http_port, remembered[0])
        tls = _bind(arguments.tls_port, remembered[1])
        asyncio.run(_serve(state, http, tls, arguments.ready_fd, arguments.schedule_speed))
    except StateLockedError as error:
        sys.stderr.write(f"{error} Stop it with `python -m local_azure down`, or use another folder.\n")
        return EXIT_CONFLICT
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
