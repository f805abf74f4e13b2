"""Every setting creates something or is listed with the reason why not; infra/ reads no setting that is not there."""

from __future__ import annotations

import re

import pytest
import yaml

from infra.settings import FILES, IN_SCRIPTS, NEEDED, NEEDED_WITH_PRODUCTION, unfilled
from tests.infra.bicep import INFRA
from tests.story.product import ROOT

IN_TEMPLATE = {"variables.yml": "settings", "environments/production.yml": "production", "infra/settings.yml": "own"}
"""The variable of main.bicep that holds each file."""
NOT_OF_INFRASTRUCTURE = {
    "PROBLEM_FILE": "a problem needs no resource of its own; publish and release create what it names",
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
