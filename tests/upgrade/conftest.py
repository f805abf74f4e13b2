"""A server on a state folder that an earlier version has written."""

from __future__ import annotations

import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from local_azure.cli import lifecycle
from local_azure.cli.client_environment import client_variables
from local_azure.machine_learning.storage.state import StateFolder
from tests.preloading import preloaded
from tests.story.product import Product, clean_environment

HERE = Path(__file__).parent


@pytest.fixture(scope="module", params=sorted(path.name for path in HERE.glob("state-*.tar.xz")))
def product(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    """The command line of this version with the settings of variables.yml, on that folder."""
    folder = tmp_path_factory.mktemp("upgrade") / "state"
    with tarfile.open(HERE / request.param) as archive:
        archive.extractall(folder, filter="data")
    state = StateFolder(folder)
    info = lifecycle.start(state)
    clean = clean_environment(tmp_path_factory.mktemp("home"))
    environment = clean | client_variables(state, info, clean)
    yield Product(preloaded(state, environment)).with_settings(AZUREML_PRODUCTION_WORKSPACE_NAME="local-production")
    lifecycle.stop(state)
