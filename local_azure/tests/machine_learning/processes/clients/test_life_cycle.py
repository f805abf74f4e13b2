"""Parent, programs and server end when they should, however they are ended, and leave nothing."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from client_machine import PRELUDE, Machine, prepare  # type: ignore[import-not-found]

from local_azure.cli import lifecycle
from local_azure.machine_learning.storage.state import StateFolder

WAIT = PRELUDE + (
    "import subprocess, sys, time\nchild = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\n"
    "print(os.getpid(), child.pid, flush=True)\nsys.stdin.readline()\nchild.kill()\nprint('served')"
)
ASK = "import os, sys; print(os.getppid(), 'azureml.core' in sys.modules, sys.argv[1:]); sys.exit(7)"


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Machine]:
    """A server and parent of a test's own."""
    state = StateFolder(tmp_path / "state")
    lifecycle.start(state)
    yield prepare(state, tmp_path, dict(os.environ))
    lifecycle.stop(state)


def gone(*pids: int) -> None:
    """Wait until processes have ended."""
    for pid in pids:
        try:
            descriptor = os.pidfd_open(pid)
        except ProcessLookupError:
            continue
        with os.fdopen(descriptor):
            assert select.select([descriptor], [], [], 10)[0], f"process {pid} lives on"


@contextmanager
def waiting(machine: Machine) -> Iterator[tuple[subprocess.Popen[bytes], int, int]]:
    """A program that waits for a line, with a child: its process, its number, the child's."""
    with machine.start(["-c", WAIT], stdin=subprocess.PIPE, variables={"REPORT": "2"}) as process:
        assert process.stdout
        program, child = map(int, process.stdout.readline().split())
        yield process, program, child


def test_a_killed_shim_takes_the_program_and_its_children_with_it(machine: Machine) -> None:
    with waiting(machine) as (process, program, child):
        process.kill()
        process.communicate(timeout=10)
        gone(program, child)
    assert machine.run(["-c", PRELUDE]).parent == machine.parent, "the parent goes on"


def test_a_killed_parent_takes_its_programs_with_it(own: Machine) -> None:
    with waiting(own) as (process, program, child):
        os.kill(own.parent, signal.SIGKILL)
        gone(program)
        os.kill(child, signal.SIGKILL)  # a child of a plainly started program would live on as well
        _, err = process.communicate(timeout=10)
    assert process.returncode == -signal.SIGKILL
    assert b"the preloading process was killed, so this program was killed too" in err
    assert own.run(["-c", PRELUDE + "print(1)"]).out == b"1\n", "plainly"


def test_a_killed_server(own: Machine) -> None:
    parent, info = own.parent, own.state.running_server()
    assert info is not None
    with waiting(own) as (process, program, child):
        os.kill(info.pid, signal.SIGKILL)
        time.sleep(0.5)
        assert own.run(["-c", PRELUDE + "print(1)"]).out == b"1\n", "plainly"
        out, _ = process.communicate(b"\n", timeout=10)
    assert (process.returncode, out) == (0, b"served\n"), "it goes on without its server, as it would plainly"
    gone(program, child, parent)


@pytest.mark.campaign
def test_down_and_a_new_server(own: Machine) -> None:
    first = own.parent
    with waiting(own) as (process, program, child):
        began = time.monotonic()
        lifecycle.stop(own.state)
        assert time.monotonic() - began < 4, "it does not wait for programs"
        lifecycle.start(own.state)
        assert prepare(own.state, own.folder, dict(os.environ)).parent != first
        out, _ = process.communicate(b"\n", timeout=10)
    assert (process.returncode, out) == (0, b"served\n")
    gone(program, child, first)
    info = own.state.running_server()
    assert info is not None
    os.kill(info.pid, signal.SIGKILL)
    gone(own.parent)


def local_azure(state: StateFolder, folder: Path, *words: str, **variables: str) -> subprocess.Popen[str]:
    """A command line with this interpreter first on the PATH."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    command = [sys.executable, "-m", "local_azure", "--state", str(state.root), *words]
    environment = {**os.environ, "PATH": path, **variables}
    return subprocess.Popen(
        command, env=environment, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def test_exec_starts_programs_preloaded_and_leaves_nothing(tmp_path: Path) -> None:
    state = StateFolder(tmp_path / "state")
    parents = set()
    for word in ("python3", sys.executable):
        with local_azure(state, tmp_path, "exec", "--warm", "--down", "--", word, "-c", ASK, "-x") as process:
            out, err = process.communicate(timeout=60)
        assert process.returncode == 7, err
        parent, preloaded, rest = out.split(maxsplit=2)
        assert (preloaded, rest) == ("True", "['-x']\n")
        assert "--warm" not in err
        gone(int(parent))
        parents.add(parent)
    assert len(parents) == 2
    assert not state.is_locked()


def test_everything_below_a_command_starts_preloaded(machine: Machine) -> None:
    (machine.folder / "Makefile").write_text('all:\n\t@python -c "$$ASK" made || true\n')
    (machine.folder / "script.sh").write_text('python3 -c "$ASK" script; make --no-print-directory; exit 3\n')
    words = ("exec", "--warm", "--", "bash", "script.sh")
    with local_azure(machine.state, machine.folder, *words, ASK=ASK, PYTHONUNBUFFERED="") as process:
        out, err = process.communicate(timeout=60)
    assert process.returncode == 3, err
    assert out.splitlines() == [f"{machine.parent} True ['script']", f"{machine.parent} True ['made']"]


def test_a_killed_exec_leaves_no_parent_without_a_server(tmp_path: Path) -> None:
    state = StateFolder(tmp_path / "state")
    facts = state.client_processes / "parent.json"
    with local_azure(state, tmp_path, "exec", "--warm", "--down", "--", "sleep", "60") as process:
        while not facts.exists() or not facts.read_text():
            assert process.poll() is None
            time.sleep(0.001)
        process.kill()
    deadline = time.monotonic() + 2
    while not lifecycle.stop(state) and time.monotonic() < deadline:
        time.sleep(0.05)  # a server that was just being started
    gone(json.loads(facts.read_text())["pid"])


def test_one_line_says_that_nothing_can_be_preloaded(machine: Machine) -> None:
    with local_azure(machine.state, machine.folder, "exec", "--warm", "--", "true", PATH="/usr/bin:/bin") as process:
        _, err = process.communicate(timeout=60)
    reason = f"no python on the PATH is the server's interpreter, {sys.executable}"
    assert [line for line in err.splitlines() if "--warm" in line] == [
        f"local_azure: --warm has no effect here: {reason}."
    ]


def test_help_says_that_it_is_experimental(machine: Machine) -> None:
    for words in (["exec"], ["pipelines", "run"]):
        with local_azure(machine.state, machine.folder, *words, "--help") as process:
            out, _ = process.communicate(timeout=60)
        assert "--warm" in out
        assert "Experimental" in out
