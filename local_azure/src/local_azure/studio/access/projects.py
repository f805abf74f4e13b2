"""The projects that people have opened the studio from, of which it offers the pipelines."""

from __future__ import annotations

from pathlib import Path

MOST_PROJECTS = 20  # the one that was opened first is forgotten


class Projects:
    """Folders, the one that was opened last first. Only who has the studio's token adds one."""

    def __init__(self) -> None:
        self._folders: list[Path] = []

    def add(self, folder: str) -> None:
        """Remember a project; what is no folder of this machine is left out."""
        path = Path(folder)
        if not path.is_absolute() or "\0" in folder or not path.is_dir():
            return
        self._folders = [path, *(other for other in self._folders if other != path)][:MOST_PROJECTS]

    def all(self) -> list[Path]:
        """Return the folders."""
        return list(self._folders)
