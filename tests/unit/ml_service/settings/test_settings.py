"""Settings: one report for everything that is wrong; the environment wins; the file matches the fields."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from ml_service.errors import InvalidRequestError
from ml_service.settings.variables import (
    AGENT_VARIABLES,
    CONNECTION_VARIABLES,
    DERIVED_VARIABLES,
    POOL_VARIABLES,
    PROBLEMS_VARIABLE,
    PRODUCTION_FILE,
    PRODUCTION_VARIABLES,
    SWITCHES,
    VARIABLES_FILE,
    Settings,
    load,
)
from tests.sample import DATA, PROBLEMS

WriteVariables = Callable[[dict[str, str]], Path]


def shipped(path: Path) -> dict[str, str]:
    """The variables of a file."""
    found: dict[str, str] = yaml.safe_load(path.read_text())["variables"]
    return found


def test_both_files_have_exactly_the_names_of_the_fields() -> None:
    fields = {name.upper() for name in Settings.model_fields}
    ours, production = set(shipped(VARIABLES_FILE)), set(shipped(PRODUCTION_FILE))

    assert fields >= AGENT_VARIABLES
    elsewhere = CONNECTION_VARIABLES | POOL_VARIABLES | SWITCHES | {PROBLEMS_VARIABLE}
    assert ours | production | DERIVED_VARIABLES == (fields - AGENT_VARIABLES) | elsewhere
    assert not ours & DERIVED_VARIABLES
    assert not ours & production
    assert production == PRODUCTION_VARIABLES


@pytest.mark.parametrize("path", [VARIABLES_FILE, PRODUCTION_FILE], ids=lambda path: path.name)
def test_every_shipped_variable_has_a_comment_above_it(path: Path) -> None:
    lines = path.read_text().splitlines()
    names = [number for number, line in enumerate(lines) if re.match(r"  [A-Z_]+:", line)]

    assert len(names) == len(shipped(path))
    assert [lines[number] for number in names if not lines[number - 1].lstrip().startswith("# ")] == []


def test_the_shipped_file_reports_every_placeholder_at_once() -> None:
    with pytest.raises(InvalidRequestError) as caught:
        load()

    message = str(caught.value)
    assert caught.value.exit_code == 2
    assert "3 settings are not usable" in message
    for name in ("AZURE_SUBSCRIPTION_ID", "AZURE_RESOURCE_GROUP", "AZUREML_WORKSPACE_NAME"):
        assert f"{name} is still the placeholder" in message
    assert "edit variables.yml" in message
    assert "for example mlops-dev-rg" in message


def test_missing_empty_placeholder_undefined_and_illegal_are_one_report(
    variables: dict[str, str], write_variables: WriteVariables, monkeypatch: pytest.MonkeyPatch
) -> None:
    values = {**variables, "MODEL_NAME": "<model>", "EXPERIMENT_NAME": "", "TEST_SERVICE_NAME": "Not Legal"}
    del values["COMPUTE_NAME"]
    monkeypatch.setenv("DATASET_NAME", "$(DATASET_NAME)")
    monkeypatch.setenv("COMPUTE_MAX_NODES", "many")

    with pytest.raises(InvalidRequestError) as caught:
        load(write_variables(values))

    found = caught.value.found.splitlines()
    assert len(found) == 6
    assert "COMPUTE_NAME is missing, for example train-cluster" in found
    assert any(line.startswith("MODEL_NAME is still the placeholder <model> (from") for line in found)
    assert any(line.startswith("EXPERIMENT_NAME is empty (from") for line in found)
    assert any(line.startswith("TEST_SERVICE_NAME is invalid") for line in found)
    assert any(
        line.startswith("DATASET_NAME is still the placeholder $(DATASET_NAME) (from the env") for line in found
    )
    assert any(line.startswith("COMPUTE_MAX_NODES is invalid") for line in found)


def test_a_missing_file_reports_every_name(variables: dict[str, str], tmp_path: Path) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        load(tmp_path / "absent.yml")

    assert {line.split()[0] for line in caught.value.found.splitlines()} == set(variables) - DERIVED_VARIABLES


def test_the_environment_wins_over_the_file(
    variables: dict[str, str], write_variables: WriteVariables, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MODEL_NAME", "from-environment")

    settings = load(write_variables(variables))

    assert settings.model_name == "from-environment"
    assert settings.experiment_name == "unit"
    assert settings.compute_max_nodes == 2


def test_production_is_optional_and_never_half_filled(
    variables: dict[str, str], write_variables: WriteVariables, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    production = tmp_path / "production.yml"
    production.write_text("variables:\n  PRODUCTION_SERVICE_NAME: served\n  AZUREML_PRODUCTION_WORKSPACE_NAME: ''\n")
    assert not load(write_variables(variables), production).has_production
    monkeypatch.setenv("AZUREML_PRODUCTION_WORKSPACE_NAME", "prod")
    assert load(write_variables(variables), production).has_production
    monkeypatch.delenv("AZUREML_PRODUCTION_WORKSPACE_NAME")
    production.write_text("variables:\n  PRODUCTION_SERVICE_NAME: S\n  AZUREML_PRODUCTION_WORKSPACE_NAME: <prod>\n")

    with pytest.raises(InvalidRequestError) as caught:
        load(write_variables(variables), production)
    found = caught.value.found.splitlines()
    assert any(line.startswith("AZUREML_PRODUCTION_WORKSPACE_NAME is still the placeholder <prod>") for line in found)
    assert any(line.startswith("PRODUCTION_SERVICE_NAME is invalid") and "production.yml" in line for line in found)


def test_an_empty_environment_variable_is_reported_not_ignored(
    variables: dict[str, str], write_variables: WriteVariables, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MODEL_NAME", "")

    with pytest.raises(InvalidRequestError, match=re.escape("MODEL_NAME is empty (from the environment)")):
        load(write_variables(variables))


def test_relative_paths_are_meant_from_the_repository(
    variables: dict[str, str], write_variables: WriteVariables, tmp_path: Path
) -> None:
    elsewhere = tmp_path / "problem.yml"
    shutil.copyfile(PROBLEMS / "paid_amount.yml", elsewhere)
    settings = load(write_variables({**variables, "PROBLEM_FILE": str(elsewhere)}))

    assert settings.data_file == DATA / "daily_by_type.csv"
    assert settings.problem_file == elsewhere


def test_undefined_agent_variables_count_as_absent(
    variables: dict[str, str], write_variables: WriteVariables, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SYSTEM_ACCESSTOKEN", "$(System.AccessToken)")

    assert load(write_variables(variables)).system_accesstoken.get_secret_value() == ""


def test_the_access_token_is_never_printed(
    variables: dict[str, str], write_variables: WriteVariables, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SYSTEM_ACCESSTOKEN", "very-secret")

    assert "very-secret" not in repr(load(write_variables(variables)))


@pytest.mark.parametrize(
    ("text", "expected"),
    [("variables: [a, b]", "has no variables"), ("variables:\n  A: [", "not readable as YAML")],
)
def test_a_broken_file_is_named(tmp_path: Path, text: str, expected: str) -> None:
    path = tmp_path / "variables.yml"
    path.write_text(text)

    with pytest.raises(InvalidRequestError, match=expected):
        load(path)


def test_settings_cannot_be_changed(variables: dict[str, str], write_variables: WriteVariables) -> None:
    settings = load(write_variables(variables))

    with pytest.raises(ValueError, match="frozen"):
        settings.model_name = "other"


def test_without_home_the_settings_say_so(
    write_variables: WriteVariables, variables: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_variables(variables)
    monkeypatch.delenv("HOME")
    with pytest.raises(InvalidRequestError, match="HOME is not set") as refused:
        load(path)
    assert "export HOME=FOLDER" in refused.value.todo
