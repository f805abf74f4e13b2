"""Set up a child: its own session, folder, log and environment; then call its entry.

Where forking is not available, the fork server starts this module in a fresh interpreter instead:

    python -m local_azure.machine_learning.processes.forking.child   (the message on standard input)
"""

from __future__ import annotations

import ctypes
import importlib
import json
import os
import signal
import sys
import time
import traceback
from typing import Any, NoReturn

_PR_SET_PDEATHSIG = 1


def set_parent_death_signal(number: signal.Signals | None) -> None:
    """Ask the kernel for a signal when the parent of this process dies, or for none (Linux only)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, int(number or 0), 0, 0, 0)


def end_with_parent() -> None:
    """Be killed when the parent dies (Linux only; the parent also ends its children)."""
    set_parent_death_signal(signal.SIGKILL)


def _set_up(message: dict[str, Any]) -> None:
    log = os.open(message["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for source, target in ((nothing, 0), (log, 1), (log, 2)):
        os.dup2(source, target)
    os.close(log)
    os.close(nothing)
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    sys.stderr.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    os.chdir(message["directory"])
    os.environ.clear()
    os.environ.update(message["environment"])
    time.tzset()
    sys.path[:0] = [entry for entry in os.environ.get("PYTHONPATH", "").split(os.pathsep) if entry]
    if "numpy" in sys.modules:
        sys.modules["numpy"].random.seed()  # otherwise all children would draw the same "random" numbers


def run_child(message: dict[str, Any], listener: int | None, parent: int) -> NoReturn:
    """Turn this process into what the message asks for; never returns.

    message: "entry" (module:function, called with the message and the listener), "directory", "log", "environment".
    listener: number of an inherited listening socket, where the entry wants one.
    """
    code = 1
    try:
        os.setsid()
        end_with_parent()
        if os.getppid() == parent:  # else the parent died before the kernel was asked
            _set_up(message)
            module, _, name = message["entry"].partition(":")
            code = getattr(importlib.import_module(module), name)(message, listener)
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code & 0xFF)


def main() -> NoReturn:
    """The spawned form."""
    words = json.load(sys.stdin)
    run_child(words["message"], words["listener"], os.getppid())


if __name__ == "__main__":
    main()
