"""The documents that were read, in a folder by their SHA-256: each is stored once, however many objects have it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Document:
    """One document. name: as its owners have it; owners: where it was found, such as `run ID`."""

    sha256: str
    name: str
    size: int
    owners: tuple[str, ...]


@dataclass
class Documents:
    """The documents of one reading. folder: which holds a file named by its hash for each."""

    folder: Path
    _known: dict[tuple[str, str], Document] = field(default_factory=dict)

    def keep(self, name: str, content: bytes, owner: str) -> str:
        """Keep a document; returns its SHA-256."""
        sha256 = hashlib.sha256(content).hexdigest()
        known = self._known.get((sha256, name))
        if known is None:
            (self.folder / sha256).write_bytes(content)
        owners = dict.fromkeys((*(known.owners if known else ()), owner))
        self._known[sha256, name] = Document(sha256, name, len(content), tuple(owners))
        return sha256

    def __iter__(self) -> Iterator[Document]:
        """Every document, by name and hash."""
        yield from sorted(self._known.values(), key=lambda one: (one.name, one.sha256))

    def path(self, document: Document) -> Path:
        """Its file."""
        return self.folder / document.sha256
