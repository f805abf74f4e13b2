"""An adopted repository in a clone: its own table, no sample among its problems, green in all that it keeps."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from local_azure.cli import lifecycle
from tests.docs.newcomer import Newcomer, make_clone
from tests.story.own_data import write_sales
from tests.story.product import ROOT, clean_environment

(ADOPT,) = re.findall(r"^(python -m ml_service adopt .+ Item)$", (ROOT / "README.md").read_text(), re.MULTILINE)


@pytest.fixture
def adopter(tmp_path: Path) -> Iterator[Newcomer]:
    (tmp_path / "home").mkdir()
    environment = clean_environment(tmp_path / "home")
    for name in ("LOCAL_AZURE_STATE", "PYTHONPATH", "MAKEFLAGS", "MAKELEVEL", "MFLAGS"):
        environment.pop(name, None)
    clone = make_clone(tmp_path / "renamed")
    write_sales(tmp_path / "sales.csv")
    own = {"PATH": f"{clone / '.venv/bin'}:{environment['PATH']}"}
    # It installs from the package registries, which other tests must not reach.
    kept = {
        key: value for key, value in environment.items() if not key.startswith("AZURE") and "PROXY" not in key.upper()
    }
    adopter = Newcomer(clone, {**kept, **own}, seconds=3000)
    yield adopter
    lifecycle.stop(adopter.state)


@pytest.mark.campaign
@pytest.mark.timeout(7200)
def test_an_adopted_repository_is_green(adopter: Newcomer) -> None:
    commit = "git -c user.name=t -c user.email=t@example.org commit -qm adopted"
    adopter.types([ADOPT, "git add -A", commit])
    assert list((adopter.clone / "mlops_code/problems").glob("*.yml")) == [
        adopter.clone / "mlops_code/problems/bakery.yml"
    ]
    assert not list((adopter.clone / "local_azure").rglob("*.py"))
    assert (adopter.clone / "README.md").read_text().startswith("# bakery\n")
    # Its environment is made anew: that of this checkout, which the clone has used, is of other sources.
    shutil.rmtree(adopter.clone / ".venv")
    run = adopter.types(["make run"])
    assert run.found(r"^outcome +(\w+)") == "accepted"
    assert run.found(r"^release +(\S+) released") == "bakery:1"
    adopter.types(["make test"])
    reviewed = adopter.types(
        ["python -m local_azure pipelines run .pipelines/pr.yml --reason PullRequest --branch topic"]
    )
    assert re.findall(r"^  (Check\S*): (\w+)$", reviewed.out, re.MULTILINE) == [("Check", "Succeeded")]
    assert git(adopter.clone, "status", "--short") == ""
    assert "AdventureWorks" not in git(adopter.clone, "ls-files", "data", "mlops_code/problems/*.yml")


def git(clone: Path, *words: str) -> str:
    """What git prints."""
    return subprocess.run(["git", *words], cwd=clone, capture_output=True, text=True, check=True).stdout
