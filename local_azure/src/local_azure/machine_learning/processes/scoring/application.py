"""What a forked service process becomes: gunicorn with one worker around Microsoft's inference server.

The `azmlinfsrv` command is not used because it binds 0.0.0.0; this is what it runs, on a socket made by the host.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

from gunicorn.app.base import BaseApplication  # type: ignore[import-untyped]

from local_azure.machine_learning.processes.forking.child import end_with_parent
from local_azure.machine_learning.processes.scoring.key_guard import KeyGuard, WsgiApp
from local_azure.machine_learning.processes.scoring.patient_worker import (
    CONNECTIONS,
    THREADS,
    PatientWorker,
    set_limits,
)

WORKER_SECONDS = 300  # as azmlinfsrv; a worker that is silent for longer is replaced


def _worker_starts(_server: Any, _worker: Any) -> None:
    end_with_parent()
    set_limits()


class ScoringService(BaseApplication):  # type: ignore[misc]
    """`listener` is the number of a listening socket that this process inherited."""

    def __init__(self, listener: int, keys_file: Path) -> None:
        self._listener = listener
        self._keys_file = keys_file
        super().__init__()

    def load_config(self) -> None:
        """Settings of the arbiter and its worker."""
        settings: dict[str, Any] = {
            "bind": f"fd://{self._listener}",
            "workers": 1,
            "worker_class": PatientWorker,
            "threads": THREADS,
            "worker_connections": 2 * CONNECTIONS,  # the worker keeps to CONNECTIONS itself, by closing slow ones
            "timeout": WORKER_SECONDS,
            "graceful_timeout": 2,
            "keepalive": 75,
            "accesslog": "-",
            "errorlog": "-",
            "control_socket_disable": True,
            "post_fork": _worker_starts,
        }
        for name, value in settings.items():
            self.cfg.set(name, value)

    def load(self) -> WsgiApp:
        """Import the inference server in the worker: its import reads the environment and runs the user's init()."""
        sys.path.insert(0, os.getcwd())  # noqa: PTH109 - text for sys.path
        from azureml_inference_server_http.server.entry import app

        return KeyGuard(app, self._keys_file)


def enter(message: dict[str, Any], listener: int) -> int:
    """Entry of a forked child: message holds "keys", the file with the service's keys."""
    sys.argv = ["azmlinfsrv"]
    ScoringService(listener, Path(message["keys"])).run()
    return 0
