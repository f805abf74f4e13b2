"""A clean environment for every test: what the machine happens to have set must not decide."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from ml_service.settings.variables import Settings, load
from tests.sample import DATA, PROBLEMS, ROOT

VARIABLES = {
    "AZURE_SUBSCRIPTION_ID": "11111111-2222-3333-4444-555555555555",
    "AZURE_RESOURCE_GROUP": "unit-rg",
    "AZUREML_WORKSPACE_NAME": "unit-ws",
    "COMPUTE_NAME": "train-cluster",
    "COMPUTE_VM_SIZE": "STANDARD_DS2_V2",
    "COMPUTE_MAX_NODES": "2",
    "PIPELINE_NAME": "unit-training",
    "PIPELINE_ENDPOINT_NAME": "unit-endpoint",
    "EXPERIMENT_NAME": "unit",
    "MODEL_NAME": "unit",
    "DATASET_NAME": "unit-data",
    "DATA_FILE": str((DATA / "daily_by_type.csv").relative_to(ROOT)),
    "PROBLEM_FILE": str((PROBLEMS / "paid_amount.yml").relative_to(ROOT)),
    "TEST_SERVICE_NAME": "unit-test",
}

WriteVariables = Callable[[dict[str, str]], Path]
MakeSettings = Callable[[dict[str, str]], Settings]


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.lower() in Settings.model_fields:
            monkeypatch.delenv(name)


@pytest.fixture
def variables() -> dict[str, str]:
    """A complete set of variables."""
    return dict(VARIABLES)


@pytest.fixture
def write_variables(tmp_path: Path) -> WriteVariables:
    """Write a variables file with the given content."""

    def write(values: dict[str, str]) -> Path:
        path = tmp_path / "variables.yml"
        path.write_text("variables:\n" + "".join(f"  {name}: {value}\n" for name, value in values.items()))
        return path

    return write


@pytest.fixture
def make_settings(write_variables: WriteVariables, monkeypatch: pytest.MonkeyPatch) -> MakeSettings:
    """Settings from a complete file and the given environment."""

    def make(environment: dict[str, str]) -> Settings:
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        return load(write_variables(VARIABLES))

    return make
