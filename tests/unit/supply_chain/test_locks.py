"""The locks: every package once, with hashes, without a registry's address, and nothing else installed."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from importlib.metadata import distributions
from pathlib import Path

import pytest

from requirements import held_back
from requirements.locks import ENVIRONMENTS, HERE, ROOT, canonical, locked, read_lock

LOCKS = sorted(path.stem for path in HERE.glob("*.txt"))
FILES = [*sorted(HERE.glob("*.txt")), *sorted((ROOT / "bench/requirements").glob("*.txt"))]
INSTALLED_FROM_HERE = "local-azure"


@pytest.mark.parametrize("lock", FILES, ids=lambda path: path.stem)
def test_every_package_has_hashes_and_no_address(lock: Path) -> None:
    text = lock.read_text()
    pins = read_lock(text)
    assert len(pins) == len(re.findall(r"^[a-z]", text, re.MULTILINE)), "a line that is not a pin"
    assert all(pin.hashes for pin in pins.values())
    assert "://" not in text
    assert not re.search(r"^-", text, re.MULTILINE), "an option, for example of an index"


def test_nothing_that_installs_names_a_registry() -> None:
    names = ("Makefile", "template.mk", "pyproject.toml", "local_azure/pyproject.toml", "bench/run")
    recipes = [ROOT / name for name in names if (ROOT / name).is_file()]  # an adopted repository lacks some
    recipes += [*(ROOT / ".ci").iterdir(), *HERE.glob("*.in"), HERE / "install"]
    recipes += (ROOT / "mlops_code/environments").glob("*.yml")
    for recipe in recipes:
        assert not re.search(r"index|find-links|trusted-host|://", recipe.read_text()), recipe


@pytest.mark.parametrize("name", ["training", "scoring", "arima"])
def test_what_runs_elsewhere_is_part_of_what_the_laptop_has(name: str) -> None:
    laptop = locked("dev")
    assert {package: laptop.get(package) for package in locked(name)} == locked(name)


def test_every_lock_is_written_by_make_lock() -> None:
    recipe = (ROOT / "Makefile").read_text()
    written = {
        name for names in re.findall(r"for name in ([a-z ]+); do \$\(COMPILE\)", recipe) for name in names.split()
    }
    written |= set(re.findall(r"\$\(COMPILE\).* requirements/([a-z]+)\.in -o requirements/\1\.txt", recipe))
    assert written == set(LOCKS) == {path.stem for path in HERE.glob("*.in")}
    assert set(ENVIRONMENTS) <= written


def test_the_environment_holds_the_lock_and_nothing_else() -> None:
    found = {canonical(package.metadata["Name"]): package.version for package in distributions()}
    assert found.pop(INSTALLED_FROM_HERE)
    assert found == {name: pin.version for name, pin in locked("dev").items()}


def test_the_page_of_what_holds_packages_back_is_of_this_lock() -> None:
    assert held_back.check(held_back.PAGE.read_text()) == []


@pytest.mark.parametrize(
    ("planted", "instead"),
    [
        (r"`azureml-core` (\S+) requires `knack<0\.13\.0`", "`azureml-core` 1.60.0 requires `knack<0.13.0`"),
        (r"\| `numpy` \| \S+ ", "| `numpy` | 1.0 "),
        (r"\| `pathspec` .*\n", ""),
        (r"SHA-256 `\w", "SHA-256 `x"),
        (r"\| 2\.\S+ requires `pathspec>=1\.0\.0`", "| 2.4.1 requires `pathspec>=0.1`"),
    ],
)
def test_a_page_that_is_out_of_date_is_found(planted: str, instead: str) -> None:
    text, count = re.subn(planted, instead, held_back.PAGE.read_text())
    assert count
    assert any("run `make lock`" in fault for fault in held_back.check(text))


def job(folder: Path, python: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run .ci/install as a job does, with this Python as `python`; what would install only says how it was called."""
    (folder / "bin").mkdir(parents=True)
    (folder / "bin/python").write_text(f'#!/bin/sh\nexec "{python}" "$@"\n')
    (folder / "bin/python").chmod(0o755)
    for name in (".ci/install", "requirements/dev.txt"):
        (folder / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, folder / name)
    (folder / "requirements/install").write_text('#!/bin/sh\necho "install $*"\n')
    (folder / "requirements/install").chmod(0o755)
    environment = {"PATH": f"{folder / 'bin'}:/usr/bin:/bin", **variables}
    return subprocess.run([folder / ".ci/install"], env=environment, capture_output=True, text=True, check=False)


def test_an_agent_gets_an_environment_of_its_own(tmp_path: Path) -> None:
    bare = os.path.realpath(sys.executable)
    done = job(tmp_path, bare, AGENT_TEMPDIRECTORY=str(tmp_path / "temp"))
    folder = tmp_path / "temp/locked"
    assert done.stdout.splitlines() == [f"install python {folder}", f"##vso[task.prependpath]{folder}/bin"]
    assert done.returncode == 0, done.stderr


def test_outside_a_job_nothing_is_installed(tmp_path: Path) -> None:
    done = job(tmp_path, os.path.realpath(sys.executable))
    assert done.returncode != 0
    assert "AGENT_TEMPDIRECTORY: is not set" in done.stderr
    assert not done.stdout


def test_a_python_that_has_the_lock_is_left_alone(tmp_path: Path) -> None:
    done = job(tmp_path, sys.executable)
    assert (done.returncode, done.stdout) == (0, "the locked packages are installed\n"), done.stderr
