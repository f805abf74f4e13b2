"""Which interpreters are this one: its own names, and the environment that the pipelines runner lays over it."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

# The only file in the packages of an environment that adds nothing to the one below it.
LAYER_FILE = "running_environment.pth"


@dataclass(frozen=True)
class Start:
    """What a plain start would make of an interpreter's path."""

    executable: str
    prefix: str
    path: tuple[str, ...]


def layer_text(packages: Sequence[str]) -> str:
    """Content of LAYER_FILE above an environment with these folders of packages."""
    return "".join(f"import site; site.addsitedir({path!r})\n" for path in packages)


def packages_of(path: Sequence[str]) -> list[str]:
    """Folders of installed packages in a sys.path."""
    return [entry for entry in path if entry.endswith("site-packages")]


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
    if not _is_layer(home, packages, packages_of(own_path)):
        return None
    first = next(index for index, entry in enumerate(own_path) if entry.endswith("site-packages"))
    return Start(executable, str(home), (*own_path[:first], str(packages), *own_path[first:]))


def _is_layer(home: Path, packages: Path, below: Sequence[str]) -> bool:
    if not below or not (home / "pyvenv.cfg").is_file() or not packages.is_dir():
        return False
    names = [path.name for path in packages.iterdir()]
    return names == [LAYER_FILE] and (packages / LAYER_FILE).read_text(encoding="utf-8") == layer_text(below)


def _same_file(one: str, other: str) -> bool:
    try:
        return Path(one).samefile(other)
    except OSError:
        return False
