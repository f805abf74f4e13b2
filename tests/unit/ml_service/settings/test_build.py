"""The commit of the working tree is read without leaving a trace in its repository."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from ml_service.settings.build import commit_of, uncommitted_changes


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    (tmp_path / "code.py").write_text("1\n")
    for words in ("init --quiet", "add .", "-c user.name=Ada -c user.email=ada@example.org commit --quiet -m first"):
        subprocess.run(["git", *words.split()], cwd=tmp_path, check=True)
    return tmp_path


def head(repository: Path) -> str:
    return subprocess.run(
        ["git", "rev-parse", "HEAD"], cwd=repository, check=True, capture_output=True, text=True
    ).stdout.strip()


def test_the_commit_says_whether_the_tree_differs_from_it(repository: Path) -> None:
    assert commit_of(repository) == head(repository)
    (repository / "new.py").write_text("2\n")
    assert commit_of(repository) == head(repository), "what git does not know is not part of it"
    (repository / "code.py").write_text("2\n")
    assert commit_of(repository) == f"{head(repository)}-dirty"
    assert uncommitted_changes(repository) == 1


def test_reading_it_never_locks_the_repository(repository: Path) -> None:
    index, code = repository / ".git/index", repository / "code.py"
    before = index.read_bytes()
    os.utime(code, (1, 1))  # git would write down that it has looked, under a lock that a kill leaves behind
    assert commit_of(repository) == head(repository)
    assert index.read_bytes() == before


def test_outside_of_a_repository_it_is_unknown(tmp_path: Path, repository: Path) -> None:
    (tmp_path / "outside").mkdir()
    (repository / ".git").rename(tmp_path / "elsewhere")
    assert commit_of(tmp_path / "outside") == "unknown"
    assert uncommitted_changes(tmp_path / "outside") == 0
    subprocess.run(["git", "init", "--quiet"], cwd=tmp_path / "outside", check=True)
    assert commit_of(tmp_path / "outside") == "unknown", "nothing is committed yet"
