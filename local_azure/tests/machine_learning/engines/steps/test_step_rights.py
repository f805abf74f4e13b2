"""A step signs in as its run: for its own workspace only, and with no secret of the server's start."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
import requests

from local_azure.machine_learning.storage.state import ServerInfo

TENANT = "11111111-2222-3333-4444-555555555555"
# What a program can find out about itself, left where `outputs/` becomes artifacts.
LOOK = """
import json, os, pathlib, sys
from azureml._vendor.azure_cli_core import cloud
pathlib.Path("outputs").mkdir(exist_ok=True)
found = {"environment": dict(os.environ), "arguments": sys.argv}
found["clouds"] = [str(vars(c.endpoints)) for c in cloud.KNOWN_CLOUDS]
parent = pathlib.Path(f"/proc/{os.getppid()}")
found["parent"] = [(parent / name).read_bytes().decode(errors="replace") for name in ("environ", "cmdline")]
pathlib.Path("outputs/found.json").write_text(json.dumps(found))
print("address", os.environ["ARM_CLOUD_METADATA_URL"], os.environ["MSI_ENDPOINT"])
"""
REACH = """
import os, sys, requests
from azureml.core import Run, Workspace
from azureml.core.authentication import MsiAuthentication, ServicePrincipalAuthentication
own = Run.get_context().experiment.workspace
where = dict(name=own.name, subscription_id=own.subscription_id, resource_group=own.resource_group)
def refused(call):
    try:
        call()
    except Exception as error:
        return str(error)
    raise AssertionError("reached")
for auth in (ServicePrincipalAuthentication("{tenant}", "id", "word"), MsiAuthentication()):
    signed_in = Workspace.get(**where, auth=auth)
    assert signed_in._workspace_id == own._workspace_id
    assert "cluster" in signed_in.compute_targets
    assert signed_in.get_default_datastore().name == "workspaceblobstore"
    assert list(Workspace.list(own.subscription_id, auth=auth)) == [own.name]
    assert list(Workspace.list(own.subscription_id, auth=auth, resource_group=own.resource_group)) == [own.name]
    header = auth.get_authentication_header()
    arm = signed_in.service_context._get_workspace_scope()
    other = arm.rsplit("/", 1)[0] + "/local-production"
    refused(lambda: Workspace.get("local-production", own.subscription_id, auth, own.resource_group))
    base = os.environ["AZUREML_SERVICE_ENDPOINT"]
    for method, path in [
        ("GET", other), ("PUT", other), ("PATCH", arm), ("PUT", arm + "-new"), ("PUT", arm + "/computes/mine"),
        ("DELETE", arm + "/computes/cluster"), ("GET", f"/credential/v2.0{other}/secrets"),
        ("PUT", f"/credential/v2.0{other}/secrets"), ("POST", f"/modelmanagement/v1.0{other}/services/a/listkeys"),
        ("GET", f"/history/v1.0{other}/experiments:query"),
    ]:
        answer = requests.request(method, base + path, headers=header, json={"name": "a", "value": "b"})
        assert answer.status_code in (400, 401), (method, path, answer.text)
        assert answer.status_code == 401 or "NotImplemented" in answer.text
print("done")
""".replace("{tenant}", TENANT)


def found_by_a_step(project: Any, experiment: Any) -> tuple[dict[str, Any], str]:
    """What a step finds out, and its log."""
    run = project.finished(experiment.submit(project.pipeline(project.step("look", LOOK))))
    step = project.steps_of(run)["look"]
    step.download_file("outputs/found.json", "found.json")
    found: dict[str, Any] = json.loads((project.folder / "found.json").read_text())
    return found, step.get_details_with_logs()["logFiles"]["azureml-logs/70_driver_log.txt"]


def test_nothing_that_a_step_finds_holds_the_token_of_the_start(
    project: Any, experiment: Any, server: ServerInfo
) -> None:
    found, log = found_by_a_step(project, experiment)
    assert server.token not in json.dumps(found)
    secret = found["environment"]["MSI_ENDPOINT"].split("/")[-2]
    assert len(secret) >= 64
    assert secret == secret.lower(), "MSAL writes addresses in lower case"
    assert any(secret in cloud for cloud in found["clouds"]), "the SDK was imported before the step was there"
    assert "address" in log
    assert secret not in log
    for path in (f"/msi/{secret}/token", f"/metadata/endpoints?start={secret}"):
        answer = requests.request("POST" if "msi" in path else "GET", server.base_url + path, timeout=20)
        assert answer.status_code == 401, "it counts as long as the step runs"


def test_a_step_signs_in_as_its_run_and_reaches_its_own_workspace_only(project: Any, experiment: Any) -> None:
    project.finished(experiment.submit(project.pipeline(project.step("reach", REACH))))


@pytest.mark.parametrize("word", ["", "guessed", "é", "A" * 64])
def test_a_secret_that_nobody_was_given_signs_nobody_in(server: ServerInfo, word: str) -> None:
    assert requests.post(f"{server.base_url}/msi/{word or '%20'}/token", timeout=20).status_code == 401


def test_two_steps_have_two_secrets(project: Any, experiment: Any, unique: Callable[[str], str]) -> None:
    first, second = (found_by_a_step(project, experiment)[0]["environment"] for _ in range(2))
    assert first["MSI_ENDPOINT"] != second["MSI_ENDPOINT"]
