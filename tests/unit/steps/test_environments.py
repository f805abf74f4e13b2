"""The environments on the compute and in the service have the versions that the tests run with."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest
import yaml

from ml_service.training.snapshots import CODE, STEP_FILES

ROOT = Path(__file__).resolve().parents[3]
PACKAGES = {
    "yaml": "pyyaml",
    "azureml_inference_server_http": "azureml-inference-server-http",
    "flask": "azureml-inference-server-http",  # the server that it is a part of
}


@pytest.mark.parametrize("name", ["training", "scoring"])
def test_every_pin_equals_the_development_lock(name: str) -> None:
    locked = dict(re.findall(r"^([a-z0-9-]+)==([^ \\]+)", (ROOT / "requirements/dev.txt").read_text(), re.MULTILINE))
    environment = yaml.safe_load((ROOT / f"mlops_code/environments/{name}.yml").read_text())
    assert environment["dependencies"][0] == "python=3.11"
    pins = dict(pin.split("==") for pin in environment["dependencies"][-1]["pip"])
    assert pins
    assert pins == {package: locked[package] for package in pins}


@pytest.mark.parametrize("name", ["training", "scoring"])
def test_every_import_at_the_top_of_a_module_is_in_its_environment(name: str) -> None:
    """What a function imports by itself is an extra (statsmodels) or comes with one of these packages (scipy)."""
    environment = yaml.safe_load((CODE / f"environments/{name}.yml").read_text())
    installed = {pin.split("==")[0] for pin in environment["dependencies"][-1]["pip"]}
    steps = STEP_FILES.values()
    files = {file for step in steps for file in (step.scoring if name == "scoring" else step.files)}
    own = {Path(file).parts[0].removesuffix(".py") for file in files}
    found = set()
    for file in files:
        if file.endswith(".py"):
            found |= set(re.findall(r"^(?:from|import) (\w+)", (CODE / file).read_text(), re.MULTILINE))
    foreign = found - own - sys.stdlib_module_names
    assert foreign
    assert {PACKAGES.get(module, module) for module in foreign} <= installed
