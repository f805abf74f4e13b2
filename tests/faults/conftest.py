"""Servers to harm: one that tests share, and fresh copies of a state folder with published pipelines."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from local_azure.cli.client_environment import client_environment, ensure_config_file
from tests.faults.fault_server import Machine

HERE = Path(__file__).parent


def sdk(machine: Machine, folder: Path, *words: str) -> str:
    """Run a program of the SDK against a server; returns what it printed."""
    variables = {**client_environment(os.environ, machine.state, machine.info), "HOME": str(folder)}
    done = subprocess.run(
        [sys.executable, *words], cwd=folder, env=variables, capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="session")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A state folder, at rest, with the pipelines "plain" and "limited" (1 s a step)."""
    folder = tmp_path_factory.mktemp("published")
    (folder / "step").mkdir()
    shutil.copy(HERE / "misbehaving_step.py", folder / "step")
    machine = Machine(folder / "state").start()
    try:
        ensure_config_file(folder)
        sdk(machine, folder, str(HERE / "publish_faults.py"), str(folder / "step"))
    finally:
        machine.stop()
    return folder / "state"


def copied_server(published: Path, state: Path) -> Iterator[Machine]:
    """A server on a copy of the published state, stopped after its use."""
    shutil.copytree(published, state)
    (state / "ports.json").unlink()
    ours = Machine(state).start()
    try:
        yield ours
    finally:
        ours.stop()


@pytest.fixture
def machine(published: Path, tmp_path: Path) -> Iterator[Machine]:
    """A server on a copy of the published state."""
    yield from copied_server(published, tmp_path / "state")


@pytest.fixture(scope="session")
def shared(published: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """A server that tests share: they neither kill it nor change what is published on it."""
    yield from copied_server(published, tmp_path_factory.mktemp("shared") / "state")


@pytest.fixture
def fresh() -> Callable[[str], str]:
    """Makes a name that no other test uses."""
    return lambda stem: f"{stem}-{uuid.uuid4().hex[:8]}"
