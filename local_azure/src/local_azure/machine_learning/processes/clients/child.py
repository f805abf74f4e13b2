"""The forked process: decide whether it can be what the shim asks for, and become it."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import sys
import traceback
import types
from dataclasses import dataclass
from typing import NoReturn

from local_azure.machine_learning.processes.clients import takeover
from local_azure.machine_learning.processes.clients.ending import run_to_end
from local_azure.machine_learning.processes.clients.equality import objections
from local_azure.machine_learning.processes.clients.interpreter import Start, start_of
from local_azure.machine_learning.processes.clients.preload import Preloaded, defer
from local_azure.machine_learning.processes.clients.program import Program, compiled, parse, prepare
from local_azure.machine_learning.processes.clients.request import RefusedError, Request, receive
from local_azure.machine_learning.processes.clients.shim import GO, READY
from local_azure.machine_learning.processes.forking.child import end_with_parent

PLAIN = b"P"
RUNNING = b"1"  # to the parent


@dataclass(frozen=True)
class Parent:
    """What a child knows of its parent.

    tell: descriptor to write RUNNING to. server: process number of the server, as text.
    """

    pid: int
    tell: int
    secret: bytes
    server: str
    preloaded: Preloaded


@dataclass(frozen=True)
class _Accepted:
    request: Request
    start: Start
    program: Program
    code: types.CodeType | None


def become(connection: socket.socket, parent: Parent) -> NoReturn:
    """Run the program that is asked for over a connection, or say that a plain start is right; never returns."""
    signal.pthread_sigmask(signal.SIG_SETMASK, signal.valid_signals())  # they wait until the program has its handlers
    try:
        os.setpgid(0, 0)
        end_with_parent()
        if os.getppid() == parent.pid:  # else it died before the kernel was asked
            accepted = _accepted(connection, parent)
            connection.close()
            if accepted is not None:
                _run(accepted, parent)
    except BaseException:
        with contextlib.suppress(BaseException):
            traceback.print_exc()
    finally:
        os._exit(1)


def _accepted(connection: socket.socket, parent: Parent) -> _Accepted | None:
    """What is to run, once the shim has said so."""
    try:
        request = receive(connection, parent.secret)
        accepted = _judged(request, parent)
        connection.send(READY)
    except (RefusedError, OSError, SyntaxError, ValueError) as error:
        os.write(2, f"plain start: {error}\n".encode(errors="replace"))
        with contextlib.suppress(OSError):
            connection.send(PLAIN)
        return None
    connection.settimeout(None)
    return accepted if request.kind == "run" and connection.recv(1) == GO else None


def _judged(request: Request, parent: Parent) -> _Accepted:
    """The program of a request; raises RefusedError, OSError, SyntaxError or ValueError: start it plainly."""
    os.fchdir(request.directory)
    start = start_of(request.interpreter, parent.preloaded.path)
    program = parse(request.arguments)
    against = next(objections(request, parent.preloaded, start, program), "")
    if request.kind not in ("run", f"check {parent.server}"):
        against = "the parent belongs to another server"
    if against or start is None or program is None:
        raise RefusedError(against)
    takeover.limits(request)
    return _Accepted(request, start, program, compiled(program))


def _run(accepted: _Accepted, parent: Parent) -> NoReturn:
    request, program, code = accepted.request, accepted.program, accepted.code
    os.write(parent.tell, RUNNING)
    os.close(parent.tell)
    takeover.process(request)
    prepare(program, accepted.start, request.arguments, request.variable("PYTHONPATH"))
    takeover.interpreter(unbuffered=program.unbuffered or bool(request.variable("PYTHONUNBUFFERED")))
    defer(parent.preloaded.settings)
    for name in parent.preloaded.own:
        sys.modules.pop(name, None)
    takeover.mask(request)
    run_to_end(program, code, parent.preloaded.modules)
