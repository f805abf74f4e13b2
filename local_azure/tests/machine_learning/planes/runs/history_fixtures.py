"""Experiments and runs for tests of the run history. Imported with a star."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests

from local_azure.machine_learning.storage.state import ServerInfo

__all__ = ["call", "experiment", "run"]  # the fixtures; a star brings no more
Unique = Callable[[str], str]


@pytest.fixture
def experiment(ws: Any, unique: Unique) -> Any:
    """A fresh experiment."""
    from azureml.core import Experiment

    return Experiment(ws, unique("experiment"))


@pytest.fixture
def run(experiment: Any) -> Iterator[Any]:
    """A running interactive run."""
    started = experiment.start_logging(snapshot_directory=None)
    yield started
    started.complete()


@pytest.fixture
def call(ws: Any, server: ServerInfo) -> Callable[..., requests.Response]:
    """A request to the run history of the workspace, as the person: `call("GET", "/runs/x")`."""

    def send(method: str, path: str, **more: Any) -> requests.Response:
        address = f"{server.base_url}/history/v1.0{ws.service_context._get_workspace_scope()}{path}"
        header = ws._auth_object.get_authentication_header()
        return requests.request(method, address, headers=header, timeout=30, **more)

    return send


def ids(runs: Any) -> list[str]:
    return [run.id for run in runs]
