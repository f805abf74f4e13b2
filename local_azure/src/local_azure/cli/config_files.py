"""The config files that `exec` writes for `Workspace.from_config()`: into projects only, and removed by `down`."""

from __future__ import annotations

import contextlib
import json
import tempfile
from pathlib import Path

from local_azure.cli.client_environment import ensure_config_file, find_config_file, is_own
from local_azure.machine_learning.storage.state import StateFolder

MARKERS = (".git", "pyproject.toml", "setup.py", "setup.cfg", "requirements.txt", "environment.yml")
_SOURCES = ("*.py", "*.ipynb")
_WRITTEN = "config_files.jsonl"


def project_folder(folder: Path) -> Path | None:
    """Return the project that a folder belongs to: the nearest with a marker, else itself where it has sources.

    The root, home and temporary folders are shared by projects and do not count as one.
    """
    shared = {Path("/"), Path.home(), Path(tempfile.gettempdir())}
    for parent in (folder, *folder.parents):
        if parent not in shared and any((parent / marker).exists() for marker in MARKERS):
            return parent
    has_sources = any(True for pattern in _SOURCES for _ in folder.glob(pattern))
    return folder if has_sources and folder not in shared else None


def provide(state: StateFolder, folder: Path) -> str:
    """Write a config file for a folder's project unless one is found; returns a message for the user or ""."""
    project = project_folder(folder)
    if project is None:
        if find_config_file(folder):
            return ""
        return (
            f"{folder} is not a project (it has no {', '.join(MARKERS)} and no program), so .azureml/config.json, "
            "which Workspace.from_config() needs, was not written. Call exec from the project's folder."
        )
    found = find_config_file(folder)
    if found and found.is_relative_to(project):
        return ""
    written = ensure_config_file(project)
    if written is None:
        return ""
    with (state.root / _WRITTEN).open("a", encoding="utf-8") as stream:
        stream.write(json.dumps(str(written)) + "\n")
    return f"wrote {written} for Workspace.from_config(); local_azure down removes it."


def take_away(state: StateFolder) -> list[Path]:
    """Remove the files that were written and are unchanged; returns them."""
    record = state.root / _WRITTEN
    try:
        lines = record.read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError):
        return []
    removed = [path for path in map(_path_of, dict.fromkeys(lines)) if path and _remove(path)]
    record.unlink(missing_ok=True)
    return removed


def _path_of(line: str) -> Path | None:
    with contextlib.suppress(ValueError, RecursionError):
        text = json.loads(line)
        return Path(text) if isinstance(text, str) and text.endswith("/.azureml/config.json") else None
    return None


def _remove(path: Path) -> bool:
    if not is_own(path):
        return False
    with contextlib.suppress(OSError):
        path.unlink()
        path.parent.rmdir()  # where it holds nothing else
    return not path.exists()
