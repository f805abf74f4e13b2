"""Listening sockets on the loopback address: of the server itself and of its web services."""

from __future__ import annotations

import socket

LOOPBACK = "127.0.0.1"


def listen(ports: tuple[int, ...], backlog: int) -> socket.socket | None:
    """A listening socket on the first of some ports that is free (0: any), or None.

    Made with IPPROTO_TCP, otherwise asyncio does not set TCP_NODELAY on what it accepts and each answer waits 40 ms.
    """
    for port in ports:
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((LOOPBACK, port))
        except OSError:
            listener.close()
            continue
        listener.listen(backlog)
        return listener
    return None
