"""Client programs of these tests start preloaded, as under `exec --warm`; with WARM= in the environment, plainly."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

from local_azure.cli.warm import VARIABLE, Preloading
from local_azure.machine_learning.storage.state import StateFolder

ENABLED = os.environ.get("WARM", "1") != ""


def preloaded(state: StateFolder, environment: Mapping[str, str]) -> dict[str, str]:
    """An environment whose python starts preloaded programs of a running server."""
    info = state.running_server()
    assert info is not None
    path = os.pathsep.join([str(Path(sys.executable).parent), environment["PATH"]])
    changed = {**environment, "PATH": path}
    return Preloading(state).apply(info, ["python"], changed)[1] if ENABLED else changed


def python(environment: Mapping[str, str]) -> str:
    """The command that starts this interpreter in an environment."""
    return "python" if VARIABLE in environment else sys.executable
