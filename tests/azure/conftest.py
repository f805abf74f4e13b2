"""Opt-in: the product and the assumptions of local_azure against the workspace that the settings name.

    AZURE_TESTS=yes python -m pytest tests/azure            a real workspace, after `az login`; costs compute time
    AZURE_TESTS=yes python -m local_azure exec -- python -m pytest tests/azure       the same tests, here

With SYSTEM_ACCESSTOKEN (docs/azure.md) the controls of Azure DevOps are compared too. With AZURE_RELEASES=WORKSPACE a
model is released there, which writes to the ledger of the problem: only in workspaces that nobody else uses.

Everything gets names of its own and is taken away at the end. Versions of data sets and run history stay.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from tests.story.product import Ended, Product

WANTED = "AZURE_TESTS"
SECONDS = 3600  # the first run of an environment builds its image; a compute cluster starts from nothing


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Without the opt-in nothing here runs."""
    if os.environ.get(WANTED) != "yes":
        for item in items:
            if item.path.parent.name == "azure":
                item.add_marker(pytest.mark.skip(reason=f"needs a workspace: set {WANTED}=yes"))


@pytest.fixture(scope="session")
def workspace() -> Any:
    """The workspace as the product opens it, with the product's own sign-in."""
    from ml_service.settings.variables import load
    from ml_service.settings.workspaces import open_training

    return open_training(load()).sdk


@pytest.fixture(scope="session")
def product(workspace: Any) -> Iterator[Product]:
    """The command line with names that nobody else uses; what it left is deleted at the end."""
    name = f"proof-{uuid.uuid4().hex[:8]}"
    yield Product(dict(os.environ), seconds=SECONDS).with_settings(
        PIPELINE_NAME=name, PIPELINE_ENDPOINT_NAME=f"{name}-endpoint", EXPERIMENT_NAME=name,
        MODEL_NAME=name, DATASET_NAME=name, TEST_SERVICE_NAME=name, AZUREML_PRODUCTION_WORKSPACE_NAME="",
        TEST_DEPLOYMENT="step",
    )  # fmt: skip
    take_away(workspace, name)


@pytest.fixture(scope="session")
def rehearsed(product: Product) -> Ended:
    """Everything once, from the upload of data to the answer of the service."""
    return product.run("rehearse")


def take_away(workspace: Any, name: str) -> None:
    """Delete service and models, disable endpoint and pipelines: the service deletes neither of these two."""
    from azureml.core import Model
    from azureml.pipeline.core import PipelineEndpoint

    for service in workspace.webservices.values():
        if service.name == name:
            service.delete()
    for model in Model.list(workspace, name=name):
        model.delete()
    for endpoint in PipelineEndpoint.list(workspace):
        if endpoint.name == f"{name}-endpoint":
            for published in endpoint.list_pipelines():
                published.disable()
            endpoint.disable()
