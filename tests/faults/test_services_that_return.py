"""Web services that come back with their server under bad luck: processes that die once more, disks without room."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from local_azure.machine_learning.loopback import listen
from local_azure.machine_learning.storage.state import StateFolder
from tests.faults.conftest import RETURN_SECONDS, Deployed
from tests.faults.fault_server import Machine, await_true, children, command_line, gone

ATTEMPTS = 4  # a start and three times again
SERVER = [sys.executable, "-m", "local_azure.machine_learning.server", "--state"]


def home(deployed: Deployed) -> Path:
    """The home of the processes of a service."""
    return next(deployed.machine.state.services.glob("*/inside/home"))


def will_die(deployed: Deployed, times: int) -> None:
    """Let the next processes of a service die while they come up."""
    (home(deployed) / "dies").write_text(str(times))


def parent_of_services(machine: Machine) -> int | None:
    """The process that services are forked from."""
    return next((child for child in children(machine.info.pid) if "gunicorn" in command_line(child)), None)


@pytest.mark.campaign
def test_a_service_that_dies_while_it_is_brought_back_is_started_again(deployed: Deployed) -> None:
    deployed.machine.kill()
    will_die(deployed, ATTEMPTS - 1)
    deployed.machine.start()
    dies = home(deployed) / "dies"
    await_true(
        lambda: dies.read_text() == "0", "the last death", RETURN_SECONDS
    )  # before it, an answer is the old one's
    assert deployed.returned()
    deployed.machine.kill()
    deployed.machine.start()
    assert deployed.returned(), "also with the next server"


def test_a_service_keeps_its_port_though_a_leftover_of_the_killed_server_holds_it_for_a_while(
    deployed: Deployed,
) -> None:
    address = deployed.address
    deployed.machine.kill()
    port = int(urlsplit(address).port or 0)
    leftover = await_true(lambda: listen((port,), 1), "the end of the killed server's processes")
    deployed.machine.start()
    leftover.close()
    assert deployed.returned()
    assert deployed.address == address


def test_a_service_that_keeps_dying_while_it_is_brought_back_has_failed(deployed: Deployed) -> None:
    deployed.machine.kill()
    will_die(deployed, 100)
    deployed.machine.start()
    await_true(lambda: deployed.document()["state"] == "Failed", "the end", RETURN_SECONDS)
    assert "crashed (signal 9)" in deployed.document()["error"]["message"]
    assert (home(deployed) / "dies").read_text() == str(100 - ATTEMPTS)


@pytest.mark.campaign
def test_a_killed_parent_counts_against_no_service(deployed: Deployed) -> None:
    for _ in range(ATTEMPTS + 1):
        parent, worker = (
            await_true(lambda: parent_of_services(deployed.machine), "the parent"),
            int(deployed.ask("pid")),
        )
        os.kill(parent, signal.SIGKILL)
        assert gone(worker)
        assert deployed.returned()


# --- no room


@contextmanager
def small_disk(state: StateFolder, free: int) -> Iterator[Machine]:
    """A server on a copy of a state folder in memory, on which a ballast leaves only so many bytes free."""
    if os.geteuid() != 0 or subprocess.run(["unshare", "-m", "true"], capture_output=True, check=False).returncode:
        pytest.skip("only root can mount something")
    disk = state.root.with_name("disk")
    disk.mkdir()
    script = (
        'mount -t tmpfs -o size=64m none "$DISK" && cp -a "$STATE/." "$DISK" && mount --bind "$DISK" "$STATE" && '
        'left=$(df --output=avail -B1 "$STATE" | tail -1) && '
        'head -c $((left - FREE)) /dev/zero > "$STATE/ballast" && '
        'exec "$@"'
    )
    words = ["unshare", "-m", "sh", "-c", script, "sh", *SERVER, str(state.root)]
    variables = {**os.environ, "DISK": str(disk), "STATE": str(state.root), "FREE": str(free)}
    log = state.root.with_name("log")
    with log.open("wb") as stream, subprocess.Popen(words, env=variables, stderr=stream) as process:
        machine = Machine(Path(f"/proc/{process.pid}/root{state.root}"))
        try:
            machine.info = await_true(machine.state.running_server, "the server")
            await_true(machine.sign_in, "an answer")
            yield machine
        finally:
            process.terminate()


@pytest.mark.slow
@pytest.mark.parametrize("free", [pytest.param(80 * 1024, marks=pytest.mark.campaign), 350 * 1024])
def test_a_service_that_has_no_room_returns_when_there_is_some(deployed: Deployed, free: int) -> None:
    deployed.machine.stop()
    for release in home(deployed).parent.glob("app-*"):
        shutil.rmtree(release)
    log = deployed.machine.state.root.with_name("log")
    with small_disk(deployed.machine.state, free) as machine:
        there = Deployed(machine, deployed.key)
        await_true(lambda: there.document()["state"] == "Transitioning", "a word about it")
        assert "no room for the web service 'inside'" in there.document()["error"]["message"]
        assert "the web service inside waits: There is no room" in log.read_text()
        (machine.state.root / "ballast").unlink()
        assert there.returned()
        assert there.document()["error"] is None
        assert "never retrieved" not in log.read_text()
    deployed.machine.start()
    assert deployed.returned()
