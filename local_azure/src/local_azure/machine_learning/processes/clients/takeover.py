"""Take on everything that a process inherits at its start, and undo what imports have fixed too early."""

from __future__ import annotations

import fcntl
import io
import logging
import os
import resource
import signal
import site
import sys
import sysconfig
import tempfile
import time
from pathlib import Path

from local_azure.machine_learning.processes.clients.request import Request

# What the interpreter itself does with signals at its start.
_IGNORED_BY_PYTHON = (signal.SIGPIPE, signal.SIGXFSZ)
_LIMITS = {
    "Max cpu time": resource.RLIMIT_CPU,
    "Max file size": resource.RLIMIT_FSIZE,
    "Max core file size": resource.RLIMIT_CORE,
    "Max processes": resource.RLIMIT_NPROC,
    "Max open files": resource.RLIMIT_NOFILE,
    "Max locked memory": resource.RLIMIT_MEMLOCK,
    "Max pending signals": resource.RLIMIT_SIGPENDING,
    "Max msgqueue size": resource.RLIMIT_MSGQUEUE,
    "Max nice priority": resource.RLIMIT_NICE,
    "Max realtime priority": resource.RLIMIT_RTPRIO,
    "Max realtime timeout": resource.RLIMIT_RTTIME,
}


def limits(request: Request) -> None:
    """Set resource limits; raises OSError or ValueError for one that cannot be had any more."""
    for name, number in _LIMITS.items():
        soft, hard = request.limits[name]
        wanted = (_limit(soft), _limit(hard))
        if resource.getrlimit(number) != wanted:
            resource.setrlimit(number, wanted)


def _limit(text: str) -> int:
    return resource.RLIM_INFINITY if text == "unlimited" else int(text)


def process(request: Request) -> None:
    """Signals, mask of new files, open files, environment. The working directory is taken already."""
    os.umask(int(request.status["Umask"], 8))
    _descriptors(request)
    _signals(int(request.status["SigIgn"], 16))
    os.environb.clear()
    os.environb.update(request.environment)
    time.tzset()


def _descriptors(request: Request) -> None:
    """Give the passed files their numbers; those that are in the way move up first."""
    os.close(request.directory)
    above = max(request.passed) + 1
    moved = {target: fcntl.fcntl(number, fcntl.F_DUPFD_CLOEXEC, above) for target, number in request.passed.items()}
    for number in request.passed.values():
        os.close(number)
    for target, number in moved.items():
        os.dup2(number, target)
        os.close(number)


def _signals(ignored: int) -> None:
    for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
        stays = bool(ignored >> (number - 1) & 1) or number in _IGNORED_BY_PYTHON
        signal.signal(number, signal.SIG_IGN if stays else signal.SIG_DFL)
    if signal.getsignal(signal.SIGINT) == signal.SIG_DFL:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def mask(request: Request) -> None:
    """Let signals in, except those that the program starts with blocked."""
    blocked = int(request.status["SigBlk"], 16)
    signal.pthread_sigmask(signal.SIG_SETMASK, [n for n in signal.valid_signals() if blocked >> (n - 1) & 1])


def interpreter(*, unbuffered: bool) -> None:
    """Standard streams, and what modules have kept of their import in the parent."""
    for stream, mode in ((sys.stdin, "rb"), (sys.stdout, "wb"), (sys.stderr, "wb")):
        if isinstance(stream, io.TextIOWrapper):
            _reopen(stream, mode, unbuffered=unbuffered)
    if sys.prefix not in site.PREFIXES:  # the environment of a job
        site.PREFIXES[:] = [sys.prefix]
        vars(sysconfig).update(_PREFIX=sys.prefix, _EXEC_PREFIX=sys.exec_prefix, _CONFIG_VARS=None)
    logging._startTime = time.time()  # type: ignore[attr-defined]  # %(relativeCreated) counts from here
    tempfile.tempdir = None
    modules = sys.modules
    if "numpy" in modules:
        modules["numpy"].random.seed()  # otherwise all programs would draw the same "random" numbers
    if "wsgiref.handlers" in modules:
        handlers = modules["wsgiref.handlers"]
        handlers.BaseHandler.os_environ = handlers.read_environ()
    if "multiprocessing.process" in modules:
        _multiprocessing()


def _reopen(stream: io.TextIOWrapper, mode: str, *, unbuffered: bool) -> None:
    """Make a stream anew on its descriptor, as the interpreter does at its start.

    It stays the same object, because loggers of imported packages hold it.
    """
    number = {"<stdin>": 0, "<stdout>": 1, "<stderr>": 2}[stream.name]
    raw = io.FileIO(number, mode, closefd=False)
    raw.name = stream.name
    writes = mode == "wb"
    if not writes:
        buffer: io.BufferedReader | io.BufferedWriter | io.FileIO = io.BufferedReader(raw)
    else:
        buffer = raw if unbuffered else io.BufferedWriter(raw)
    stream.__init__(  # type: ignore[misc]  # on purpose: the same object, see above
        buffer,
        encoding=stream.encoding,
        errors=stream.errors,
        newline="\n",
        line_buffering=not unbuffered and (number == 2 or raw.isatty()),
        write_through=unbuffered,
    )


def _multiprocessing() -> None:
    state = sys.modules["multiprocessing.process"]
    state.current_process().authkey = os.urandom(32)
    vars(state)["ORIGINAL_DIR"] = _directory()
    if "multiprocessing.spawn" in sys.modules:
        sys.modules["multiprocessing.spawn"].set_executable(sys.executable)


def _directory() -> str | None:
    try:
        return str(Path.cwd())
    except OSError:  # it has been removed
        return None
