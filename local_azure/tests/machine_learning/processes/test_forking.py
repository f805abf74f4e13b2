"""The parent of steps and services: children end as asked, take their children with them, and never outlive it."""

from __future__ import annotations

import asyncio
import os
import select
import signal
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from local_azure.machine_learning.processes.forking import EOF_CODE, START_METHOD_VARIABLE
from local_azure.machine_learning.processes.forking.client import ChildCommand, ForkingClient

ENTRY = "local_azure.machine_learning.processes.step.entry:enter"
Body = Callable[[ForkingClient, Callable[[str], ChildCommand]], Awaitable[None]]


def gone(pid: int) -> None:
    """Wait until a process has ended."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        assert select.select([descriptor], [], [], 10)[0], f"process {pid} lives on"
    finally:
        os.close(descriptor)


@pytest.fixture(params=["fork", "spawn"])
def run(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[Body], str]:
    """Runs a coroutine with a client and a maker of commands from source text; returns the children's log."""

    def command(source: str) -> ChildCommand:
        script = tmp_path / "script.py"
        script.write_text(source)
        details = {"script": "script.py", "arguments": [str(tmp_path)]}
        return ChildCommand(ENTRY, tmp_path, tmp_path / "log", {"PATH": os.environ["PATH"], "OWN": "1"}, details)

    def runner(body: Body) -> str:
        async def main() -> None:
            client = ForkingClient({"PATH": os.environ["PATH"], START_METHOD_VARIABLE: request.param}, ["numpy"])
            try:
                await body(client, command)
            finally:
                await client.close()

        asyncio.run(asyncio.wait_for(main(), 60))
        return (tmp_path / "log").read_text()

    return runner


def test_a_package_that_waits_is_imported_before_the_first_child_whose_script_names_it(tmp_path: Path) -> None:
    def command(source: str) -> ChildCommand:
        (tmp_path / "script.py").write_text(source)
        details = {"script": "script.py", "arguments": []}
        return ChildCommand(ENTRY, tmp_path, tmp_path / "log", {"PATH": os.environ["PATH"]}, details)

    async def main() -> None:
        client = ForkingClient(
            {"PATH": os.environ["PATH"]}, ["json"], ["wave", "colorsys.no_such_module", "colorsys"]
        )
        try:
            for source in (
                "print('wa' 've' in sys.modules)",
                "print('wave' in sys.modules, 'color' 'sys' in sys.modules)",
            ):
                assert await client.start(command(f"import sys\n{source}")).ended == 0
        finally:
            await client.close()

    asyncio.run(asyncio.wait_for(main(), 60))
    assert (tmp_path / "log").read_text().splitlines() == ["False", "True False"]


def test_a_package_that_waits_is_imported_in_a_quiet_moment(tmp_path: Path) -> None:
    imported = tmp_path / "imported"
    (tmp_path / "waits.py").write_text(f"open({str(imported)!r}, 'w').close()")

    async def main() -> None:
        variables = {"PATH": os.environ["PATH"], "PYTHONPATH": str(tmp_path)}
        client = ForkingClient(variables, ["json"], ["waits"], quiet_at_start=0.0)
        try:
            client.prepare()
            while not imported.exists():
                await asyncio.sleep(0.01)
        finally:
            await client.close()

    asyncio.run(asyncio.wait_for(main(), 60))


def test_exit_code_log_and_environment_are_the_childs_own(run: Callable[[Body], str]) -> None:
    async def body(client: ForkingClient, command: Callable[[str], ChildCommand]) -> None:
        child = client.start(command("import os, sys; print(sorted(os.environ)); sys.exit(3)"))
        assert await child.ended == 3

    assert "['OWN', 'PATH'" in run(body)


def test_a_stubborn_child_is_killed_after_its_time_of_grace(run: Callable[[Body], str]) -> None:
    stubborn = (
        "import pathlib, signal, sys, time\nsignal.signal(signal.SIGTERM, lambda *_: print('no'))\n"
        "pathlib.Path(sys.argv[1], 'up').touch()\nwhile True: time.sleep(60)"
    )

    async def body(client: ForkingClient, command: Callable[[str], ChildCommand]) -> None:
        started = command(stubborn)
        child = client.start(started)
        while not (started.directory / "up").exists():
            await asyncio.sleep(0.01)
        assert await client.stop(child) == -signal.SIGKILL

    assert "no" in run(body)


def test_a_child_that_is_stopped_at_once_takes_no_other_with_it(run: Callable[[Body], str], tmp_path: Path) -> None:
    waits = "import pathlib, sys, time; pathlib.Path(sys.argv[1], 'up').touch(); time.sleep(60)"

    async def body(client: ForkingClient, command: Callable[[str], ChildCommand]) -> None:
        other = client.start(command(waits))
        while not (tmp_path / "up").exists():
            await asyncio.sleep(0.01)
        for _ in range(40):
            assert await client.stop(client.start(command(waits))) == -signal.SIGTERM
        assert not other.ended.done()

    run(body)


def test_what_a_child_leaves_behind_ends_with_it(run: Callable[[Body], str], tmp_path: Path) -> None:
    leave = (
        "import pathlib, subprocess, sys\n"
        "left = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\n"
        "pathlib.Path(sys.argv[1], 'pid').write_text(str(left.pid))"
    )

    async def body(client: ForkingClient, command: Callable[[str], ChildCommand]) -> None:
        assert await client.start(command(leave)).ended == 0

    run(body)
    gone(int((tmp_path / "pid").read_text()))


def test_a_lost_parent_is_told_and_replaced(run: Callable[[Body], str], tmp_path: Path) -> None:
    wait = (
        "import os, pathlib, sys, time\n"
        "pathlib.Path(sys.argv[1], 'ids').write_text(f'{os.getpid()} {os.getppid()}')\n"
    )

    async def body(client: ForkingClient, command: Callable[[str], ChildCommand]) -> None:
        child = client.start(command(wait + "while True: time.sleep(60)"))
        while not (tmp_path / "ids").exists() or not (tmp_path / "ids").read_text():
            await asyncio.sleep(0.01)
        mine, parent = map(int, (tmp_path / "ids").read_text().split())
        os.kill(parent, signal.SIGKILL)
        assert await child.ended == EOF_CODE
        gone(mine)
        assert await client.start(command("print('again')")).ended == 0

    assert "again" in run(body)
