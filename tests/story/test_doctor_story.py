"""`doctor` against a server that was told to refuse: each refusal is found, with what removes it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from local_azure.machine_learning.domain.access.denials import RULES, parsed
from local_azure.machine_learning.storage.state import STATE_VARIABLE, StateFolder
from tests.story.conftest import MakeProduct
from tests.story.product import Sdk

Found = list[tuple[str, str, str]]


def diagnose(_: Any, environment: str) -> Found:
    """Check, what was found and the fix, in the process of the SDK."""
    import os

    from ml_service.doctor.examination import examine
    from ml_service.settings.variables import load

    asked = {"AZUREML_PRODUCTION_WORKSPACE_NAME": "local-production", "COMPUTE_NAME": "doctor-cluster"}
    os.environ.update(asked)  # other stories on this server have created the usual cluster
    try:
        report = examine(load(), environment, lambda _: None)
    finally:
        for name in asked:
            del os.environ[name]
    return [(one.check, one.found, one.fix) for one in report.findings]


@pytest.fixture
def refusing(environment: Mapping[str, str]) -> Iterator[StateFolder]:
    """The folder of the server, which refuses nothing again afterwards."""
    state = StateFolder(Path(environment[STATE_VARIABLE]))
    yield state
    state.deny({})


EXPECTED = {
    "sign-in": ("sign-in", "AADSTS70021", "check that the identity exists"),
    "token-after=300": ("sign-in", "the token expires in", "az login"),
    "workspace": ("production workspace", "may not read workspace local-production", "az role assignment create"),
    "provider": ("resource providers of", "Microsoft.ContainerInstance", "az provider register --namespace"),
    "container-groups": (
        "container groups of the production workspace",
        "containerGroups/write",
        "--role 'Azure Container Instances Contributor Role'",
    ),
    "list-keys": ("rights in the production workspace", "listkeys/action", "az role assignment create"),
    "create-compute": ("cluster doctor-cluster", "has no permission to create it", "infra/deploy"),
    "quota": ("quota for container groups in local", "0 cores of StandardCores", "Increase"),
    "shared-keys": ("storage of the training workspace", "forbids shared keys", "--allow-shared-key-access true"),
    "registry-admin": ("container registry of the production", "admin user", "az acr update --name localregistry"),
}


def test_each_rule_is_tried() -> None:
    assert {parsed(rule)[0] for rule in EXPECTED} == RULES.keys()


def test_a_server_that_refuses_nothing_is_sound(sdk: Sdk) -> None:
    assert sdk(diagnose, "production") == []


@pytest.mark.parametrize("rule", EXPECTED)
def test_a_refusal_is_found_with_its_fix(sdk: Sdk, refusing: StateFolder, rule: str) -> None:
    refusing.deny(dict([parsed(rule)]))
    check, told, fix = EXPECTED[rule]

    found = sdk(diagnose, "production")

    assert [one for one in found if check in one[0] and told in one[1] and fix in one[2]], found
    assert not any("/msi/" in text for one in found for text in one), "the address holds a secret"


def test_check_asks_production_and_not_only_for_its_name(make_product: MakeProduct) -> None:
    """Before anything costs money: a workspace that is named and not there would stop the release at its end."""
    product = make_product("asked")

    named = product.with_settings(AZUREML_PRODUCTION_WORKSPACE_NAME="nowhere")
    assert "there is no workspace nowhere" in named.run("check", "--production", code=1).err
    there = product.with_settings(AZUREML_PRODUCTION_WORKSPACE_NAME="local-production")
    assert "responds" in there.run("check", "--production").out
