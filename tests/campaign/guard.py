"""Ties a campaign to whoever started it: two processes watch each other, and neither leaves anything behind.

The kernel tells a process of its parent's death (man prctl, PR_SET_PDEATHSIG), so a kill -9 of the starter, of the
guard or of the campaign ends everything that was started below.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from collections.abc import Callable
from typing import NoReturn

from tests.campaign.processes import adopt_orphans, end_descendants

_PR_SET_PDEATHSIG = 1
_TOLD_BY_KERNEL = signal.SIGTERM
_KILLED = 128 + signal.SIGKILL


def run_guarded(main: Callable[[], int]) -> NoReturn:
    """Run a campaign in a child process and exit with its code."""
    starter = os.getppid()
    _watch_parent(starter)
    guard = os.getpid()
    campaign = os.fork()
    if campaign == 0:
        _watch_parent(guard)
        code = main()
        sys.stdout.flush()
        os._exit(code)  # threads that still wait for a server have nobody to wait for
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the campaign, which ends what it has started
    _, status = os.waitpid(campaign, 0)
    end_descendants()
    code = os.waitstatus_to_exitcode(status)
    os._exit(code if code >= 0 else _KILLED)


def _watch_parent(parent: int) -> None:
    """End with everything below as soon as the parent dies; also when it died before this was asked for."""
    adopt_orphans()
    signal.signal(_TOLD_BY_KERNEL, _end_all)
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, int(_TOLD_BY_KERNEL), 0, 0, 0)
    if os.getppid() != parent:
        _end_all()


def _end_all(*_: object) -> NoReturn:
    end_descendants()
    os._exit(128 + _TOLD_BY_KERNEL)
