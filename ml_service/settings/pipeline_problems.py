"""Read and change the list of problems that pipelines run by default: PROBLEMS in variables.yml."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from ml_service.errors import InvalidRequestError
from ml_service.settings.variables import PROBLEMS_VARIABLE, VARIABLES_FILE, shown

_LINE = re.compile(rf"^(  {PROBLEMS_VARIABLE}:)(.*)$", re.MULTILINE)


def read_names(path: Path = VARIABLES_FILE) -> list[str]:
    """Return the names in order; empty if the file has no list."""
    found = _LINE.search(path.read_text(encoding="utf-8"))
    return found[2].split() if found else []


def with_names(text: str, names: Sequence[str]) -> str:
    """Replace the list in the text of variables.yml. Raises: InvalidRequestError unless exactly one line has it."""
    changed, count = _LINE.subn(lambda line: f"{line[1]} {' '.join(names)}", text)
    if count != 1:
        raise InvalidRequestError(
            f"variables.yml holds {count} lines with the list of problems",
            expected=f"one line `  {PROBLEMS_VARIABLE}: NAME NAME`",
            todo="restore the line from version control",
        )
    return changed


def add_name(name: str, path: Path = VARIABLES_FILE) -> str:
    """Add a problem to the list; returns a message for the user. Raises: InvalidRequestError."""
    names = [*read_names(path), name]
    path.write_text(with_names(path.read_text(encoding="utf-8"), names), encoding="utf-8")
    return f"{PROBLEMS_VARIABLE} of {shown(path)} names it, so that pipelines run: {', '.join(names)}"
