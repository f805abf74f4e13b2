"""What the shim asks for: a command line with everything that a plain start would inherit."""

from __future__ import annotations

import os
import secrets
import socket
import struct
from dataclasses import dataclass, field

from local_azure.machine_learning.processes.clients.shim import MOST_DESCRIPTORS

REQUEST_SECONDS = 5.0
_MOST_BYTES = 16 * 1024 * 1024
_HEADER_BYTES = 8
_CREDENTIALS = struct.Struct("3i")  # process, user, group


class RefusedError(Exception):
    """The request is not one of this user's programs, or is not a request."""


@dataclass(frozen=True)
class Request:
    """One start of a program.

    kind: "run", or "check SERVER": would it run, and does the parent belong to this server?
    status, limits: /proc/self/status and /proc/self/limits of the shim. passed: the received descriptors, by the
    number that the program is to see.
    """

    kind: str
    interpreter: str
    status: dict[str, str]
    limits: dict[str, tuple[str, str]]
    priority: int
    arguments: list[str]
    environment: dict[bytes, bytes] = field(repr=False)
    directory: int
    passed: dict[int, int]

    def variable(self, name: str) -> str | None:
        """A variable of the program's environment."""
        value = self.environment.get(os.fsencode(name))
        return None if value is None else os.fsdecode(value)


def receive(connection: socket.socket, secret: bytes) -> Request:
    """Read one request; raises RefusedError or OSError."""
    connection.settimeout(REQUEST_SECONDS)
    size = _CREDENTIALS.size
    _, user, _ = _CREDENTIALS.unpack(connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size))
    if user != os.geteuid():
        raise RefusedError("it comes from another user")
    data, descriptors, _, _ = socket.recv_fds(connection, 1 << 16, MOST_DESCRIPTORS + 1)
    length = int.from_bytes(data[:_HEADER_BYTES], "big")
    if length > _MOST_BYTES:
        raise RefusedError("it is too long")
    while len(data) < _HEADER_BYTES + length:
        more = connection.recv(1 << 16)
        if not more:
            raise RefusedError("it ends too early")
        data += more
    items = data[_HEADER_BYTES:].split(b"\0")
    if not secrets.compare_digest(items[0], secret):
        raise RefusedError("its secret is not ours")
    return _parse(items, descriptors)


def _parse(items: list[bytes], descriptors: list[int]) -> Request:
    _, kind, interpreter, status, limits, priority, numbers, count = items[:8]
    arguments, environment = items[8 : 8 + int(count)], items[8 + int(count) :]
    pairs = (item.partition(b"=") for item in environment)
    targets = [int(number) for number in numbers.split()]
    return Request(
        kind=kind.decode(),
        interpreter=os.fsdecode(interpreter),
        status=parse_status(status.decode()),
        limits=parse_limits(limits.decode()),
        priority=int(priority),
        arguments=[os.fsdecode(argument) for argument in arguments],
        environment={name: value for name, _, value in pairs},
        directory=descriptors[0],
        passed=dict(zip(targets, descriptors[1:], strict=True)),
    )


def parse_status(text: str) -> dict[str, str]:
    """Values of /proc/PID/status by name."""
    parts = [line.partition(":") for line in text.splitlines()]
    return {name: value.strip() for name, _, value in parts}


def parse_limits(text: str) -> dict[str, tuple[str, str]]:
    """Soft and hard limits of /proc/PID/limits by name."""
    lines = text.splitlines()[1:]  # fixed columns of 26, 21 and 21 characters
    return {line[:26].strip(): (line[26:47].strip(), line[47:68].strip()) for line in lines}
