"""Several commands that start a server at the same time, and files of a state folder that are not as written."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from click.testing import CliRunner

from local_azure.cli import lifecycle
from local_azure.cli.main import main
from local_azure.machine_learning.storage.state import StateFolder


@pytest.fixture
def state(tmp_path: Path) -> Iterator[StateFolder]:
    """A state folder whose server is stopped in the end."""
    folder = StateFolder(tmp_path / "state")
    yield folder
    lifecycle.stop(folder)


def test_all_of_several_commands_at_once_use_one_server(state: StateFolder, tmp_path: Path) -> None:
    own = [sys.executable, "-m", "local_azure", "--state", str(state.root)]
    commands = [[*own, "exec", "--", "true"]] * 3 + [[*own, "up"]] * 2
    pipe = subprocess.PIPE
    started = [subprocess.Popen(command, cwd=tmp_path, stdout=pipe, stderr=pipe) for command in commands]
    said = [process.communicate() for process in started]
    assert [process.returncode for process in started] == [0] * len(commands), said


@pytest.mark.parametrize(
    "content",
    [
        "", "null", "[]", "7", '{"pid": 1}', "[" * 100_000,
        '{"pid": "x", "http_port": 1, "tls_port": 2, "token": "t"}',
        '{"pid": 9, "http_port": 1, "tls_port": 2, "token": "t", "studio_token": 5}',
    ],
)  # fmt: skip
def test_odd_files_of_a_server_are_none(state: StateFolder, content: str) -> None:
    state.create()
    descriptor = state.lock()
    (state.root / "server.json").write_text(content)
    (state.root / "ports.json").write_text(content)
    try:
        assert descriptor
        assert state.running_server() is None
        assert state.last_ports() == (0, 0, 0)
    finally:
        (state.root / "server.json").unlink()


@pytest.mark.parametrize("ports", ["[1, 70000]", "[-1, 2]", "[true, 2]", '["1", 2]', "[1, 2, 3, 4]", "[1]"])
def test_odd_ports_are_not_used(state: StateFolder, ports: str) -> None:
    state.create()
    (state.root / "ports.json").write_text(ports)
    assert state.last_ports() == (0, 0, 0)


@pytest.mark.parametrize("path", ["x" * 300, "/".join(["x" * 200] * 25)])
@pytest.mark.parametrize("command", [["status"], ["up"], ["exec", "true"], ["logs"]])
def test_a_path_that_is_too_long_is_said(path: str, command: list[str]) -> None:
    result = CliRunner().invoke(main, ["--state", path, *command])
    assert result.exit_code == 2
    assert "cannot be used: File name too long. Choose one with --state." in result.output


def test_a_full_disk_is_said(state: StateFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=4096))
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(lifecycle.StartError, match="is full: 4096 bytes are free"):
        lifecycle.start(state)
