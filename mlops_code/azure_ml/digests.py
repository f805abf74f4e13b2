"""SHA-256 of files and folders: how a record says which bytes serve.

Records of production and the labels of services hold these hashes, so the algorithm must never change.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

COMPILED = "__pycache__"
"""The folder in which an interpreter keeps what it has compiled."""


def file_sha256(path: Path) -> str:
    """Hash of a file's bytes."""
    with path.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def folder_sha256(folder: Path, without: str = "") -> str:
    """Hash over the names and bytes of all files below a folder, independent of times and of its place.

    Every file counts, compiled ones too: all of them are uploaded, and Python would run them.
    without: name of folders that do not count, for code that runs already: its interpreter has added COMPILED.
    """
    total = hashlib.sha256()
    for path in sorted(item for item in folder.rglob("*") if item.is_file()):
        if without and without in path.relative_to(folder).parts:
            continue
        total.update(path.relative_to(folder).as_posix().encode())
        total.update(hashlib.sha256(path.read_bytes()).digest())
    return total.hexdigest()
