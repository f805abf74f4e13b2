"""The version and the compatibility table of the changelog agree with the distribution."""

from __future__ import annotations

import tomllib
from pathlib import Path

from click.testing import CliRunner

from local_azure.cli.main import main
from local_azure.machine_learning.storage.migrations import MIGRATIONS

FOLDER = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((FOLDER / "pyproject.toml").read_text(encoding="utf-8"))["project"]
CHANGELOG = (FOLDER / "CHANGELOG.md").read_text(encoding="utf-8")


def test_command_line_and_changelog_name_the_version() -> None:
    printed = CliRunner().invoke(main, ["--version"])
    assert (printed.exit_code, printed.output) == (0, f"local_azure, version {PROJECT['version']}\n")
    assert f"\n## {PROJECT['version']}\n" in CHANGELOG
    assert f"| | {PROJECT['version']} |" in CHANGELOG


def test_changelog_names_python_sdk_and_state_folder() -> None:
    assert f"| Python | {PROJECT['requires-python']} |" in CHANGELOG
    for dependency in PROJECT["dependencies"]:
        if dependency.startswith("azureml-"):
            name, version = dependency.split("==")
            assert f"| {name} | =={version} |" in CHANGELOG
    assert f"| state folder | schema {MIGRATIONS[-1].number};" in CHANGELOG
