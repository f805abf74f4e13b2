"""One server with a preloaded parent for all tests of it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from client_machine import Machine, prepare  # type: ignore[import-not-found]

from local_azure.cli import lifecycle
from local_azure.machine_learning.processes.clients.client import ClientProcesses
from local_azure.machine_learning.storage.state import StateFolder


@pytest.fixture(scope="session")
def clients_state(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StateFolder]:
    """The state folder of a server that these tests share; its path is too long for the address of a socket."""
    state = StateFolder(tmp_path_factory.mktemp("clients") / ("long" * 20) / "state")
    lifecycle.start(state)
    yield state
    lifecycle.stop(state)
    assert not ClientProcesses(state.client_processes).runs()


@pytest.fixture(scope="session")
def shared_machine(clients_state: StateFolder, tmp_path_factory: pytest.TempPathFactory) -> Machine:
    """One for all tests that leave it as it is."""
    variables = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    return prepare(clients_state, tmp_path_factory.mktemp("work"), variables)


@pytest.fixture
def machine(shared_machine: Machine, tmp_path: Path) -> Machine:
    """The shared one, with an empty working directory."""
    return replace(shared_machine, folder=tmp_path)
