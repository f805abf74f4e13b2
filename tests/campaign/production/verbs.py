"""A verb that changes production, in a process that can be stopped, continued or killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.campaign.processes import descendants, kill
from tests.preloading import python
from tests.story.product import Product

VERB_SECONDS = 180.0


@dataclass(frozen=True)
class Ending:
    """How a verb ended."""

    build: str
    words: str
    code: int
    document: dict[str, Any]
    said: str
    """What it printed for people."""
    seconds: float

    @property
    def line(self) -> str:
        """What it was and how it ended, with the end of what it said."""
        return f"{self.words} (build {self.build}) ended with {self.code}: {self.said[-600:]}"


class Verb:
    """A verb that has begun, for a build of its own, by which the ledger and other verbs name it."""

    def __init__(self, product: Product, words: str, build: str, folder: Path) -> None:
        self.build = build
        self._words = words
        self._out, self._err = folder / f"{build}.out", folder / f"{build}.err"
        self._begun = time.monotonic()
        with self._out.open("w") as out, self._err.open("w") as err:
            self._process = subprocess.Popen(
                [python(product.environment), "-m", "ml_service", *words.split(), "--json"],
                cwd=product.tree,
                env={**product.environment, **product.settings, "BUILD_BUILDID": build},
                stdout=out,
                stderr=err,
            )

    def stop(self) -> bool:
        """SIGSTOP; False where it has ended before."""
        return self._signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """SIGCONT, also to the proxy of a preloaded program, which stops when its program does."""
        self._signal(signal.SIGCONT)
        with suppress(ProcessLookupError):
            os.kill(self._process.pid, signal.SIGCONT)

    def kill(self) -> bool:
        """kill -9; False where it has ended before. A preloaded program is killed with its proxy."""
        return self._process.poll() is None and kill(self._process.pid)

    def ends_within(self, seconds: float) -> bool:
        """Whether it ends by itself in this time, which is not waited for in vain."""
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        return True

    def wait(self) -> Ending:
        """Wait for its end. Raises: subprocess.TimeoutExpired."""
        code = self._process.wait(VERB_SECONDS)
        out = self._out.read_text()
        document = json.loads(out) if code == 0 else {}
        return Ending(self.build, self._words, code, document, self._err.read_text(), time.monotonic() - self._begun)

    def _signal(self, number: signal.Signals) -> bool:
        if self._process.poll() is not None:
            return False
        try:
            os.kill(self._program(), number)
        except ProcessLookupError:
            return False
        return True

    def _program(self) -> int:
        """The process that runs the verb's code: a preloaded one writes to the same file as its proxy."""
        for pid in descendants(os.getpid()):
            with suppress(OSError):
                if pid != self._process.pid and Path(f"/proc/{pid}/fd/2").samefile(self._err):
                    return pid
        return self._process.pid
