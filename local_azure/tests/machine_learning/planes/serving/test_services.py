"""Web services that answer: keys, documents, updates; deployed by the real client."""

from __future__ import annotations

import json
import stat
from pathlib import Path
from typing import Any

import pytest
import requests
from service_fixtures import *  # type: ignore[import-not-found]  # noqa: F403 - the fixtures
from service_fixtures import Deploy, Unique, inference, management, score

from local_azure.machine_learning.storage.state import ServerInfo, StateFolder

# The client advertises its successor at every deployment.
pytestmark = pytest.mark.filterwarnings("ignore:azureml.core.model:FutureWarning")


def test_the_service_answers_the_client(service: Any) -> None:
    assert service.state == "Healthy"
    assert service.run(json.dumps({"data": [1, 2]})) == {"forecast": [21.0, 41.0]}


def test_only_the_two_keys_open_the_service(service: Any) -> None:
    primary, secondary = service.get_keys()
    body = {"data": [1]}
    assert score(service, body, primary).json() == {"forecast": [21.0]}
    assert score(service, body, secondary).status_code == 200
    for wrong in (None, "wrong", primary + "x", "\u00e9"):
        answer = score(service, body, wrong)
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
    assert score(service, {"data": [1]}, primary).status_code == 401
    assert score(service, {"data": [1]}, secondary).status_code == 200
    new, unchanged = service.get_keys()
    assert new != primary
    assert unchanged == secondary
    assert score(service, {"data": [1]}, new).status_code == 200
    service.regen_key("Secondary", set_key="chosen-by-the-user")
    assert score(service, {"data": [1]}, "chosen-by-the-user").status_code == 200
    bad = management(ws, server, "POST", f"services/{service.name}/regenerateKeys", {"keyType": "Third"})
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
    answer = management(ws, server, "POST", "services", request)
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
    service.update(models=[newer], inference_config=inference())
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
    assert score(service, {}).status_code == 200
    service.update(auth_enabled=True)
    assert score(service, {}).status_code == 401
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
        score(service, {})
    with pytest.raises(WebserviceException, match="WebserviceNotFound"):
        Webservice(ws, service.name)
    service.delete()  # 204: no error


def test_a_model_that_says_what_it_needs_is_served(ws: Any, deploy: Deploy, unique: Unique) -> None:
    from azureml.core import Model, Webservice
    from azureml.core.resource_configuration import ResourceConfiguration

    needs = ResourceConfiguration(cpu=1, memory_in_gb=0.5)
    needy = Model.register(ws, "weights.txt", unique("needy"), resource_configuration=needs)
    service = deploy(models=[needy])
    service.wait_for_deployment()
    (served,) = Webservice(ws, service.name).models
    assert served.resource_configuration.memory_in_gb == 0.5
    assert "pid" in service.run("{}")
