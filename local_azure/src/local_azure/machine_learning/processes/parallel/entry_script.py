"""What an entry script may import as `azureml_user.parallel_run`: its logger and its folders."""

from __future__ import annotations

import logging
import sys
from pathlib import Path
from types import ModuleType

LOGS = Path("logs")
_NODE = "0"  # all processes are on this machine, so there is one node


def log_file(kind: str, process: int, ending: str) -> Path:
    """Return the log of one process, in the folders that the service uses."""
    path = LOGS / "user" / kind / _NODE / f"process{process:03}{ending}"
    path.parent.mkdir(parents=True, exist_ok=True)
    return path.absolute()


def offer(process: int, level: str, output: Path | None) -> None:
    """Make `from azureml_user.parallel_run import EntryScript` work in this process."""
    handler = logging.FileHandler(log_file("entry_script_log", process, ".log.txt"), encoding="utf-8", delay=True)
    handler.setFormatter(logging.Formatter("%(asctime)s|%(levelname)s|%(process)s|%(message)s"))
    user_logger = logging.getLogger("azureml_user.parallel_run")
    user_logger.addHandler(handler)
    user_logger.setLevel(getattr(logging, level, logging.INFO))
    user_logger.propagate = False

    class EntryScript:
        """Gives an entry script its logger and folders, as the service's class of this name does."""

        logger = user_logger
        log_dir = str(LOGS.absolute() / "user")
        output_dir = str(output) if output else None
        working_dir = str(Path.cwd())

    package, module = ModuleType("azureml_user"), ModuleType("azureml_user.parallel_run")
    package.__path__ = []
    package.parallel_run = module  # type: ignore[attr-defined]
    module.EntryScript = EntryScript  # type: ignore[attr-defined]
    sys.modules |= {"azureml_user": package, "azureml_user.parallel_run": module}
