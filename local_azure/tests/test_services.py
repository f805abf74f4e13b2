"""Web services: real processes of Microsoft's inference server, deployed by the real client."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import requests

from local_azure import lifecycle
from local_azure.client_environment import client_variables, ensure_config_file
from local_azure.machine_learning.state import ServerInfo, StateFolder

# The client advertises its successor at every deployment.
pytestmark = pytest.mark.filterwarnings("ignore:azureml.core.model:FutureWarning")

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


def _inference(script: str = "score.py", packages: tuple[str, ...] = ("azureml-defaults",)) -> Any:
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
            ws, name or unique("svc"), chosen, _inference(script), configuration, overwrite=overwrite
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
    service = Model.deploy(ws, f"main-{os.getpid()}", [model], _inference(), configuration)
    service.wait_for_deployment()
    yield service
    service.delete()


def _score(service: Any, body: object, key: str | None = None) -> requests.Response:
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    return requests.post(service.scoring_uri, json=body, headers=headers, timeout=20)


def _management(ws: Any, server: ServerInfo, method: str, path: str, body: object = None) -> requests.Response:
    scope = ws.service_context._get_workspace_scope()
    headers = ws._auth_object.get_authentication_header()
    address = f"{server.base_url}/modelmanagement/v1.0{scope}/{path}"
    return requests.request(method, address, json=body, headers=headers, timeout=40)


# --- a healthy service


def test_the_service_answers_the_client(service: Any) -> None:
    assert service.state == "Healthy"
    assert service.run(json.dumps({"data": [1, 2]})) == {"forecast": [21.0, 41.0]}


def test_only_the_two_keys_open_the_service(service: Any) -> None:
    primary, secondary = service.get_keys()
    body = {"data": [1]}
    assert _score(service, body, primary).json() == {"forecast": [21.0]}
    assert _score(service, body, secondary).status_code == 200
    for wrong in (None, "wrong", primary + "x", "\u00e9"):
        answer = _score(service, body, wrong)
        assert answer.status_code == 401
        assert "key of this service" in answer.json()["message"]
    basic = requests.post(service.scoring_uri, json=body, headers={"Authorization": f"Basic {primary}"}, timeout=5)
    assert basic.status_code == 401


def test_a_regenerated_key_makes_the_old_one_invalid_at_once(
    service: Any, monkeypatch: pytest.MonkeyPatch, ws: Any, server: ServerInfo
) -> None:
    from azureml.core.webservice import webservice

    monkeypatch.setattr(webservice.time, "sleep", lambda _: None)  # the client sleeps 5 s before it first looks
    primary, secondary = service.get_keys()
    service.regen_key("Primary")
    assert _score(service, {"data": [1]}, primary).status_code == 401
    assert _score(service, {"data": [1]}, secondary).status_code == 200
    new, unchanged = service.get_keys()
    assert new != primary
    assert unchanged == secondary
    assert _score(service, {"data": [1]}, new).status_code == 200
    service.regen_key("Secondary", set_key="chosen-by-the-user")
    assert _score(service, {"data": [1]}, "chosen-by-the-user").status_code == 200
    bad = _management(ws, server, "POST", f"services/{service.name}/regenerateKeys", {"keyType": "Third"})
    assert bad.status_code == 400


def test_keys_are_kept_in_a_file_of_the_owner(service: Any, state: StateFolder) -> None:
    files = list(state.services.glob(f"*/{service.name}/keys.json"))
    assert len(files) == 1
    assert stat.S_IMODE(files[0].stat().st_mode) == 0o600


def test_health_and_swagger_need_no_key(service: Any) -> None:
    assert requests.get(service.scoring_uri.replace("/score", "/"), timeout=5).text == "Healthy"
    swagger = requests.get(service.swagger_uri, timeout=5).json()
    assert "/score" in swagger["paths"]


def test_the_service_answers_on_loopback_names_only(service: Any) -> None:
    headers = {"Host": "evil.example", "Authorization": f"Bearer {service.get_keys()[0]}"}
    assert requests.post(service.scoring_uri, json={"data": [1]}, headers=headers, timeout=5).status_code == 421


def test_the_log_has_what_the_script_printed(service: Any) -> None:
    log = service.get_logs()
    assert "weight 10.0 greeting hello" in log
    assert len(service.get_logs(num_lines=3).splitlines()) == 3


def test_services_are_listed_by_every_filter(ws: Any, service: Any, model: Any) -> None:
    from azureml.core import Webservice

    def names(**filters: Any) -> list[str]:
        return [one.name for one in Webservice.list(ws, **filters)]

    assert service.name in names(compute_type="ACI", model_name=model.name, tags=[["purpose", "test"]])
    assert service.name in names(model_id=model.id, properties=[["model", "weights"]])
    assert service.name not in names(model_name="another")
    assert service.name not in names(tags=["missing"])
    assert names(compute_type="AKS") == []
    assert service.name in ws.webservices


def test_the_document_says_what_was_asked_for(ws: Any, service: Any, model: Any) -> None:
    from azureml.core import Webservice

    found = Webservice(ws, service.name)
    assert found.container_resource_requirements.cpu == 1
    assert found.auth_enabled
    assert [one.id for one in found.models] == [model.id]
    assert found.environment.name == "serving"


def test_a_model_in_use_cannot_be_deleted(service: Any, model: Any) -> None:
    from azureml.exceptions import WebserviceException

    with pytest.raises(WebserviceException, match="412"):
        model.delete()
    assert service.run(json.dumps({"data": [0]})) == {"forecast": [1.0]}


def test_a_name_in_use_is_refused_without_overwrite(
    ws: Any, service: Any, server: ServerInfo, deploy: Deploy
) -> None:
    from azureml.exceptions import WebserviceException

    with pytest.raises(WebserviceException, match="exists already"):
        deploy(name=service.name)
    request = {
        "name": service.name,
        "computeType": "ACI",
        "environmentImageRequest": service.environment and {"driverProgram": "x.py", "modelIds": []},
    }
    answer = _management(ws, server, "POST", "services", request)
    assert answer.status_code == 409
    assert service.name in answer.json()["message"]


# --- changes


def test_an_update_serves_the_new_model_at_the_same_address(ws: Any, deploy: Deploy, model: Any) -> None:
    from azureml.core import Model

    service = deploy("score.py")
    service.wait_for_deployment()
    address, keys = service.scoring_uri, service.get_keys()
    Path("weights.txt").write_text("100", encoding="utf-8")
    newer = Model.register(ws, "weights.txt", model.name)
    Path("weights.txt").write_text("10", encoding="utf-8")
    service.update(models=[newer], inference_config=_inference())
    service.wait_for_deployment()
    assert service.run(json.dumps({"data": [1]})) == {"forecast": [201.0]}
    assert (service.scoring_uri, service.get_keys()) == (address, keys)
    service.update(tags={"n": "2"}, properties={"added": "later"}, description="new text")
    assert (service.tags, service.properties["added"], service.description) == ({"n": "2"}, "later", "new text")
    assert service.run(json.dumps({"data": [1]})) == {"forecast": [201.0]}


def test_keys_are_off_unless_asked_for_and_can_be_turned_on(deploy: Deploy) -> None:
    service = deploy(auth_enabled=None)
    service.wait_for_deployment()
    assert not service.auth_enabled
    assert _score(service, {}).status_code == 200
    service.update(auth_enabled=True)
    assert _score(service, {}).status_code == 401
    assert "pid" in service.run(json.dumps({}))


def test_overwrite_replaces_code_and_settings(deploy: Deploy) -> None:
    service = deploy("probe.py")
    service.wait_for_deployment()
    again = deploy("score.py", name=service.name, overwrite=True, tags={"which": "second"})
    again.wait_for_deployment()
    assert again.tags == {"which": "second"}
    assert again.run(json.dumps({"data": [1]})) == {"forecast": [21.0]}


def test_several_models_share_one_folder(ws: Any, sources: Path, deploy: Deploy, model: Any, unique: Unique) -> None:
    from azureml.core import Model

    other = Model.register(ws, "weights.txt", unique("other"))
    service = deploy("probe.py", models=[model, other])
    service.wait_for_deployment()
    folder = Path(service.run(json.dumps({}))["environment"]["AZUREML_MODEL_DIR"])
    assert folder.name == "azureml-models"
    for one in (model, other):
        assert (folder / one.name / str(one.version) / "weights.txt").is_file()


def test_a_deleted_service_is_gone(ws: Any, deploy: Deploy) -> None:
    from azureml.core import Webservice
    from azureml.exceptions import WebserviceException

    service = deploy()
    service.wait_for_deployment()
    service.delete()
    with pytest.raises(requests.ConnectionError):
        _score(service, {})
    with pytest.raises(WebserviceException, match="WebserviceNotFound"):
        Webservice(ws, service.name)
    service.delete()  # 204: no error


# --- the process


def test_the_process_sees_what_a_container_would(deploy: Deploy, monkeypatch: pytest.MonkeyPatch) -> None:
    service = deploy()
    service.wait_for_deployment()
    seen = service.run(json.dumps({}))["environment"]
    assert seen["GREETING"] == "hello"
    assert seen["SERVICE_NAME"] == service.name
    assert seen["AZUREML_ENTRY_SCRIPT"] == "scoring/probe.py"
    assert seen["AZUREML_SOURCE_DIRECTORY"] == "scoring"
    assert Path(seen["HOME"]).is_relative_to(Path(seen["AML_APP_ROOT"]).parent)
    assert not [name for name in seen if name.lower().endswith("_proxy") or name.startswith("LOCAL_AZURE")]
    assert "AML_APP_INSIGHTS_ENABLED" not in seen, "it would send telemetry"


def test_run_is_never_entered_twice_at_a_time(deploy: Deploy) -> None:
    service = deploy()
    service.wait_for_deployment()
    key = service.get_keys()[0]
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: _score(service, {"seconds": 0.05}, key).json(), range(8)))
    assert {answer["most"] for answer in answers} == {1}


def test_the_log_never_shows_a_key(deploy: Deploy) -> None:
    service = deploy()
    service.wait_for_deployment()
    key = service.get_keys()[0]
    service.run(json.dumps({"say": f"the key is {key}!"}))
    log = service.get_logs()
    assert "the key is <key>!" in log
    assert key not in log


def test_a_service_that_dies_is_started_again(deploy: Deploy) -> None:
    service = deploy()
    service.wait_for_deployment()
    key = service.get_keys()[0]
    before = _score(service, {}, key).json()["pid"]
    with pytest.raises(requests.ConnectionError):
        _score(service, {"die": True, "seconds": 5}, key)
    assert _score(service, {}, key).json()["pid"] != before
    service.update_deployment_state()
    assert service.state == "Healthy"


def test_a_service_that_keeps_dying_has_failed(deploy: Deploy, sources: Path) -> None:
    code = PROBE.replace('print("probe is up")', 'assert not os.path.exists(os.environ["HOME"] + "/died"), "no more"')
    (sources / "scoring" / "mortal.py").write_text(code, encoding="utf-8")
    service = deploy("mortal.py")
    service.wait_for_deployment()
    with pytest.raises(requests.ConnectionError):
        _score(service, {"die": True, "seconds": 5}, service.get_keys()[0])
    with pytest.raises(requests.ConnectionError):  # waits in the queue of the socket, which closes at the end
        requests.get(service.scoring_uri, timeout=20)
    while service.state != "Failed":
        service.update_deployment_state()
    assert service.state == "Failed"
    assert service.error["code"] == "AciDeploymentFailed"
    assert "no more" in service.error["details"][0]["message"]
    assert "no more" in service.get_logs()


# --- deployments that fail


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

    inference = _inference("probe.py", packages=("numpy",))
    service = Model.deploy(ws, unique("svc"), [model], inference, AciWebservice.deploy_configuration())
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
    assert _management(ws, server, "GET", f"services/{service.name}").status_code == 404


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
    answer = _management(ws, server, "POST", "services", request)
    assert answer.status_code == 400
    assert said in answer.json()["message"]


# --- the server's own end

REMOTE = """
import json, sys
from azureml.core import Environment, Model, Workspace
from azureml.core.model import InferenceConfig
from azureml.core.webservice import AciWebservice

ws = Workspace.from_config()
model = Model.register(ws, "weights.txt", "weights")
inference = InferenceConfig(entry_script="score.py", source_directory="scoring", environment=Environment("serving"))
service = Model.deploy(ws, "lasting", [model], inference, AciWebservice.deploy_configuration(auth_enabled=True))
service.wait_for_deployment()
print("RESULT" + json.dumps({"address": service.scoring_uri, "key": service.get_keys()[0]}))
"""


def _ask(facts: dict[str, str]) -> object:
    headers = {"Authorization": f"Bearer {facts['key']}"}
    return requests.post(facts["address"], json={"data": [1]}, headers=headers, timeout=20).json()


def test_services_come_back_with_the_server(tmp_path: Path, sources: Path) -> None:
    code = SCORE.replace('os.environ["GREETING"]', '"none"')
    (sources / "scoring" / "lasting.py").write_text(code, encoding="utf-8")
    state = StateFolder(tmp_path / "state")
    info = lifecycle.start(state)
    try:
        ensure_config_file(sources)
        done = subprocess.run(
            [sys.executable, "-c", REMOTE.replace("score.py", "lasting.py")],
            env={**os.environ, **client_variables(state, info)},
            cwd=sources,
            capture_output=True,
            text=True,
            check=False,
        )
        assert "RESULT" in done.stdout, done.stderr
        facts = json.loads(done.stdout.partition("RESULT")[2])
        assert _ask(facts) == {"forecast": [21.0]}
        lifecycle.stop(state)
        with pytest.raises(requests.ConnectionError):
            _ask(facts)
        info = lifecycle.start(state)
        assert _ask(facts) == {"forecast": [21.0]}, "same address, same key, right after the start"
        os.kill(info.pid, signal.SIGKILL)
        lifecycle._wait_until_gone(info.pid, 5)
        lifecycle.start(state)
        assert _ask(facts) == {"forecast": [21.0]}
    finally:
        lifecycle.stop(state)
