"""Where `exec` writes a config file: into projects only, not where many projects lie, and `down` takes it away."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest

from local_azure.cli.client_environment import ensure_config_file
from local_azure.cli.config_files import MARKERS, project_folder, provide, take_away
from local_azure.machine_learning.storage.state import StateFolder


@pytest.fixture
def state(tmp_path: Path) -> StateFolder:
    """A state folder that exists."""
    folder = StateFolder(tmp_path / "state")
    folder.create()
    return folder


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project with a folder in it."""
    folder = tmp_path / "above" / "project"
    (folder / "below").mkdir(parents=True)
    (folder / "pyproject.toml").touch()
    return folder


@pytest.mark.parametrize("marker", [*MARKERS, "train.py", "explore.ipynb"])
def test_a_marker_makes_a_project(tmp_path: Path, marker: str) -> None:
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / marker).touch()
    assert project_folder(tmp_path / "own") == tmp_path / "own"


def test_folders_that_projects_share_are_none(
    tmp_path: Path, state: StateFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    for folder in (tmp_path, tmp_path / "temporary"):
        folder.mkdir(exist_ok=True)
        (folder / "train.py").touch()
        (folder / ".git").mkdir()
        assert "is not a project" in provide(state, folder)
        assert not (folder / ".azureml").exists()


def test_a_file_is_written_said_and_taken_away(project: Path, state: StateFolder) -> None:
    target = project / ".azureml/config.json"
    assert f"wrote {target}" in provide(state, project / "below")
    assert provide(state, project) == ""
    assert take_away(state) == [target]
    assert not target.parent.exists()
    assert take_away(state) == []


def test_a_file_that_was_changed_stays(project: Path, state: StateFolder) -> None:
    provide(state, project)
    (project / ".azureml/config.json").write_text("{}")
    assert take_away(state) == []
    assert (project / ".azureml/config.json").read_text() == "{}"


def test_a_file_of_ours_above_does_not_decide_but_that_of_a_person_does(project: Path, state: StateFolder) -> None:
    ensure_config_file(project.parent)
    assert "wrote" in provide(state, project)
    take_away(state)
    (project.parent / ".azureml/config.json").write_text('{"workspace_name": "mine"}')
    assert provide(state, project) == ""
    assert not (project / ".azureml").exists()


@pytest.mark.parametrize("line", ["[", "7", '"/etc/passwd"', "", "[" * 100_000])
def test_odd_lines_of_the_record_remove_nothing(state: StateFolder, line: str) -> None:
    (state.root / "config_files.jsonl").write_text(line)
    assert take_away(state) == []
