"""SHA-256 of files and folders: how a record says which bytes serve.

Records of production and the labels of services hold these hashes, so the algorithm must never change.
"""

from __future__ import annotations

import hashlib
from pathlib import Path


def file_sha256(path: Path) -> str:
    """Hash of a file's bytes."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def folder_sha256(folder: Path) -> str:
    """Hash over the names and bytes of all files below a folder, independent of times and of its place.

    Every file counts, compiled ones too: all of them are uploaded, and Python would run them.
    """
    total = hashlib.sha256()
    for path in sorted(item for item in folder.rglob("*") if item.is_file()):
        total.update(path.relative_to(folder).as_posix().encode())
        total.update(hashlib.sha256(path.read_bytes()).digest())
    return total.hexdigest()
