"""Placeholder of the executor until its author lands it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from local_azure.machine_learning.emulator import Emulator


class Executor:
    """Walks submitted graphs and runs their steps."""

    def __init__(self, emulator: Emulator) -> None:
        self._emulator = emulator

    async def start(self) -> None:
        """Recover what a killed server left and make ready."""

    async def stop(self) -> None:
        """End running steps."""
