"""End a program as the interpreter does: exit code, what is still to run at exit, and no buffered line lost."""

from __future__ import annotations

import atexit
import contextlib
import gc
import io
import os
import signal
import sys
import threading
import traceback
import types
from collections.abc import Set
from typing import NoReturn

from local_azure.machine_learning.processes.clients.program import Program, run

FLUSH_FAILED = 120
_OUR_FRAMES = 2  # above the program's in a traceback: `run_to_end` and `run`


def run_to_end(program: Program, code: types.CodeType | None, preloaded: Set[str]) -> NoReturn:
    """Run a program and end this process; `preloaded` names the modules that are not the program's."""
    interrupted, exit_code = False, 0
    try:
        run(program, code)
    except SystemExit as error:
        exit_code = _exit_code(error)
    except BaseException as error:
        interrupted, exit_code = isinstance(error, KeyboardInterrupt), _report(error)
    with contextlib.suppress(BaseException):  # the end goes on whatever fails in it, as the interpreter's does
        exit_code = _finish(exit_code, preloaded)
    if interrupted:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGINT)
    os._exit(exit_code & 0xFF)


def _exit_code(error: SystemExit) -> int:
    if error.code is None:
        return 0
    if isinstance(error.code, int):
        return error.code
    with contextlib.suppress(Exception):
        sys.stdout.flush()
    sys.stderr.write(f"{error.code}\n")
    return 1


def _report(error: BaseException) -> int:
    """Hand an exception to sys.excepthook; returns the exit code."""
    below = error.__traceback__
    for _ in range(_OUR_FRAMES):
        below = below.tb_next if below else None
    error.__traceback__ = below
    sys.last_type, sys.last_value, sys.last_traceback = type(error), error, below
    with contextlib.suppress(Exception):
        sys.stdout.flush()
    try:
        sys.excepthook(type(error), error, below)
    except SystemExit as end:
        return _exit_code(end)
    except BaseException:
        sys.stderr.write("Error in sys.excepthook:\n")
        traceback.print_exc()
        sys.stderr.write("\nOriginal exception was:\n")
        traceback.print_exception(error)
    return 1


def _finish(code: int, preloaded: Set[str]) -> int:
    """Wait for threads, call what was registered, drop the program's objects, flush; returns the exit code."""
    try:
        threading._shutdown()  # type: ignore[attr-defined]  # what the interpreter calls first
    except BaseException:
        _ignored(threading)
    atexit._run_exitfuncs()
    flushed = _flush()
    sys.last_type = sys.last_value = sys.last_traceback = None
    if threading.active_count() == 1:  # a daemon thread may still use them
        _drop_modules(preloaded)
    _flush_files()
    return code if flushed and _flush() else FLUSH_FAILED


def _ignored(what: object) -> None:
    kind, value, trace = sys.exc_info()
    details = types.SimpleNamespace(exc_type=kind, exc_value=value, exc_traceback=trace, err_msg=None, object=what)
    sys.unraisablehook(details)


def _flush() -> bool:
    """Flush standard output and error; False when something of them is lost."""
    good = True
    for stream in (sys.stdout, sys.stderr):
        if stream is None or getattr(stream, "closed", False):
            continue
        try:
            stream.flush()
        except BaseException:
            good = False
            if stream is sys.stdout:
                _ignored(stream)
    return good


def _drop_modules(preloaded: Set[str]) -> None:
    """Forget what the program has imported, so that objects end that only it holds."""
    for name in [name for name in reversed(sys.modules) if name not in preloaded and name != "builtins"]:
        del sys.modules[name]
    gc.collect()


def _flush_files() -> None:
    """Write what open files still buffer; whoever holds them, they are among the objects made since the fork."""
    for thing in gc.get_objects():
        if isinstance(thing, io.BufferedWriter | io.BufferedRandom | io.TextIOWrapper) and not thing.closed:
            with contextlib.suppress(Exception):
                thing.flush()
