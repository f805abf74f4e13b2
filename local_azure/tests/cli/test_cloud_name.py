"""The cloud has a name of its own, so that no SDK takes it for Azure's and dials the real addresses."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import requests

from local_azure.cli.client_environment import client_environment
from local_azure.machine_learning.storage.state import ServerInfo, StateFolder

HERE = Path(__file__).parent
DEAD_PROXY = "http://127.0.0.1:9"
PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy")
REAL = ("AzureCloud", "AzureChinaCloud", "AzureUSGovernment", "AzureGermanCloud")


def test_the_name_is_none_that_an_sdk_knows_and_is_in_our_list(state: StateFolder, server: ServerInfo) -> None:
    variables = client_environment({"AZUREML_CURRENT_CLOUD": "AzureCloud"}, state, server)
    name = variables["AZUREML_CURRENT_CLOUD"]
    assert name not in REAL
    listed = requests.get(variables["ARM_CLOUD_METADATA_URL"], timeout=20).json()
    assert [cloud["name"] for cloud in listed] == [name, "AzureCloud"]
    for cloud in listed:
        addresses = (cloud["resourceManager"], cloud["authentication"]["loginEndpoint"], cloud["portal"])
        assert all("://127.0.0.1:" in address for address in addresses)


@pytest.mark.parametrize("name", ["AzureCloud", "LocalAzure", None])
def test_a_program_of_sdk_v1_may_name_either(ws: Any, name: str | None) -> None:
    from azureml.core import Workspace
    from azureml.core.authentication import InteractiveLoginAuthentication, ServicePrincipalAuthentication

    for auth in (
        ServicePrincipalAuthentication("tenant", "id", "word", cloud=name),
        InteractiveLoginAuthentication(cloud=name),
    ):
        found = Workspace.get(ws.name, auth, ws.subscription_id, ws.resource_group)
        assert found.get_default_datastore().name == "workspaceblobstore"


@pytest.mark.skipif(importlib.util.find_spec("azure.ai") is None, reason="azure-ai-ml is not installed here")
def test_a_program_of_sdk_v2_never_dials_the_real_address(
    state: StateFolder, server: ServerInfo, tmp_path: Path
) -> None:
    variables = client_environment(os.environ, state, server) | dict.fromkeys(PROXIES, DEAD_PROXY)
    done = subprocess.run(
        [sys.executable, str(HERE / "sdk_v2_client.py")],
        cwd=tmp_path,
        env=variables,
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )
    said = done.stdout + done.stderr
    assert done.returncode != 0
    assert "azure.com" not in said.replace("learn.microsoft.com", "")
    assert f"asks https://127.0.0.1:{server.tls_port}" in said or "Unknown cloud" in said
