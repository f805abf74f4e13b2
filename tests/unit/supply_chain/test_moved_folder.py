"""An environment holds absolute paths: in a folder that was renamed, moved or copied `make` builds it again."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.sample import ROOT

COPIED = ("Makefile", "requirements/install", "requirements/tools.txt", "requirements/bootstrap.txt",
          "requirements/build.txt", "requirements/dev.txt", "local_azure/pyproject.toml")  # fmt: skip


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """What `make setup` reads. Its uv installs nothing: the packages are not what is tested."""
    folder = tmp_path / "first"
    for name in COPIED:
        if (ROOT / name).exists():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
    uv = tmp_path / "bin/uv"
    uv.parent.mkdir()
    uv.write_text("#!/bin/sh\n")
    uv.chmod(0o755)
    return folder


def make(folder: Path, target: str = "setup") -> str:
    """What make says on both streams."""
    kept = {key: value for key, value in os.environ.items() if key not in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS")}
    environment = {**kept, "PATH": f"{folder.parent / 'bin'}:{kept['PATH']}"}
    words = ["make", "--no-print-directory", f"PYTHON={sys.executable}", target]
    done = subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


def test_an_environment_is_built_once(clone: Path) -> None:
    assert "1/3 an environment of its own" in make(clone)
    (clone / ".venv/kept").touch()
    assert "1/3" not in make(clone)
    (clone / "requirements/dev.txt").touch()
    assert "1/3" in make(clone)
    assert (clone / ".venv/kept").exists(), "another package is no reason to install all of them again"


@pytest.mark.parametrize("how", ["renamed", "copied"])
def test_in_another_folder_it_is_built_again(clone: Path, how: str) -> None:
    make(clone, ".venv-tools/.installed")
    for environment in (".venv", ".venv-tools"):
        (clone / environment / "of_the_first").touch()
    other = clone.parent / "other folder"
    if how == "renamed":
        clone.rename(other)
    else:
        subprocess.run(["cp", "--archive", str(clone), str(other)], check=True)

    assert "1/3" in make(other, ".venv-tools/.installed")
    for environment in (".venv", ".venv-tools"):
        assert not (other / environment / "of_the_first").exists(), environment
        assert str(other) in (other / environment / "bin/activate").read_text()
    assert "1/3" not in make(other, ".venv-tools/.installed")
