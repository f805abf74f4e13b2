"""Web services whose processes are killed: back at the same address with the same keys, leaving nothing behind."""

from __future__ import annotations

import os
import signal

import pytest

from tests.faults.conftest import Deployed
from tests.faults.fault_server import await_true, children, command_line, gone


@pytest.mark.slow
def test_a_killed_service_comes_back(deployed: Deployed) -> None:
    machine, ask = deployed.machine, deployed.ask
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
    assert deployed.document()["state"] == "Healthy"
    left, worker = int(ask("leave")), int(ask("pid"))
    machine.kill()
    assert gone(worker)
    assert gone(left)
    machine.start()
    await_true(lambda: ask("{}") == 2.0, "the service after a restart of the server")
    assert deployed.document()["state"] == "Healthy"
