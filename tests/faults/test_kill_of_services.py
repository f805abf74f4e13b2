"""Web services whose processes are killed: back at the same address with the same keys, leaving nothing behind."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import requests

from local_azure.cli.client_environment import ensure_config_file
from tests.faults.conftest import HERE, sdk
from tests.faults.fault_server import Machine, await_true, children, command_line, gone, scope

Ask = Callable[[str], Any]


@pytest.fixture
def ask(machine: Machine, tmp_path: Path) -> Ask:
    """Deploys a service; asks it with its key, None while it does not answer."""
    ensure_config_file(tmp_path)
    printed = sdk(machine, tmp_path, str(HERE / "deploy_faults.py"))
    facts = json.loads(printed.partition("RESULT")[2])
    headers = {"Authorization": f"Bearer {facts['key']}"}

    def call(text: str) -> Any:
        with suppress(requests.RequestException):
            answer = requests.post(facts["address"], text, headers=headers, timeout=20)
            return answer.json() if answer.status_code == 200 else None
        return None

    return call


def state(machine: Machine) -> str:
    """How the service stands."""
    return str(machine.get(f"/modelmanagement/v1.0{scope()}/services/inside")["state"])


@pytest.mark.slow
def test_a_killed_service_comes_back(machine: Machine, ask: Ask) -> None:
    worker, left = int(ask("pid")), int(ask("leave"))
    os.kill(worker, signal.SIGKILL)
    await_true(lambda: ask("{}") == 2.0, "a new worker")
    parent = next(child for child in children(machine.info.pid) if "gunicorn" in command_line(child))
    arbiter = children(parent)[0]
    os.kill(arbiter, signal.SIGKILL)
    await_true(lambda: ask("{}") == 2.0, "a new service process")
    assert gone(left), "what the killed one had started"
    left, worker = int(ask("leave")), int(ask("pid"))
    os.kill(parent, signal.SIGKILL)
    assert gone(worker)
    await_true(lambda: ask("{}") == 2.0, "a service under a new parent")
    assert gone(left)
    assert state(machine) == "Healthy"
    left, worker = int(ask("leave")), int(ask("pid"))
    machine.kill()
    assert gone(worker)
    assert gone(left)
    machine.start()
    await_true(lambda: ask("{}") == 2.0, "the service after a restart of the server")
    assert state(machine) == "Healthy"
