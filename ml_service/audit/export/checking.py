"""`audit verify FILE.zip`: the checks that verify.py in the export does, by this program's own copy of it."""

from __future__ import annotations

from pathlib import Path

from ml_service.audit.export import verifier
from ml_service.errors import InvalidRequestError
from ml_service.output.console import Terminal


def verify(path: Path, anchor: str | None = None) -> list[str]:
    """What of an export was changed. Raises: InvalidRequestError where there is none, or the anchor is blank."""
    if anchor is not None and not anchor.strip():
        raise InvalidRequestError("--anchor is blank", expected="the SHA-256 that the command printed")
    try:
        return verifier.verify(str(path), anchor or "")
    except verifier.NoExportError as error:
        raise InvalidRequestError(
            str(error), expected="a file written by audit export, or the folder with its extracted content"
        ) from None


def show(terminal: Terminal, path: Path, faults: list[str]) -> None:
    """Print each change."""
    for fault in faults:
        terminal.err(f"error: {fault}")
    terminal.out(f"export     {path}: {f'{len(faults)} faults' if faults else 'nothing was changed'}")
    terminal.document({"export": str(path), "changes": faults})


def ending(path: Path, faults: list[str], anchor: str | None) -> tuple[str, str]:
    """What happened and what to do next, for the closing."""
    if faults and all(fault.startswith(verifier.DAMAGED) for fault in faults):
        todo = "find out who changed the ledger, and restore it from the backup (docs/production.md)"
        return f"error: {path} is unchanged, but the ledger was already damaged when it was made", todo
    if faults:
        return f"error: {path} was changed; do not trust it", "get it again from the build that made it"
    todo = "" if anchor else "pass --anchor to also detect an export that was forged as a whole"
    return f"{path} is unchanged", todo
