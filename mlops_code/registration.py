"""The folder that register hands over to deploy: what was registered, or that nothing was."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from forecasting.errors import ModelFileError, UsageError
from forecasting.json_text import strict_json, to_json

FILE, MODEL_FOLDER = "registration.json", "model"
_VERSION = 1
_READ = ("outcome", "reason", "model_name", "model_version", "model_sha256")


def write_registration(folder: Path, document: dict[str, Any]) -> None:
    """Write registration.json."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / FILE).write_bytes(to_json({"schema_version": _VERSION, **document}))


def read_registration(folder: Path) -> dict[str, Any]:
    """Read registration.json. Raises: UsageError (not there), ModelFileError (not what register.py writes)."""
    path = folder / FILE
    if not path.is_file():
        raise UsageError(f"{path}: no such file. Name the folder written by register.py.")
    try:
        document = strict_json(path.read_bytes())
        return {key: document[key] for key in _READ}
    except (ValueError, KeyError) as mistake:
        raise ModelFileError(f"{path} is not a registration ({mistake!r}). Register again.") from None
