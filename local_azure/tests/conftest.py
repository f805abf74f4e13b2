"""A real server process and the real SDK in this process; nothing is mocked."""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from local_azure import lifecycle
from local_azure.client_environment import client_variables
from local_azure.machine_learning.state import ServerInfo, StateFolder

DEAD_PROXY = "http://127.0.0.1:9"  # any stray request to the outside ends here


@pytest.fixture(scope="session")
def state(tmp_path_factory: pytest.TempPathFactory) -> StateFolder:
    """State folder of the session's server."""
    return StateFolder(tmp_path_factory.mktemp("state") / "folder")


@pytest.fixture(scope="session")
def server(state: StateFolder, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerInfo]:
    """A running server; this process gets its client variables before azureml is imported."""
    info = lifecycle.start(state)
    before = dict(os.environ)
    os.environ.update(client_variables(state, info))
    os.environ["HOME"] = str(tmp_path_factory.mktemp("home"))
    for name in ("HTTPS_PROXY", "https_proxy"):
        os.environ[name] = DEAD_PROXY
    yield info
    os.environ.clear()
    os.environ.update(before)
    lifecycle.stop(state)


@pytest.fixture(scope="session")
def ws(server: ServerInfo) -> Any:
    """The development workspace, as user code gets it: no authentication object."""
    from azureml.core import Workspace

    return Workspace.get(
        os.environ["AZUREML_WORKSPACE_NAME"],
        subscription_id=os.environ["AZURE_SUBSCRIPTION_ID"],
        resource_group=os.environ["AZURE_RESOURCE_GROUP"],
    )


@pytest.fixture
def unique() -> Callable[[str], str]:
    """Makes a name that no other test uses: `unique("model")`."""
    return lambda stem: f"{stem}-{uuid.uuid4().hex[:8]}"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory of the test's own; the SDK wants what it uploads below the current directory."""
    monkeypatch.chdir(tmp_path)
    return tmp_path
