"""Web services for tests: sources, a model, and deployments by the real client. Imported with a star."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from local_azure.machine_learning.storage.state import ServerInfo

__all__ = ["deploy", "model", "service", "sources"]  # the fixtures; a star brings no more

Unique = Callable[[str], str]
Deploy = Callable[..., Any]

SCORE = """
import os
from helper import FACTOR
from inside.deeper import OFFSET
from inference_schema.schema_decorators import input_schema, output_schema
from inference_schema.parameter_types.standard_py_parameter_type import StandardPythonParameterType

def init():
    global weight
    folder = os.environ["AZUREML_MODEL_DIR"]
    weight = float(open(os.path.join(folder, "weights.txt")).read())
    print("weight", weight, "greeting", os.environ["GREETING"])

@input_schema("data", StandardPythonParameterType([1.0]))
@output_schema(StandardPythonParameterType({"forecast": [1.0]}))
def run(data):
    return {"forecast": [weight * FACTOR * value + OFFSET for value in data]}
"""
PROBE = """
import json, os, signal, threading, time

together, most, guard = 0, 0, threading.Lock()

def init():
    print("probe is up")

def run(text):
    global together, most
    asked = json.loads(text)
    if "say" in asked:
        print(asked["say"])
    if asked.get("die"):
        open(os.environ["HOME"] + "/died", "w").close()
        os.kill(os.getppid(), signal.SIGKILL)
    with guard:
        together += 1
        most = max(most, together)
    time.sleep(asked.get("seconds", 0))
    with guard:
        together -= 1
    return {"pid": os.getpid(), "environment": dict(os.environ), "most": most}
"""


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Working directory with a model file and a source folder; the client wants both below the current one."""
    folder = tmp_path_factory.mktemp("sources")
    (folder / "weights.txt").write_text("10", encoding="utf-8")
    code = folder / "scoring"
    (code / "inside").mkdir(parents=True)
    (code / "inside" / "__init__.py").touch()
    (code / "inside" / "deeper.py").write_text("OFFSET = 1\n", encoding="utf-8")
    (code / "helper.py").write_text("FACTOR = 2\n", encoding="utf-8")
    (code / "score.py").write_text(SCORE, encoding="utf-8")
    (code / "probe.py").write_text(PROBE, encoding="utf-8")
    before = Path.cwd()
    os.chdir(folder)
    yield folder
    os.chdir(before)


@pytest.fixture(scope="module")
def model(ws: Any, sources: Path) -> Any:
    """Version 1 of a model whose weight is 10."""
    from azureml.core import Model

    return Model.register(ws, "weights.txt", f"weights-{os.getpid()}", tags={"t": "1"})


def inference(script: str = "score.py", packages: tuple[str, ...] = ("azureml-defaults",)) -> Any:
    from azureml.core import Environment
    from azureml.core.conda_dependencies import CondaDependencies
    from azureml.core.model import InferenceConfig

    environment = Environment("serving")
    environment.python.conda_dependencies = CondaDependencies.create(pip_packages=list(packages))
    environment.environment_variables = {"GREETING": "hello", "AML_APP_INSIGHTS_ENABLED": "true"}
    return InferenceConfig(entry_script=script, source_directory="scoring", environment=environment)


@pytest.fixture
def deploy(ws: Any, model: Any, unique: Unique) -> Iterator[Deploy]:
    """Deploys `script`, by default with keys, without waiting; everything is deleted afterwards."""
    from azureml.core import Model
    from azureml.core.webservice import AciWebservice

    made = []

    def deploy(
        script: str = "probe.py", *, models: Any = None, name: str = "", overwrite: bool = False, **settings: Any
    ) -> Any:
        settings = {"auth_enabled": True, **settings}
        configuration = AciWebservice.deploy_configuration(cpu_cores=0.5, memory_gb=1, **settings)
        chosen = [model] if models is None else models
        service = Model.deploy(
            ws, name or unique("svc"), chosen, inference(script), configuration, overwrite=overwrite
        )
        made.append(service)
        return service

    yield deploy
    for service in made:
        service.delete()


@pytest.fixture(scope="module")
def service(ws: Any, model: Any) -> Iterator[Any]:
    """A healthy service with keys that no test changes for good."""
    from azureml.core import Model
    from azureml.core.webservice import AciWebservice

    configuration = AciWebservice.deploy_configuration(
        cpu_cores=1, memory_gb=1, auth_enabled=True, tags={"purpose": "test"}, properties={"model": "weights"}
    )
    service = Model.deploy(ws, f"main-{os.getpid()}", [model], inference(), configuration)
    service.wait_for_deployment()
    yield service
    service.delete()


def score(service: Any, body: object, key: str | None = None) -> requests.Response:
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    return requests.post(service.scoring_uri, json=body, headers=headers, timeout=20)


def management(ws: Any, server: ServerInfo, method: str, path: str, body: object = None) -> requests.Response:
    scope = ws.service_context._get_workspace_scope()
    headers = ws._auth_object.get_authentication_header()
    address = f"{server.base_url}/modelmanagement/v1.0{scope}/{path}"
    return requests.request(method, address, json=body, headers=headers, timeout=40)
