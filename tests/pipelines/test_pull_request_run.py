"""pr.yml itself, run on this machine: green for a sound tree, red at the right job for a seeded defect.

The tree has all code of the product, but a suite of two tests, and mypy reads it and says nothing: what is tested
here is the pipeline, not the product.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from local_azure.machine_learning.storage.state import StateFolder
from tests.pipelines.house import House, copy_repository
from tests.story.product import clean_environment

pytestmark = [pytest.mark.slow, pytest.mark.campaign]

SOUND = (
    '"""A test."""\n\nfrom {package} import errors\n\n\ndef test_it_is_there() -> None:\n    assert errors.__doc__\n'
)
JOBS = tuple(f"Check.{job}" for job in ("style", "pipelines", "tests", "emulator", "adoption", "stories"))
QUEUED = ("--reason", "PullRequest", "--branch", "topic")


def write(tree: Path, relative: str, text: str) -> None:
    """A new file of the tree."""
    path = tree / relative
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> House:
    """The tree; no server: each job that needs one starts its own."""
    folder = tmp_path_factory.mktemp("pull_request")
    tree = copy_repository(
        folder / "repository", "pyproject.toml", ".yamllint", ".gitignore", "conftest.py", "tests/run_guard.py"
    )
    write(tree, "tests/test_of_the_product.py", SOUND.format(package="ml_service"))
    write(tree, "tests/story/test_adoption_story.py", SOUND.format(package="ml_service"))
    write(tree, "tests/campaign/__main__.py", '"""No campaign."""\n')
    write(tree, "local_azure/tests/test_of_local_azure.py", SOUND.format(package="local_azure.machine_learning"))
    settings = tree / "pyproject.toml"
    head, _, tail = settings.read_text().partition("[tool.mypy]\n")
    _, _, tail = tail.partition("\n\n")
    one_module = 'files = ["ml_service/errors.py"]\nfollow_imports = "skip"\nignore_errors = true'
    settings.write_text(f"{head}[tool.mypy]\n{one_module}\n\n{tail}")
    return House(tree, StateFolder(folder / "state"), clean_environment(tmp_path_factory.mktemp("home")))


@contextmanager
def defect(house: House, relative: str, old: str, new: str) -> Iterator[None]:
    """A file of the tree with another text."""
    path = house.tree / relative
    first = path.read_text()
    assert old in first
    path.write_text(first.replace(old, new))
    yield
    path.write_text(first)


def test_a_sound_tree_is_green_and_its_results_are_published(house: House) -> None:
    ran = house.run("pr", *QUEUED)

    assert (ran.code, ran.jobs) == (0, dict.fromkeys(JOBS, "Succeeded")), ran.document["issues"]
    assert ["nunit.xml" in path for path in ran.document["kept"]] == [True, True], "one of each suite"
    assert "line coverage" in ran.log("Check.tests")
    assert "outcome    accepted, first-model" in ran.log("Check.pipelines")
    assert "release.yml: no faults." in ran.log("Check.pipelines")
    assert ran.document["artifacts"] == []


def test_each_defect_turns_the_job_red_that_looks_for_it(house: House) -> None:
    with (
        defect(house, "ml_service/errors.py", "from typing", "import json\nfrom typing"),
        defect(house, "mlops_code/problems/paid_amount.yml", "gate:", "gaet:"),
        defect(house, ".pipelines/templates/kinds/audit.yml", "dependsOn: []", "dependsOn: [Nowhere]"),
        defect(house, "local_azure/tests/test_of_local_azure.py", "assert errors", "assert not errors"),
    ):
        ran = house.run("pr", *QUEUED)

    assert ran.code == 1
    assert ran.jobs == dict(
        zip(JOBS, ["Failed", "Failed", "Succeeded", "Failed", "Succeeded", "Succeeded"], strict=True)
    )
    assert "unused-import" in ran.log("Check.style")
    found = ran.log("Check.pipelines")
    assert ".pipelines/audit.yml:3: The pipeline must contain at least one stage" in found
    assert "paid_amount.yml: unknown section gaet; expected " in found
    assert "release.yml: no faults." in found, "one fault hides no other file"
    assert ["error", "Check.emulator", "1 test(s) failed, 1 test(s) collected."] in ran.document["issues"]
