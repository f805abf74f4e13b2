"""What is not there says so: at once, by name, as an exception of the SDK that a person can read."""

from __future__ import annotations

import gc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Refused = Callable[[Any, Path, str], Any]


def _inference(folder: Path) -> Any:
    from azureml.core import Environment
    from azureml.core.conda_dependencies import CondaDependencies
    from azureml.core.model import InferenceConfig

    (folder / "score.py").write_text("")
    environment = Environment("scoring")
    environment.python.conda_dependencies = CondaDependencies.create(pip_packages=["azureml-defaults"])
    return InferenceConfig("score.py", environment=environment, source_directory=".")


def _model(ws: Any, folder: Path, name: str) -> Any:
    from azureml.core import Model

    (folder / "model.txt").write_text("model")
    return Model.register(ws, "model.txt", name)


def _aks_service(ws: Any, folder: Path, name: str) -> None:
    from azureml.core import Model
    from azureml.core.webservice import AksWebservice

    Model.deploy(ws, name, [_model(ws, folder, name)], _inference(folder), AksWebservice.deploy_configuration())


def _package(ws: Any, folder: Path, name: str) -> None:
    from azureml.core import Model

    Model.package(ws, [_model(ws, folder, name)], _inference(folder))


def _draft(ws: Any, folder: Path, name: str) -> None:
    from azureml.pipeline.core import PipelineDraft

    PipelineDraft.list(ws)


def _delete_workspace(ws: Any, folder: Path, name: str) -> None:
    ws.delete()


def _create_workspace(ws: Any, folder: Path, name: str) -> None:
    from azureml.core import Workspace

    Workspace.create(name, subscription_id=ws.subscription_id, resource_group=ws.resource_group, location="local")


def _images(ws: Any, folder: Path, name: str) -> None:
    _ = ws.images


def _curated(ws: Any, folder: Path, name: str) -> None:
    from azureml.core import Environment

    Environment.get(ws, "AzureML-AutoML")


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (_aks_service, "web services on AKS"),
        (_package, "POST /modelmanagement/.*/packages"),
        (_draft, "POST /pipelines/.*/PipelineDrafts"),
        (_delete_workspace, "DELETE /subscriptions/"),
        (_create_workspace, "NotImplemented"),
        (_images, "GET /modelmanagement/.*/images"),
        (_curated, "curated"),
    ],
)
@pytest.mark.filterwarnings("ignore")  # the SDK deprecates some of these itself
def test_the_sdk_shows_what_is_refused(
    ws: Any, folder: Path, unique: Callable[[str], str], call: Refused, said: str
) -> None:
    with pytest.raises(Exception, match=said):
        call(ws, folder, unique("refused"))


@pytest.mark.filterwarnings("ignore")  # the SDK deprecates its own call
def test_a_local_service_is_no_business_of_the_server(ws: Any, folder: Path, unique: Callable[[str], str]) -> None:
    from azureml.core import Model
    from azureml.core.webservice import LocalWebservice
    from azureml.exceptions import WebserviceException

    name = unique("local")
    configuration = LocalWebservice.deploy_configuration(port=6789)
    # The SDK wants Docker for it, and with Docker a Dockerfile from the service.
    with pytest.raises(WebserviceException, match=r"Docker|NotImplemented"):
        Model.deploy(ws, name, [_model(ws, folder, name)], _inference(folder), configuration)
    gc.collect()  # its Docker client leaves a socket open, which is not to be another test's affair
