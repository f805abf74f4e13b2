"""Which interpreters are this one: its own names, and the environment that the pipelines runner lays over it."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

# A line of the only file in the packages of an environment that adds nothing to the one below it.
_LAYER_LINE = re.compile(r"import site; site\.addsitedir\('([^'\\]+)'\)")


@dataclass(frozen=True)
class Start:
    """What a plain start would make of an interpreter's path."""

    executable: str
    prefix: str
    path: tuple[str, ...]


def is_same(executable: str, own_path: Sequence[str]) -> bool:
    """Whether a plain start of an interpreter would find what this one finds."""
    return start_of(executable, tuple(own_path)) is not None


def start_of(executable: str, own_path: tuple[str, ...]) -> Start | None:
    """How an interpreter starts; None unless it is this one with the same packages.

    own_path: sys.path of a plain start of this interpreter.
    """
    if not _same_file(executable, sys.executable):
        return None
    folder, own_folder = os.path.dirname(executable), os.path.dirname(sys.executable)  # noqa: PTH120 - as it is spelled
    if _same_file(folder, own_folder):
        return Start(executable, sys.prefix, own_path)
    home = Path(folder).parent
    packages = home / "lib" / f"python{sys.version_info.major}.{sys.version_info.minor}" / "site-packages"
    if not _is_layer(home, packages, own_path):
        return None
    first = next(index for index, entry in enumerate(own_path) if entry.endswith("site-packages"))
    return Start(executable, str(home), (*own_path[:first], str(packages), *own_path[first:]))


def _is_layer(home: Path, packages: Path, own_path: Sequence[str]) -> bool:
    """Whether an environment holds nothing but a reference to the packages of this one."""
    if not (home / "pyvenv.cfg").is_file() or not packages.is_dir():
        return False
    files = list(packages.iterdir())
    if len(files) != 1 or files[0].suffix != ".pth":
        return False
    lines = [_LAYER_LINE.fullmatch(line) for line in files[0].read_text(encoding="utf-8").splitlines()]
    below = [entry for entry in own_path if entry.endswith("site-packages")]
    return bool(below) and [line[1] if line else "" for line in lines] == below


def _same_file(one: str, other: str) -> bool:
    try:
        return Path(one).samefile(other)
    except OSError:
        return False
