"""What clients were told: one line of JSON a fact, on disk before the client goes on."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

Fact = dict[str, Any]
END = ".journal"


class Journal:
    """The facts of one client. A fact is written after the server has acknowledged it, and never before."""

    def __init__(self, path: Path) -> None:
        self._stream = path.open("ab")

    def note(self, kind: str, **fact: object) -> None:
        """Keep a fact, whatever happens to this process."""
        self._stream.write(json.dumps({"kind": kind, **fact}).encode() + b"\n")
        self._stream.flush()
        os.fsync(self._stream.fileno())


def facts(folder: Path) -> Iterator[Fact]:
    """The facts of all clients; a last line that is still being written is left out."""
    for path in sorted(folder.glob(f"*{END}")):
        for line in path.read_bytes().splitlines(keepends=True):
            if line.endswith(b"\n"):
                yield json.loads(line)
