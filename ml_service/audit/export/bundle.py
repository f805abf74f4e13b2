"""Write an audit export: the same bytes for the same content, one document in memory at a time."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from azure_ml.digests import file_sha256
from ml_service.audit.completeness.documents import Document, Documents
from ml_service.audit.completeness.verifying import Verified
from ml_service.audit.export import dossier, facts, verifier
from ml_service.audit.timeline.intervals import Interval, intervals
from ml_service.production.chain.deployments import Actor
from ml_service.production.chain.entry import Entry

_MOMENT = (1980, 1, 1, 0, 0, 0)
"""Of every file: an export is the same whenever it is made of the same."""
_READABLE = 0o644 << 16


@dataclass(frozen=True)
class Made:
    """An export that was written. sha256: of the file; sums_sha256: of its SHA256SUMS, for one that was extracted."""

    path: Path
    sha256: str
    sums_sha256: str
    files: int


@dataclass
class _Archive:
    """A ZIP file that is being written, and the hashes of what it holds by now."""

    zip: zipfile.ZipFile
    sums: dict[str, str] = field(default_factory=dict)

    @contextmanager
    def file(self, name: str) -> Iterator[IO[bytes]]:
        """A file to write piece by piece."""
        info = zipfile.ZipInfo(name, _MOMENT)
        info.compress_type, info.external_attr = zipfile.ZIP_DEFLATED, _READABLE
        with self.zip.open(info, "w", force_zip64=True) as target:
            hashed = _Hashed(target)
            yield hashed  # type: ignore[misc]  # a file as far as it is written to
        self.sums[name] = hashed.total.hexdigest()

    def add(self, name: str, content: bytes) -> None:
        """A whole file."""
        with self.file(name) as target:
            target.write(content)


class _Hashed:
    """A target that knows the hash of what was written to it."""

    def __init__(self, target: IO[bytes]) -> None:
        self._target = target
        self.total = hashlib.sha256()

    def write(self, content: bytes) -> int:
        """Write and count."""
        self.total.update(content)
        return self._target.write(content)


def write(verified: Verified, documents: Documents, maker: Actor, target: Path) -> Made:
    """Write an export; the file appears whole or not at all."""
    population = verified.population
    found = intervals(population.chain.entries, population.live)
    target.parent.mkdir(parents=True, exist_ok=True)
    descriptor, partial = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    try:
        with os.fdopen(descriptor, "wb") as stream, zipfile.ZipFile(stream, "w") as opened:
            archive = _Archive(opened)
            _write_all(archive, verified, documents, found, maker)
            listed = "".join(f"{sha256}  {name}\n" for name, sha256 in sorted(archive.sums.items()))
            archive.add(verifier.SUMS, listed.encode())
        Path(partial).chmod(0o644)
        Path(partial).replace(target)
    finally:
        Path(partial).unlink(missing_ok=True)
    sums_sha256 = hashlib.sha256(listed.encode()).hexdigest()
    return Made(target, file_sha256(target), sums_sha256, len(archive.sums))


def _write_all(
    archive: _Archive, verified: Verified, documents: Documents, found: tuple[Interval, ...], maker: Actor
) -> None:
    entries, kept = verified.population.chain.entries, tuple(documents)
    for document in kept:
        with archive.file(place_of(document)) as target, documents.path(document).open("rb") as source:
            shutil.copyfileobj(source, target)
    told = facts.facts_of(verified, maker, kept)
    with archive.file(verifier.DOSSIER) as page:
        for piece in dossier.pieces(verified, told, found, {one: place_of(one) for one in kept}):
            page.write(piece.encode("utf-8", "backslashreplace"))  # a comment may hold half a character
    with archive.file(verifier.TABLE) as table:
        table.write(verifier.csv_text([verifier.COLUMNS]).encode())
        for entry in entries:
            table.write(verifier.csv_text(verifier.csv_rows(as_document(entry))).encode())
    with archive.file(verifier.EVENTS) as events:
        for entry in entries:
            events.write(entry.content)
    with archive.file(verifier.FACTS) as target:
        for piece in facts.pieces(told, facts.lists_of(verified, found, kept)):
            target.write(piece.encode())
    archive.add(verifier.VERIFIER, Path(verifier.__file__).read_bytes())


def place_of(document: Document) -> str:
    """Name of a document in the export: by its hash, a scoring file below that of its folder."""
    if document.name.startswith(verifier.SCORING):
        return document.name
    return f"{verifier.DOCUMENTS}{document.sha256}-{document.name}"


def as_document(entry: Entry) -> verifier.Document:
    """An entry as the verifier reads it."""
    return entry.model_dump(by_alias=True)
