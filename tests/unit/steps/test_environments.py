"""The environments on the compute and in the service have the versions that the tests run with."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.parametrize("name", ["training", "scoring"])
def test_every_pin_equals_the_development_lock(name: str) -> None:
    locked = dict(re.findall(r"^([a-z0-9-]+)==([^ \\]+)", (ROOT / "requirements/dev.txt").read_text(), re.MULTILINE))
    environment = yaml.safe_load((ROOT / f"mlops_code/environments/{name}.yml").read_text())
    assert environment["dependencies"][0] == "python=3.11"
    pins = dict(pin.split("==") for pin in environment["dependencies"][-1]["pip"])
    assert pins
    assert pins == {package: locked[package] for package in pins}
