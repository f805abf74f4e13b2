"""The inbox of a data set in the default datastore, its receipts, and the data set's versions.

Files lie in `inbox/<data set>/`, receipts in `deliveries/<data set>/`, markers of finished deliveries in
`ready/<data set>/`. Only one process at a time changes them: opening the inbox takes its lease.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from azure_ml.datasets import DatasetVersion, find_dataset
from azure_ml.digests import file_sha256
from azure_ml.storage import leases
from azure_ml.storage.blobs import Blobs, open_blobs
from azure_ml.storage.versions import find_stored, register_file
from azure_ml.workspace import Workspace

MAX_FILES = 1_000
"""Blobs of an inbox."""
_FILES, _RECEIPTS, _MARKERS, _LEASES = "inbox", "deliveries", "ready", "leases"
_MARK = b"{}"
"""Content of a marker."""


@dataclass(frozen=True)
class ListedFile:
    """A blob of an inbox. name: below the inbox; modified: in seconds since 1970."""

    name: str
    etag: str
    size: int
    modified: float
    type: str


class FileName(Protocol):
    """A content of a file of the inbox."""

    @property
    def name(self) -> str:
        """Below the inbox."""

    @property
    def etag(self) -> str:
        """Of the content."""


@dataclass(frozen=True)
class StoredInbox:
    """The inbox of a data set. scratch: where files are fetched to."""

    workspace: Workspace
    dataset: str
    scratch: Path
    blobs: Blobs
    _versions: dict[int, DatasetVersion] = field(default_factory=dict)
    """Those that have been looked at."""

    def files(self) -> list[ListedFile]:
        """The blobs in it. Raises: AzureMlError where there are too many."""
        prefix = files_folder(self.dataset)
        return [
            ListedFile(
                name=str(blob.name).removeprefix(prefix),
                etag=str(blob.etag),
                size=int(blob.size),
                modified=blob.last_modified.timestamp(),
                type=str(getattr(blob.blob_type, "value", blob.blob_type)),
            )
            for blob in self.blobs.listed(prefix, MAX_FILES)
        ]

    def receipts(self, keys: Iterable[str]) -> list[bytes | None]:
        """What was kept under these keys."""
        return self.blobs.read_all([self._receipt(key) for key in keys])

    def all_receipts(self) -> list[bytes]:
        """Every receipt that was ever kept, also of files that are gone."""
        found = self.blobs.read_all(self.blobs.names(f"{_RECEIPTS}/{self.dataset}/"))
        return [content for content in found if content is not None]

    def keep(self, key: str, content: bytes) -> None:
        """Keep a receipt, once."""
        self.blobs.create(self._receipt(key), content)

    def _receipt(self, key: str) -> str:
        return f"{_RECEIPTS}/{self.dataset}/{key}.json"

    def fetch(self, file: FileName) -> tuple[Path, str] | None:
        """A local copy of a file and its SHA-256; None when it was replaced or removed since it was listed."""
        target = self.scratch / f"data{_ending(file.name)}"
        if not self.blobs.download(files_folder(self.dataset) + file.name, file.etag, target):
            return None
        return target, file_sha256(target)

    def find(self, sha256: str) -> int | None:
        """The version of the data set that holds these bytes."""
        found = find_stored(self.workspace, self.blobs, self._newest(), sha256, self._versions)
        return found.version if found else None

    def newest(self) -> Mapping[str, str]:
        """The tags of the newest version; none where there is none."""
        found = self._newest()
        return found.tags if found else {}

    def announce(self, version: int, sha256: str) -> None:
        """Write the marker of a version, once, if it is the newest one: no older one is trained on."""
        newest = self._newest()
        if newest is not None and newest.version == version:
            self.blobs.create(_marker(self.dataset, sha256), _MARK)

    def _newest(self) -> DatasetVersion | None:
        found = self._versions[max(self._versions)] if self._versions else find_dataset(self.workspace, self.dataset)
        if found is not None:
            self._versions[found.version] = found
        return found

    def register(self, table: Path, sha256: str, tags: Mapping[str, str], description: str) -> int:
        """Register a file as a new version."""
        made = register_file(self.workspace, self.dataset, table, sha256, tags=tags, description=description)
        self._versions[made.version] = made
        return made.version


def files_folder(dataset: str) -> str:
    """Where files for a data set are delivered."""
    return f"{_FILES}/{dataset}/"


def markers_folder(dataset: str) -> str:
    """Where a marker says that a delivery is complete; a schedule watches it."""
    return f"{_MARKERS}/{dataset}"


def write_marker(workspace: Workspace, dataset: str, name: str) -> None:
    """Say that there is something new to train on, once for a name."""
    open_blobs(workspace).create(_marker(dataset, name), _MARK)


def _marker(dataset: str, name: str) -> str:
    return f"{markers_folder(dataset)}/{name}"


@contextmanager
def reading(workspace: Workspace, dataset: str) -> Iterator[StoredInbox]:
    """The inbox for looking only: no lease is taken."""
    with tempfile.TemporaryDirectory(prefix="inbox_") as scratch:
        yield StoredInbox(workspace, dataset, Path(scratch), open_blobs(workspace))


@contextmanager
def holding(
    workspace: Workspace, dataset: str, holder: Mapping[str, str], waiting: Callable[[Mapping[str, str]], None]
) -> Iterator[StoredInbox]:
    """The inbox, which nobody else changes until the end of the block. Raises: leases.LeaseHeldError."""
    with reading(workspace, dataset) as inbox:
        lease = leases.acquire(inbox.blobs, f"{_LEASES}/inbox-{dataset}.json", holder, waiting)
        with lease, workspace.calls.demanding(lease.confirm):
            yield inbox


def _ending(name: str) -> str:
    """The suffix of a table, so that the same bytes under two names stay one file."""
    known = (ending for ending in (".csv.gz", ".xlsx") if name.lower().endswith(ending))
    return next(known, ".csv")
