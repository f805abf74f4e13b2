"""What a newcomer meets before anything is installed: one sentence that says what to do, never a traceback."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.sample import ROOT


def test_outside_the_environment_the_command_says_so() -> None:
    words = [sys.executable, "-S", "-m", "ml_service", "check"]  # -S: without installed packages
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 2
    assert "is not the environment of this repository: it has no package typer" in done.stderr
    assert "make setup" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("platform", ["Linux aarch64", "Darwin arm64"])
def test_another_platform_is_named_with_the_way_around(tmp_path: Path, platform: str) -> None:
    python = tmp_path / "python"
    python.write_text(f"#!/bin/sh\necho {platform}\n")
    python.chmod(0o755)
    words = [str(ROOT / "requirements/install"), str(python), str(tmp_path / "venv")]
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 2
    assert f"error: this machine is {platform}" in done.stderr
    assert "Dev Containers" in done.stderr
    assert not (tmp_path / "venv").exists()


def test_a_python_that_is_too_old_is_named(tmp_path: Path) -> None:
    python = tmp_path / "python"
    python.write_text(
        '#!/bin/sh\ncase "$*" in *version_info*) exit 1;; *platform*) echo Linux x86_64;; esac\n'
        'case "$*" in --version) echo Python 3.11.2;; esac\n'
    )
    python.chmod(0o755)
    words = [str(ROOT / "requirements/install"), str(python), str(tmp_path / "venv")]
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 2
    assert "is Python 3.11.2; Python 3.11.4 or a newer 3.11 is needed" in done.stderr
    assert "make PYTHON=/path/to/python3.11 setup" in done.stderr
    assert not (tmp_path / "venv").exists()


def test_the_container_is_of_that_platform_and_builds_the_environment() -> None:
    container = json.loads((ROOT / ".devcontainer/devcontainer.json").read_text(encoding="utf-8"))
    assert container["runArgs"] == ["--platform=linux/amd64"]
    assert ":3.11-" in container["image"]
    assert container["postCreateCommand"] == "make setup"
