"""What runs in a step's process around the user's script: module path, argv, and the flush of batched metrics."""

from __future__ import annotations

import functools
import runpy
import sys
import time
from collections.abc import Callable
from pathlib import Path

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
    """Send the metrics that are still batched.

    A thread batches what `run.log` is given; the service's own control script flushes it at the end, and so do we.
    `_kill` is private in the SDK; without it every metric of a script that does not flush is lost.
    """
    run_base = sys.modules.get("azureml._run_impl.run_base")
    if run_base is not None:
        time.sleep = _sleep
        run_base._RunBase._kill(timeout=60)


def _sleep(seconds: float) -> None:
    """Shorten the waits of the flush, which polls every 0.25 s for what takes 20 ms; longer back-offs stay."""
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


def _run(work: Callable[[], object], argv: list[str], *folders: Path) -> int:
    sys.argv = argv
    sys.path[:0] = dict.fromkeys(map(str, folders))
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
