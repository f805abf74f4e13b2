"""Deployments that fail, and those that are refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from service_fixtures import *  # type: ignore[import-not-found]  # noqa: F403 - the fixtures
from service_fixtures import Deploy, Unique, inference, management

from local_azure.machine_learning.storage.state import ServerInfo

# The client advertises its successor at every deployment.
pytestmark = pytest.mark.filterwarnings("ignore:azureml.core.model:FutureWarning")


@pytest.mark.parametrize(
    ("code", "said"),
    [
        (
            "def init():\n    raise RuntimeError('no model today')\ndef run(data):\n    return data\n",
            "no model today",
        ),
        ("import a_module_that_is_missing\n", "a_module_that_is_missing"),
        ("def init():\n    pass\n", "run"),
    ],
    ids=["init raises", "import fails", "no run function"],
)
def test_a_script_that_cannot_start_fails_the_deployment(deploy: Deploy, sources: Path, code: str, said: str) -> None:
    from azureml.exceptions import WebserviceException

    (sources / "scoring" / "bad.py").write_text(code, encoding="utf-8")
    service = deploy("bad.py")
    with pytest.raises(WebserviceException, match="AciDeploymentFailed"):
        service.wait_for_deployment()
    assert service.state == "Failed"
    assert service.error["details"][0]["code"] == "CrashLoopBackOff"
    assert said in service.error["details"][0]["message"]
    assert said in service.get_logs()
    repaired = deploy("probe.py", name=service.name, overwrite=True)
    repaired.wait_for_deployment()
    assert repaired.state == "Healthy"
    assert repaired.error is None


def test_an_environment_without_the_server_fails_the_deployment(ws: Any, model: Any, unique: Unique) -> None:
    from azureml.core import Model
    from azureml.core.webservice import AciWebservice
    from azureml.exceptions import WebserviceException

    without = inference("probe.py", packages=("numpy",))
    service = Model.deploy(ws, unique("svc"), [model], without, AciWebservice.deploy_configuration())
    with pytest.raises(WebserviceException, match="azureml-defaults"):
        service.wait_for_deployment()
    service.delete()


def test_a_second_operation_waits_for_the_first(ws: Any, deploy: Deploy, sources: Path, server: ServerInfo) -> None:
    from azureml.exceptions import WebserviceException

    slow = "import time\ndef init():\n    time.sleep(60)\ndef run(data):\n    return data\n"
    (sources / "scoring" / "slow.py").write_text(slow, encoding="utf-8")
    service = deploy("slow.py")
    assert service.state == "Transitioning"
    with pytest.raises(WebserviceException, match="409"):
        deploy("probe.py", name=service.name, overwrite=True)
    service.delete()  # need not wait for the minute
    assert management(ws, server, "GET", f"services/{service.name}").status_code == 404


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"vnet_name": "net", "subnet_name": "sub"}, "virtual networks"),
        ({"cmk_vault_base_url": "v", "cmk_key_name": "k", "cmk_key_version": "1"}, "customer-managed keys"),
        ({"collect_model_data": True}, "model data collection"),
    ],
)
def test_what_is_not_implemented_is_refused_by_name(deploy: Deploy, settings: dict[str, Any], said: str) -> None:
    from azureml.exceptions import WebserviceException

    with pytest.raises(WebserviceException, match=said):
        deploy(**settings)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"computeType": "AKS"}, "AKS"),
        ({"name": "Bad_Name"}, "service name"),
        ({"containerResourceRequirements": {"cpu": 8, "memoryInGB": 1}}, "at most 4 cores"),
        ({"environmentImageRequest": {"modelIds": []}}, "no-code"),
        ({"environmentImageRequest": {"driverProgram": "d.py", "modelIds": ["missing:1"]}}, "missing:1"),
        ({"environmentImageRequest": None}, "from an image"),
        ({"sslEnabled": True}, "TLS"),
    ],
)
def test_requests_that_azure_would_refuse(ws: Any, server: ServerInfo, change: dict[str, Any], said: str) -> None:
    request = {"name": "fine", "computeType": "ACI", "environmentImageRequest": {"driverProgram": "d.py"}} | change
    answer = management(ws, server, "POST", "services", request)
    assert answer.status_code == 400
    assert said in answer.json()["message"]
