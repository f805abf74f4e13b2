"""End a program as the interpreter does: exit code, what is still to run at exit, and no buffered line lost."""

from __future__ import annotations

import atexit
import contextlib
import gc
import io
import itertools
import os
import signal
import sys
import threading
import traceback
import types
from collections.abc import Set
from typing import NoReturn

from local_azure.machine_learning.processes.clients import program as program_module
from local_azure.machine_learning.processes.clients.program import Program, run

FLUSH_FAILED = 120
_OUR_FILES = (__file__, program_module.__file__)


def run_to_end(program: Program, code: types.CodeType | None, preloaded: Set[str]) -> NoReturn:
    """Run a program and end this process; `preloaded` names the modules that are not the program's."""
    failure: BaseException | None = None
    try:
        run(program, code)
    except BaseException as error:
        failure = error
    exit_code = 0 if failure is None else _report(failure)
    interrupted = isinstance(failure, KeyboardInterrupt)
    del failure  # it holds frames of the program, and they its objects
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
    """Hand what has ended the program to sys.excepthook; returns the exit code."""
    if isinstance(error, SystemExit):
        return _exit_code(error)
    _strip(error)
    sys.last_type, sys.last_value, sys.last_traceback = type(error), error, error.__traceback__
    with contextlib.suppress(Exception):
        sys.stdout.flush()
    failure: BaseException | None = None
    try:
        sys.excepthook(type(error), error, error.__traceback__)
    except BaseException as raised:
        failure = raised
    if isinstance(failure, SystemExit):
        return _exit_code(failure)
    if failure is not None:
        _strip(failure)
        sys.stderr.write("Error in sys.excepthook:\n")
        traceback.print_exception(failure)
        sys.stderr.write("\nOriginal exception was:\n")
        traceback.print_exception(error)
    return 1


def _strip(error: BaseException) -> None:
    """Take the frames that are ours from the upper end of a traceback."""
    below = error.__traceback__
    while below is not None and below.tb_frame.f_code.co_filename in _OUR_FILES:
        below = below.tb_next
    error.__traceback__ = below


def _finish(code: int, preloaded: Set[str]) -> int:
    """Wait for threads, call what was registered, drop the program's objects, flush; returns the exit code."""
    try:
        threading._shutdown()  # type: ignore[attr-defined]  # what the interpreter calls first
    except BaseException:
        _ignored(threading)
    atexit._run_exitfuncs()
    flushed = _flush()
    sys.last_type = sys.last_value = sys.last_traceback = None
    _flush_files()  # before objects that refer to each other end in whatever order
    if threading.active_count() == 1:  # a daemon thread may still use them
        _drop_modules(preloaded)
    _flush_files()
    return code if flushed and _flush() else FLUSH_FAILED


def _ignored(what: object) -> None:
    """Say what the interpreter says of an exception that no one can handle."""
    lines = traceback.format_exception_only(*sys.exc_info()[:2])
    sys.stderr.write(f"Exception ignored in: {what!r}\n{''.join(lines)}")


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
    count = max(0, len(sys.modules) - len(preloaded))  # the newest are last; looking at all would copy their pages
    for name in ["__main__", *itertools.islice(reversed(sys.modules), count)]:
        if name not in preloaded:
            sys.modules.pop(name, None)
    gc.collect()


def _flush_files() -> None:
    """Write what open files still buffer, whoever holds them: they are among the objects made since the fork."""
    for thing in gc.get_objects():
        if isinstance(thing, io.BufferedWriter | io.BufferedRandom | io.TextIOWrapper) and not thing.closed:
            with contextlib.suppress(Exception):
                thing.flush()
