"""Every way to sign in that asks no package beyond the SDK, and the door in front of it."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import pytest
import requests

from local_azure.machine_learning.storage.certificates import BUNDLE
from local_azure.machine_learning.storage.state import ServerInfo, StateFolder

TENANT = "11111111-2222-3333-4444-555555555555"


def _principal(tenant: str) -> Any:
    from azureml.core.authentication import ServicePrincipalAuthentication

    return ServicePrincipalAuthentication(tenant, "66666666-7777-8888-9999-000000000000", "a password")


def _managed_identity() -> Any:
    from azureml.core.authentication import MsiAuthentication

    return MsiAuthentication(identity_config={"client_id": "one of several"})


def _interactive(**settings: Any) -> Any:
    from azureml.core.authentication import InteractiveLoginAuthentication

    return InteractiveLoginAuthentication(**settings)


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(lambda: _principal(TENANT), id="service principal"),
        pytest.param(lambda: _principal("somewhere.onmicrosoft.com"), id="service principal of a named tenant"),
        pytest.param(_managed_identity, id="managed identity with a client id"),
        pytest.param(_interactive, id="interactive"),
        pytest.param(lambda: _interactive(tenant_id=TENANT), id="interactive with a tenant"),
        pytest.param(lambda: _interactive(tenant_id=TENANT, force=True), id="interactive with a tenant, forced"),
    ],
)
def test_a_program_that_signs_in_by_itself_reaches_the_workspace(ws: Any, make: Callable[[], Any]) -> None:
    from azureml.core import Workspace

    found = Workspace.get(ws.name, make(), ws.subscription_id, ws.resource_group)
    assert found.get_default_datastore().name == "workspaceblobstore"


def test_the_header_of_a_service_principal_opens_a_rest_call(ws: Any, server: ServerInfo) -> None:
    header = _principal(TENANT).get_authentication_header()
    address = f"{server.base_url}/datastore/v1.0{_scope(ws)}/default"
    assert requests.get(address, headers=header, timeout=20).json()["name"] == "workspaceblobstore"


def _scope(ws: Any) -> str:
    return (
        f"/subscriptions/{ws.subscription_id}/resourceGroups/{ws.resource_group}"
        f"/providers/Microsoft.MachineLearningServices/workspaces/{ws.name}"
    )


def test_the_address_for_signing_in_is_told_only_to_who_has_the_token(state: StateFolder, server: ServerInfo) -> None:
    clouds = f"{server.base_url}/metadata/endpoints"
    told = requests.get(clouds, timeout=20)
    assert told.status_code == 200
    assert server.token not in told.text
    assert requests.get(clouds, params={"start": "guessed"}, timeout=20).status_code == 401
    bundle = str(state.certificates / BUNDLE)
    login = told.json()[0]["authentication"]["loginEndpoint"]
    for path in ("/.well-known/openid-configuration", "/oauth2/token"):
        method = "GET" if "known" in path else "POST"
        assert requests.request(method, login + path, verify=bundle, timeout=20).status_code == 401


def test_the_variables_of_a_client_lead_to_it(server: ServerInfo) -> None:
    told = requests.get(os.environ["ARM_CLOUD_METADATA_URL"], timeout=20).json()
    assert server.token in told[0]["authentication"]["loginEndpoint"]
    assert server.token == server.token.lower()  # MSAL writes addresses in lower case


def test_in_a_step_everybody_signs_in_as_the_run_and_nobody_is_asked(project: Any, experiment: Any) -> None:
    script = f"""
from azureml.core import Run, Workspace
from azureml.core.authentication import ServicePrincipalAuthentication
ws = Run.get_context().experiment.workspace
where = dict(name=ws.name, subscription_id=ws.subscription_id, resource_group=ws.resource_group)
signed_in = Workspace.get(**where, auth=ServicePrincipalAuthentication("{TENANT}", "id", "word"))
assert "cluster" in signed_in.compute_targets
assert Workspace.get(**where)._workspace_id == ws._workspace_id
try:
    Workspace.get(**{{**where, "name": "local-production"}})
except Exception as error:
    assert "own workspace" in str(error), error
else:
    raise AssertionError("a step reached another workspace")
"""
    project.finished(experiment.submit(project.pipeline(project.step("sign", script))))
