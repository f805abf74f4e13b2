"""Placeholder of the service host until its author lands it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from local_azure.machine_learning.emulator import Emulator


class ServiceHost:
    """Starts, watches and stops the processes of web services."""

    def __init__(self, emulator: Emulator) -> None:
        self._emulator = emulator

    async def start(self) -> None:
        """Bring back the services of an earlier server."""

    async def stop(self) -> None:
        """Stop the processes; the services themselves stay registered."""
