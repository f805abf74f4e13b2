"""An export as files in memory, and as somebody has extracted or forged it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

from ml_service.audit.export import verifier

Files = dict[str, bytes]
Change = Callable[[Files], None]


def written(files: Files, folder: Path) -> Path:
    """The files as somebody has extracted them."""
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


def summed(files: Files) -> None:
    """What a forger does last: make SHA256SUMS fit."""
    listed = {name: hashlib.sha256(content).hexdigest() for name, content in files.items() if name != verifier.SUMS}
    files[verifier.SUMS] = "".join(f"{sha256}  {name}\n" for name, sha256 in sorted(listed.items())).encode()


def edit_events(change: Callable[[list[bytes]], None]) -> Change:
    """A change of the lines of events.jsonl."""

    def made(files: Files) -> None:
        lines = files["events.jsonl"].splitlines(keepends=True)
        change(lines)
        files["events.jsonl"] = b"".join(lines)

    return made


def cut_tail(lines: list[bytes]) -> None:
    """Forget the last event."""
    del lines[-1]
