"""Paths below a folder, in an order in which a reader can go on, without reading what nobody asks for."""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import pytest

from local_azure.machine_learning.storage.files import files_below

NAMES = ["a", "b/b/x", "b/c", "b.txt", "c/d/e/f", "z"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in NAMES:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("")
    (tmp_path / "empty").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "b")
    os.mkfifo(tmp_path / "pipe")
    return tmp_path


def test_files_come_folder_by_folder(folder: Path) -> None:
    assert list(files_below(folder)) == NAMES
    assert list(files_below(folder / "gone")) == list(files_below(folder / "a")) == []


@pytest.mark.parametrize("place", range(len(NAMES)))
def test_a_reader_goes_on_behind_a_file_even_one_that_is_gone(folder: Path, place: int) -> None:
    assert list(files_below(folder, NAMES[place])) == NAMES[place + 1 :]
    (folder / NAMES[place]).unlink()
    assert list(files_below(folder, NAMES[place])) == NAMES[place + 1 :]


def test_folders_that_are_not_reached_are_not_read(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []
    plain = os.scandir

    def scandir(path: Path) -> Iterator[os.DirEntry[str]]:
        read.append(path.name)
        return plain(path)

    monkeypatch.setattr(os, "scandir", scandir)
    assert list(islice(files_below(folder), 2)) == ["a", "b/b/x"]
    assert read == [folder.name, "b", "b"]
