"""Options and arguments that several verbs around training have."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ml_service.errors import InvalidRequestError

DataVersion = Annotated[
    str, typer.Option("--data-version", metavar="NUMBER", help="Train on this data version; a number or newest.")
]
Timeout = Annotated[
    float, typer.Option("--timeout", metavar="MINUTES", min=0.01, help="Cancel the run if it takes longer.")
]
Evidence = Annotated[
    Path | None,
    typer.Option(
        "--evidence", file_okay=False, help="Write decision.json, summary.md and the report to this folder."
    ),
]


def data_version_of(text: str) -> int | None:
    """Return the number of a data version, or None for the newest. Raises: InvalidRequestError."""
    if text == "newest":
        return None
    if text.isdecimal() and int(text) >= 1:
        return int(text)
    raise InvalidRequestError(f"--data-version {text} is not a version", expected="a number from 1, or newest")
