"""Servers to harm: one that tests share, and fresh copies of a state folder with published pipelines."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests

from local_azure.cli.client_environment import client_environment, ensure_config_file
from tests.faults.fault_server import Machine, await_true, scope

HERE = Path(__file__).parent
RETURN_SECONDS = 30.0


def sdk(machine: Machine, folder: Path, *words: str) -> str:
    """Run a program of the SDK against a server; returns what it printed."""
    variables = {**client_environment(os.environ, machine.state, machine.info), "HOME": str(folder)}
    done = subprocess.run(
        [sys.executable, *words], cwd=folder, env=variables, capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def made_once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], None]) -> Path:
    """A folder that the first test process makes and the others of this run share, none of which may change it."""
    own = factory.getbasetemp()
    folder = (own.parent if "PYTEST_XDIST_WORKER" in os.environ else own) / name
    with folder.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "made").exists():
            shutil.rmtree(folder, ignore_errors=True)  # of a process that failed to make it
            folder.mkdir()
            make(folder)
            (folder / "made").touch()
    return folder


@pytest.fixture(scope="session")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A state folder, at rest, with the pipelines "plain" and "limited" (1 s a step)."""
    return made_once(tmp_path_factory, "published", publish) / "state"


def publish(folder: Path) -> None:
    """Publish the two pipelines."""
    (folder / "step").mkdir()
    shutil.copy(HERE / "misbehaving_step.py", folder / "step")
    machine = Machine(folder / "state").start()
    try:
        ensure_config_file(folder)
        sdk(machine, folder, str(HERE / "publish_faults.py"), str(folder / "step"))
    finally:
        machine.stop()


def copied(published: Path, state: Path) -> Machine:
    """A server on a copy of a state, which is not started yet."""
    shutil.copytree(published, state)
    (state / "ports.json").unlink(missing_ok=True)
    return Machine(state)


def copied_server(published: Path, state: Path) -> Iterator[Machine]:
    """A server on a copy of the published state, stopped after its use."""
    ours = copied(published, state).start()
    try:
        yield ours
    finally:
        ours.stop()


@dataclass(frozen=True)
class Deployed:
    """A service of one machine."""

    machine: Machine
    key: str

    @property
    def address(self) -> str:
        """Where it answers."""
        return str(self.document()["scoringUri"])

    def ask(self, text: str = "{}") -> Any:
        """What it answers; None while it does not."""
        with suppress(requests.RequestException):
            answer = requests.post(self.address, text, headers={"Authorization": f"Bearer {self.key}"}, timeout=20)
            return answer.json() if answer.status_code == 200 else None
        return None

    def document(self) -> dict[str, Any]:
        """How it stands."""
        return dict(self.machine.get(f"/modelmanagement/v1.0{scope()}/services/inside"))

    def returned(self) -> bool:
        """Whether it answers and says that it is healthy."""
        return bool(await_true(lambda: self.ask() == 2.0, "the service", RETURN_SECONDS)) and bool(
            await_true(lambda: self.document()["state"] == "Healthy", "its state", RETURN_SECONDS)
        )


@pytest.fixture(scope="session")
def with_service(published: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A state folder, at rest, with the service of deploy_faults.py; and the key of the service."""

    def deploy(folder: Path) -> None:
        ensure_config_file(folder)
        for machine in copied_server(published, folder / "state"):
            (folder / "facts.json").write_text(
                sdk(machine, folder, str(HERE / "deploy_faults.py")).partition("RESULT")[2]
            )

    folder = made_once(tmp_path_factory, "with_service", deploy)
    return folder / "state", str(json.loads((folder / "facts.json").read_text())["key"])


def copied_service(with_service: tuple[Path, str], state: Path) -> Iterator[Deployed]:
    """A server on a copy of that state folder, with its service, stopped after its use."""
    for machine in copied_server(with_service[0], state):
        deployed = Deployed(machine, with_service[1])
        assert deployed.returned()
        yield deployed


@pytest.fixture
def deployed(with_service: tuple[Path, str], tmp_path: Path) -> Iterator[Deployed]:
    """A service on a server of the test's own."""
    yield from copied_service(with_service, tmp_path / "state")


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
