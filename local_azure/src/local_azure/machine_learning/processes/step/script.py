"""What runs in a step's process around the user's script: module path, argv, and the flush of batched metrics."""

from __future__ import annotations

import functools
import runpy
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

POLL_SECONDS = 0.25
_real_sleep = time.sleep


def _exit_code(error: SystemExit) -> int:
    if error.code is None:
        return 0
    if isinstance(error.code, int):
        return error.code
    sys.stderr.write(f"{error.code}\n")
    return 1


def flush_metrics() -> None:
    """Hand over what was logged.

    `run.log` is batched by a thread; the service's own control script flushes it at the end, and so do we.

    `_kill` is private in the SDK; without it every metric of a script that does not flush is lost.
    """
    run_base = sys.modules.get("azureml._run_impl.run_base")
    if run_base is not None:
        time.sleep = _sleep
        run_base._RunBase._kill(timeout=60)


def _sleep(seconds: float) -> None:
    """Look more often: the flush polls every quarter of a second for what takes 20 ms. Back-offs stay as they are."""
    _real_sleep(seconds if seconds > POLL_SECONDS else min(seconds, 0.01))


def run_script(script: str, arguments: list[str]) -> int:
    """Run a script as `__main__` in the current directory, the snapshot; returns its exit code.

    A script finds modules beside itself and at the snapshot's root.
    """
    root = Path.cwd()
    path = root / script
    return _run(lambda: runpy.run_path(str(path), run_name="__main__"), [script, *arguments], path.parent, root)


def run_module(module: str, arguments: list[str]) -> int:
    """Run a module as `python -m` does; returns its exit code."""
    run = functools.partial(runpy.run_module, module, run_name="__main__", alter_sys=True)
    return _run(run, [module, *arguments], Path.cwd())


def _run(work: Callable[[], object], argv: list[str], *places: Path) -> int:
    sys.argv = argv
    sys.path[:0] = dict.fromkeys(map(str, places))
    try:
        work()
        code = 0
    except SystemExit as error:
        code = _exit_code(error)
    except BaseException:
        sys.excepthook(*sys.exc_info())
        code = 1
    try:
        flush_metrics()
    except Exception:
        sys.excepthook(*sys.exc_info())
        code = code or 1
    sys.stdout.flush()
    sys.stderr.flush()
    return code


def enter(message: dict[str, Any], _listener: int | None) -> int:
    """Entry of a forked child: message holds "script" or "command", and "arguments"."""
    if "command" in message:
        from local_azure.machine_learning.processes.step.command import run_command

        return run_command([message["command"], *message["arguments"]])
    return run_script(message["script"], message["arguments"])
