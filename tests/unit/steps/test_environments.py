"""The environments on the compute and in the service have the versions that the tests run with, with their hashes."""

from __future__ import annotations

import json
import re
import sys
from importlib.metadata import requires
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement

from ml_service.training.snapshots import STEP_FILES
from requirements.conda import installable_hashes, platform_tags
from requirements.locks import Locked, canonical, locked

ROOT = Path(__file__).resolve().parents[3]
PACKAGES = {
    "yaml": "pyyaml",
    "azureml_inference_server_http": "azureml-inference-server-http",
    "flask": "azureml-inference-server-http",  # the server that it is a part of
}
BOTH = pytest.mark.parametrize("name", ["training", "scoring"])


def conda_file(name: str) -> Path:
    return ROOT / f"mlops_code/environments/{name}.yml"


def pip_lines(name: str) -> list[str]:
    lines: list[str] = yaml.safe_load(conda_file(name).read_text())["dependencies"][-1]["pip"]
    return lines


def pins_of(name: str) -> dict[str, Locked]:
    """The packages of a conda file; a line that is not a pin with hashes is refused."""
    found = {}
    for line in pip_lines(name):
        package, *hashes = line.split(" ")
        pin, version = package.split("==")
        digests = [re.fullmatch(r"--hash=sha256:([0-9a-f]{64})", one) for one in hashes]
        assert digests
        assert all(digests), line
        found[pin] = Locked(pin, version, frozenset(digest[1] for digest in digests if digest))
    return found


@BOTH
def test_every_pin_equals_the_development_lock(name: str) -> None:
    development = dict(
        re.findall(r"^([a-z0-9-]+)==([^ \\]+)", (ROOT / "requirements/dev.txt").read_text(), re.MULTILINE)
    )
    environment = yaml.safe_load(conda_file(name).read_text())
    assert re.fullmatch(r"python=3\.11\.\d+", environment["dependencies"][0])
    pins = dict(pin.split(" ")[0].split("==") for pin in environment["dependencies"][-1]["pip"])
    assert pins
    assert pins == {package: development[package] for package in pins}
    assert environment["dependencies"][1] == f"pip={development['pip']}"


@BOTH
def test_laptop_lock_and_conda_file_hold_the_same_files(name: str) -> None:
    pins, lock, development = pins_of(name), locked(name), locked("dev")
    assert pins.keys() == lock.keys()
    for package, pin in pins.items():
        assert pin.version == lock[package].version == development[package].version
        assert pin.hashes, package
        assert pin.hashes <= lock[package].hashes == development[package].hashes


@BOTH
def test_every_dependency_of_every_package_is_in_the_file(name: str) -> None:
    """With hashes pip refuses whatever is missing, and the image would not be built."""
    pins = pins_of(name)
    extras = {"azureml-dataset-runtime": {"fuse"}} if name == "scoring" else {}
    for package in pins:
        wanted = [Requirement(text) for text in requires(package) or []]
        for requirement in wanted:
            marker = requirement.marker
            asked = marker is None or any(
                marker.evaluate({"extra": extra}) for extra in ("", *extras.get(package, ()))
            )
            if asked:
                needed = canonical(requirement.name)
                assert needed in pins, f"{package} needs {requirement}"
                assert requirement.specifier.contains(pins[needed].version, prereleases=True)


@BOTH
def test_the_sdk_hands_on_every_line_as_it_is(name: str) -> None:
    from azureml.core import Environment

    environment = Environment.from_conda_specification(f"forecast-{name}", str(conda_file(name)))
    sent: dict[str, Any] = json.loads(json.dumps(Environment._serialize_to_dict(environment)))
    assert sent["python"]["condaDependencies"] == yaml.safe_load(conda_file(name).read_text())
    assert list(environment.python.conda_dependencies.pip_packages) == pip_lines(name)
    assert list(environment.python.conda_dependencies.pip_options) == []


def wheel(name: str, digest: str) -> dict[str, Any]:
    return {"url": f"https://host/{name}", "hashes": {"sha256": digest}}


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        (["p-1-py3-none-any.whl"], ["0"]),
        (["p-1-cp311-cp311-manylinux_2_17_x86_64.manylinux2014_x86_64.whl", "p-1-cp311-cp311-win_amd64.whl"], ["0"]),
        (["p-1-cp312-cp312-manylinux_2_17_x86_64.whl", "p-1-cp39-abi3-manylinux_2_28_x86_64.whl"], ["1"]),
        (["p-1-cp311-cp311-musllinux_1_2_x86_64.whl", "p-1-cp311-cp311-manylinux_2_17_aarch64.whl"], ["source"]),
        (["p-1-cp311-cp311-manylinux_2_39_x86_64.whl"], ["source"]),
        ([], ["source"]),
    ],
)
def test_of_all_files_those_for_the_base_image_are_named(files: list[str], expected: list[str]) -> None:
    wheels = [wheel(name, str(number)) for number, name in enumerate(files)]
    package = {"name": "p", "sdist": wheel("p-1.tar.gz", "source"), "wheels": wheels}
    assert installable_hashes(package, platform_tags()) == expected


@BOTH
def test_every_import_at_the_top_of_a_module_is_in_its_environment(name: str) -> None:
    """What a function imports by itself is an extra (statsmodels) or comes with one of these packages (scipy)."""
    steps = STEP_FILES.values()
    files = {file for step in steps for file in (step.scoring if name == "scoring" else step.files)}
    own = {Path(file).parts[0].removesuffix(".py") for file in files}
    found = set()
    for file in files:
        if file.endswith(".py"):
            text = (ROOT / "mlops_code" / file).read_text()
            found |= set(re.findall(r"^(?:from|import) (\w+)", text, re.MULTILINE))
    foreign = found - own - sys.stdlib_module_names
    assert foreign
    assert {PACKAGES.get(module, module) for module in foreign} <= pins_of(name).keys()
