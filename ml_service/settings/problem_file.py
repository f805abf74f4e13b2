"""Read the problem file that PROBLEM_FILE names, as far as the build scripts need it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from ml_service.errors import InvalidRequestError


def read_problem(path: Path) -> dict[str, Any]:
    """The problem file as a mapping of sections; its content is checked by the steps.

    Raises: InvalidRequestError when the file is missing or is not a mapping.
    """
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError) as error:
        raise InvalidRequestError(
            f"problem file {path} cannot be read",
            found=str(error),
            todo="correct PROBLEM_FILE in variables.yml",
        ) from None
    if not isinstance(document, dict):
        raise InvalidRequestError(
            f"problem file {path} is not a problem",
            expected="a mapping with the sections source, series, contract, training, gate",
        )
    return document


def problem_name(path: Path) -> str:
    """Name of a problem, which the champion's tag carries. Raises: InvalidRequestError."""
    name = (read_problem(path).get("series") or {}).get("name")
    if not isinstance(name, str) or not name:
        raise InvalidRequestError(f"problem file {path} names no series", expected="a section series with a name")
    return name
