"""Model folders that somebody made to do harm. Each starts from a good one; whoever opens it leaves a trace.

The manifest says the true hash of the harmful file wherever it can: whoever can change one can change the other.
"""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

TRACE = "opened"
"""Name of the file that appears in the working directory where a pickle is loaded or an archive extracted."""


def harm(kind: str, good: Path, folder: Path) -> Path:
    """Write the hostile folder of this kind beside nothing else; returns it. good: a candidate of train.py."""
    folder.mkdir(parents=True)
    for file in good.iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    KINDS[kind](folder)
    return folder


def pickled() -> bytes:
    """A pickle that makes the trace when it is loaded; written by hand, so that nothing here can load one."""
    return b'cbuiltins\nexec\n(S\'open("%s", "w").close()\'\ntR.' % TRACE.encode()


def _put(folder: Path, content: bytes, **story: Any) -> None:
    """Replace the model and make the manifest vouch for it."""
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest |= {"model_sha256": hashlib.sha256(content).hexdigest(), **story}
    (folder / "model.json").write_bytes(content)
    (folder / "manifest.json").write_text(json.dumps(manifest))


def _zip(folder: Path, name: str, content: bytes) -> None:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as written:
        written.writestr(name, content)
    _put(folder, archive.getvalue())


def _edit(folder: Path, change: Callable[[dict[str, Any]], None]) -> None:
    document = json.loads((folder / "model.json").read_text())
    change(document)
    _put(folder, json.dumps(document).encode())


def _changed_byte(folder: Path) -> None:
    content = bytearray((folder / "model.json").read_bytes())
    content[len(content) // 2] ^= 1
    (folder / "model.json").write_bytes(content)


def _swapped(folder: Path) -> None:
    """Another model whose own hash is right: its manifest tells the story of the one that was judged."""
    _edit(folder, lambda document: document["recipe"]["parameters"].update(weeks=1))


def _linked(folder: Path) -> None:
    real = folder / "elsewhere"
    (folder / "model.json").rename(real)
    (folder / "model.json").symlink_to(real)


def _linked_manifest(folder: Path) -> None:
    real = folder / "elsewhere"
    (folder / "manifest.json").rename(real)
    (folder / "manifest.json").symlink_to(real)


def _too_large(folder: Path) -> None:
    """A file of 200 MB that takes no room on the disk."""
    with (folder / "model.json").open("r+b") as file:
        file.truncate(200 * 2**20)


KINDS: dict[str, Callable[[Path], None]] = {
    "pickle": lambda folder: _put(folder, pickled()),
    "pickle in a zip": lambda folder: _zip(folder, "model.pkl", pickled()),
    "zip bomb": lambda folder: _zip(folder, "schema.json", b"0" * 50_000_000),
    "traversal name": lambda folder: _zip(folder, f"../../{TRACE}", b"x"),
    "changed byte": _changed_byte,
    "swapped file": _swapped,
    "too large": _too_large,
    "link": _linked,
    "linked manifest": _linked_manifest,
    "deep": lambda folder: _put(folder, b'{"a":' * 100_000 + b"1" + b"}" * 100_000),
    "deep manifest": lambda folder: _write_manifest(folder, b"[" * 100_000 + b"]" * 100_000),
    "not finite": lambda folder: _edit(folder, lambda document: document.update(lower=float("nan"))),
    "huge number": lambda folder: _edit(folder, lambda document: document.update(lower=10**400)),
    "unknown type": lambda folder: _edit(folder, lambda document: document["recipe"].update(name="os.system")),
    "wrong shape": lambda folder: _edit(folder, lambda document: document["parameters"].update(profile=[[1]])),
    "list for object": lambda folder: _edit(folder, lambda document: document["recipe"].update(parameters=[])),
    "extra key": lambda folder: _edit(folder, lambda document: document.update(path="../../etc/passwd")),
}


def _write_manifest(folder: Path, content: bytes) -> None:
    (folder / "manifest.json").write_bytes(content)
