"""`exec` as people use it: Ctrl-C, two commands at once, a server that is just going, a broken store."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO

import pytest

from local_azure.cli import lifecycle
from local_azure.machine_learning.storage.state import StateFolder

TIDY = """
import pathlib, signal, sys, time
def tidy(number, _):
    print("tidying", flush=True)
    time.sleep(1)  # longer than subprocess.run gives a command after Ctrl-C
    print("tidied", flush=True)
    sys.exit(40 + number)
signal.signal(signal.SIGINT, tidy)
signal.signal(signal.SIGTERM, tidy)
print("ready", flush=True)
signal.pause()
"""


@pytest.fixture
def own(tmp_path: Path) -> Iterator[StateFolder]:
    """A state folder for this test alone."""
    state = StateFolder(tmp_path / "own")
    yield state
    lifecycle.stop(state)


def start(state: StateFolder, folder: Path, *words: str) -> subprocess.Popen[str]:
    """`exec WORDS` in a process group of its own, as a shell starts it."""
    command = [sys.executable, "-m", "local_azure", "--state", str(state.root), "exec", *words]
    return subprocess.Popen(
        command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )


def line(stream: IO[str] | None) -> str:
    """The next line of a stream."""
    assert stream
    return stream.readline().strip()


@pytest.mark.parametrize("number, whole_group", [(signal.SIGINT, True), (signal.SIGTERM, False)])
def test_a_command_ends_in_its_own_time(own: StateFolder, tmp_path: Path, number: int, whole_group: bool) -> None:
    with start(own, tmp_path, "--down", "--", sys.executable, "-c", TIDY) as process:
        assert line(process.stdout) == "ready"
        (os.killpg if whole_group else os.kill)(process.pid, number)
        out, err = process.communicate(timeout=30)
    assert out.splitlines() == ["tidying", "tidied"], err
    assert process.returncode == 40 + number
    assert not own.is_locked(), "the server is stopped too"


def test_who_started_the_server_stops_it_after_the_others(own: StateFolder, tmp_path: Path) -> None:
    wait = "import sys; print('ready', flush=True); sys.stdin.readline(); print('served', flush=True)"
    with start(own, tmp_path, "--down", "--", sys.executable, "-c", TIDY) as first:
        assert line(first.stdout) == "ready"
        command = [sys.executable, "-m", "local_azure", "--state", str(own.root), "exec", "--down", "--"]
        with subprocess.Popen(
            [*command, sys.executable, "-c", wait],
            cwd=tmp_path,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        ) as second:
            assert line(second.stdout) == "ready"
            os.killpg(first.pid, signal.SIGINT)
            while "another command still uses the server" not in (said := line(first.stderr)):
                assert said, "it waits and says so"
            assert own.running_server()
            out, _ = second.communicate("\n", timeout=30)
        assert (out, second.returncode) == ("served\n", 0)
        first.communicate(timeout=30)
    assert not own.is_locked()


GOING = """
import os, sys
from pathlib import Path
from local_azure.machine_learning.storage.state import ServerInfo, StateFolder
state = StateFolder(Path(sys.argv[1]))
state.create()
state.lock()
state.write_server(ServerInfo(os.getpid(), 1, 1, "token"))  # nobody listens there any more
print("going", flush=True)
sys.stdin.readline()
"""


def test_a_server_that_is_going_is_waited_for(own: StateFolder) -> None:
    command = [sys.executable, "-c", GOING, str(own.root)]
    with (
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as going,
        ThreadPoolExecutor() as threads,
    ):
        assert line(going.stdout) == "going"
        asked = threads.submit(lifecycle.ensure, own)
        going.communicate("\n")
        info, started = asked.result(timeout=60)
    assert started
    assert info.pid != going.pid


def test_ctrl_c_during_the_start_leaves_no_server(own: StateFolder, tmp_path: Path) -> None:
    # The command lasts, so that the server is not being stopped already when Ctrl-C comes.
    with start(own, tmp_path, "--down", "--", "sleep", "60") as process:
        while not own.is_locked():
            assert process.poll() is None
            time.sleep(0.02)  # to look takes the lock for a moment, and a server that finds it taken does not start
        os.killpg(process.pid, signal.SIGINT)
        process.communicate(timeout=30)
    assert not own.is_locked()


def test_a_broken_store_is_named_with_what_to_do(own: StateFolder, tmp_path: Path) -> None:
    lifecycle.start(own)
    lifecycle.stop(own)
    own.database.write_bytes(b"not a database at all" * 400)
    with start(own, tmp_path, "--", "true") as process:
        _, err = process.communicate(timeout=30)
    assert process.returncode == 2
    assert f"The database {own.database} cannot be read" in err
    assert f"Move {own.root} away" in err
    assert " INFO " not in err, "nothing of earlier starts"
