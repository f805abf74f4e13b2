"""Stop a notebook that runs with the wrong kernel, and say what to do; its first cell calls `demand`.

Without this, a kernel that local_azure did not start would sign in to the real Azure, for a workspace that it lacks.
"""

from __future__ import annotations

import importlib.util
import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path

_LOCAL_SUBSCRIPTION = "00000000-0000-0000-0000-000000000001"
_TO_DO = """
Without an Azure subscription, type in the folder of the repository, then choose the kernel Python (local Azure ML):
    .venv/bin/python -m local_azure kernel install
With one, put the config.json of your workspace beside this notebook. More: notebooks/README.md"""


class WrongKernelError(RuntimeError):
    """This kernel cannot run the notebook."""


def demand() -> None:
    """Raises: WrongKernelError with what is wrong and what to do."""
    if wrong := problem(Path.cwd(), os.environ, has_sdk=importlib.util.find_spec("azureml") is not None):
        raise WrongKernelError(f"{wrong}{_TO_DO}")


def problem(folder: Path, environment: Mapping[str, str], *, has_sdk: bool) -> str:
    """Say what is wrong with this kernel; empty where it can run the notebook."""
    if not has_sdk:
        return f"This kernel's Python, {sys.executable}, has no Azure ML SDK."
    if environment.get("AZUREML_CURRENT_CLOUD") == "LocalAzure":
        return ""
    config = _config(folder)
    if config is None:
        return "This kernel was not started by local_azure, and there is no config.json that names a workspace."
    if json.loads(config.read_text(encoding="utf-8")).get("subscription_id") == _LOCAL_SUBSCRIPTION:
        return f"{config} names the workspace of local_azure, but this kernel was not started by local_azure."
    return ""


def _config(folder: Path) -> Path | None:
    """Find the file that Workspace.from_config() reads: in this folder, or in one above it."""
    names = ("config.json", ".azureml/config.json", "aml_config/config.json")
    return next(
        (path for parent in (folder, *folder.parents) for name in names if (path := parent / name).is_file()), None
    )
