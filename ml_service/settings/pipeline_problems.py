"""The list of problems that pipelines run where nobody chooses others: PROBLEMS in variables.yml, its only home."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from ml_service.errors import InvalidRequestError
from ml_service.settings.variables import LIST_VARIABLE, VARIABLES_FILE, shown

_LINE = re.compile(rf"^(  {LIST_VARIABLE}:)(.*)$", re.MULTILINE)


def read_names(path: Path = VARIABLES_FILE) -> list[str]:
    """The names in their order; none where the file has no list."""
    found = _LINE.search(path.read_text(encoding="utf-8"))
    return found[2].split() if found else []


def with_names(text: str, names: Sequence[str]) -> str:
    """The text of variables.yml with another list. Raises: InvalidRequestError where there is not one line for it."""
    changed, count = _LINE.subn(lambda line: f"{line[1]} {' '.join(names)}", text)
    if count != 1:
        raise InvalidRequestError(
            f"variables.yml holds {count} lines with the list of problems",
            expected=f"one line `  {LIST_VARIABLE}: NAME NAME`",
            todo="restore the line from version control",
        )
    return changed


def add_name(name: str, path: Path = VARIABLES_FILE) -> str:
    """Add a problem to the list; returns what a person is told. Raises: InvalidRequestError."""
    names = [*read_names(path), name]
    path.write_text(with_names(path.read_text(encoding="utf-8"), names), encoding="utf-8")
    return f"{LIST_VARIABLE} of {shown(path)} names it, so that pipelines run: {', '.join(names)}"
