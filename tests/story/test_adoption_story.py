"""An adopted repository in a clone: its own table, no sample among its problems, green in all that it keeps."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from local_azure.cli import lifecycle
from tests.docs.newcomer import Newcomer, make_clone
from tests.story.own_data import write_sales
from tests.story.product import clean_environment

ADOPT = "python -m ml_service adopt bakery --data ../sales.csv --date Day --measure Units --key Shop --key Item"


@pytest.fixture
def adopter(tmp_path: Path) -> Iterator[Newcomer]:
    (tmp_path / "home").mkdir()
    environment = clean_environment(tmp_path / "home")
    for name in ("LOCAL_AZURE_STATE", "PYTHONPATH", "MAKEFLAGS", "MAKELEVEL", "MFLAGS"):
        environment.pop(name, None)
    clone = make_clone(tmp_path / "renamed")
    write_sales(tmp_path / "sales.csv")
    own = {"PATH": f"{clone / '.venv/bin'}:{environment['PATH']}", "PYTHONPATH": str(clone / "local_azure/src")}
    kept = {key: value for key, value in environment.items() if not key.startswith("AZURE")}
    adopter = Newcomer(clone, {**kept, **own})
    yield adopter
    lifecycle.stop(adopter.state)


@pytest.mark.campaign
@pytest.mark.timeout(1500)
def test_an_adopted_repository_is_green(adopter: Newcomer) -> None:
    commit = "git -c user.name=t -c user.email=t@example.org commit -qm adopted"
    adopter.types([ADOPT, "git add -A", commit])
    assert list((adopter.clone / "mlops_code/problems").glob("*.yml")) == [
        adopter.clone / "mlops_code/problems/bakery.yml"
    ]
    run = adopter.types(["make run"])
    assert run.found(r"^outcome +(\w+)") == "accepted"
    assert run.found(r"^release +(\S+) released") == "bakery:1"
    adopter.types(["python -m local_azure pipelines check .pipelines/*.yml", "ruff check .", "mypy"])
    done = subprocess.run(
        ["python", "-m", "pytest", "-q", "tests", "-n", "2"],
        cwd=adopter.clone, env=dict(adopter.environment), capture_output=True, text=True, check=False, timeout=1200,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-5000:]
