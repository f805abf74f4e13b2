"""Every setting creates something or is listed with the reason why not; infra/ reads no setting that is not there."""

from __future__ import annotations

import re

import pytest
import yaml

from infra.settings import FILES, IN_SCRIPTS, NEEDED, NEEDED_WITH_PRODUCTION, unfilled
from ml_service.azure_devops.controls.configured import configured_connections
from ml_service.settings.variables import CONNECTION_VARIABLES, POOL_VARIABLES, Settings
from tests.infra.bicep import INFRA
from tests.sample import ROOT

IN_TEMPLATE = {"variables.yml": "settings", "environments/production.yml": "production", "infra/settings.yml": "own"}
"""The variable of main.bicep that holds each file."""
IN_AZURE_DEVOPS = ("TENANT_ID", *(f"{name}_CLIENT_ID" for name in ("TRAINING", "PRODUCTION", "READER", "TRIAL")))
"""What infra/deploy prints, and infra/azure_devops.py creates the connections with."""
NOT_OF_INFRASTRUCTURE = {
    **dict.fromkeys(IN_AZURE_DEVOPS, "known only when the template has been deployed"),
    **dict.fromkeys(POOL_VARIABLES, "build agents belong to Azure DevOps, not to a subscription"),
    "NOTIFICATIONS": "the receiver of notifications exists already, and its address is a secret of the builds",
    "TEST_DEPLOYMENT": "it decides which identity deploys, and both have the role",
    "PROBLEM_FILE": "a problem needs no resource of its own; publish and release create what it names",
    "PROBLEMS": "as PROBLEM_FILE",
    "PRODUCTION_SERVICE_NAME": "the web service is created by the first release, which knows its model",
}


def _given(file: str) -> set[str]:
    return set(yaml.safe_load((ROOT / file).read_text(encoding="utf-8"))["variables"])


def _read(variable: str) -> set[str]:
    template = (INFRA / "main.bicep").read_text(encoding="utf-8")
    return set(re.findall(rf"\b{variable}\.([A-Z_]+)\b", template))


@pytest.mark.parametrize("file", FILES)
def test_the_template_reads_each_setting_and_no_other(file: str) -> None:
    assert _read(IN_TEMPLATE[file]) == _given(file) - NOT_OF_INFRASTRUCTURE.keys()


@pytest.mark.parametrize("file", FILES)
def test_the_template_loads_the_file_itself(file: str) -> None:
    path = file.removeprefix("infra/") if file.startswith("infra/") else f"../{file}"
    line = f"var {IN_TEMPLATE[file]} = loadYamlContent('{path}').variables"

    assert line in (INFRA / "main.bicep").read_text(encoding="utf-8").splitlines()


def test_the_script_of_azure_devops_reads_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*CONNECTION_VARIABLES, *IN_AZURE_DEVOPS):
        monkeypatch.setenv(name, f"value of {name}")
    settings = Settings.model_construct(
        azure_subscription_id="s", production_subscription_id="", azureml_production_workspace_name="p"
    )

    connections = configured_connections(settings)

    read = {connection.client_id for connection in connections.values()} | {
        one.tenant_id for one in connections.values()
    }
    assert read == {f"value of {name}" for name in IN_AZURE_DEVOPS}


def test_an_exception_is_a_setting_that_exists() -> None:
    assert set.union(*map(_given, FILES)) >= NOT_OF_INFRASTRUCTURE.keys()


def test_scripts_use_what_they_get_and_get_what_exists() -> None:
    scripts = "".join((INFRA / name).read_text(encoding="utf-8") for name in ("deploy", "remove"))

    assert all(f"${name}" in scripts for name in IN_SCRIPTS)
    assert {*IN_SCRIPTS, *NEEDED, *NEEDED_WITH_PRODUCTION} <= set.union(*map(_given, FILES))


@pytest.mark.parametrize(
    ("production", "missing"), [("", ["LOCATION"]), ("prod", ["LOCATION", "PRODUCTION_CONNECTION"])]
)
def test_what_is_not_filled_in_is_reported_together(production: str, missing: list[str]) -> None:
    values = dict.fromkeys(NEEDED, "given") | {"LOCATION": "<region>", "PRODUCTION_CONNECTION": ""}

    assert unfilled({**values, "AZUREML_PRODUCTION_WORKSPACE_NAME": production}) == missing
