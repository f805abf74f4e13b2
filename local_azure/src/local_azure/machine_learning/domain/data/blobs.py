"""Blobs: what the Azure Blob service keeps of one, its bytes, uncommitted blocks and metadata.

The bytes of a blob are the file itself, so steps and web services read and write the same files without a copy.
What a file cannot say (metadata, content type, tags, folder markers) is a document beside it, written only when there
is something to say.
"""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from email.utils import formatdate
from pathlib import Path
from typing import Any

from local_azure.machine_learning.clock import Uptime, uptime
from local_azure.machine_learning.domain.data.blob_access import leases
from local_azure.machine_learning.domain.data.blob_access.conditions import Conditions, Version
from local_azure.machine_learning.domain.data.blob_access.leases import Lease
from local_azure.machine_learning.domain.workspace.redaction import Redactor
from local_azure.machine_learning.errors import ApiError
from local_azure.machine_learning.storage import storage_faults
from local_azure.machine_learning.storage.files import (
    MAX_UPLOAD_BYTES,
    BlobFiles,
    append_chunks,
    copy_chunks,
    read_chunks,
    too_large,
    touch,
)
from local_azure.machine_learning.storage.store import Store

FOLDER_MARKER = "hdi_isfolder"
BLOCK_BLOB, APPEND_BLOB = "BlockBlob", "AppendBlob"
DEFAULT_TYPE = "application/octet-stream"
NO_TAGS = "<Tags><TagSet/></Tags>"
_KIND = "blob"
_LEASE_KIND = "blob_lease"
_ALL = ""  # containers are not looked up by workspace
_UNCOMMITTED = ".blocks"  # no container can have this name
MAX_BLOCKS = 50_000  # of one blob; source: Azure Storage REST, "Put Block List"
_BLOCKS_LIVE_SECONDS = 7 * 24 * 3600  # source: Azure Storage REST, "Put Block"

# `metadata` (name to value), `contentType`, `tags` (XML text), and the `blobType` of an append blob.
Facts = dict[str, Any]


_ANY_VERSION = Conditions()


def etag(path: Path) -> str:
    """Changes whenever the file is written; as long as those of the service."""
    facts = path.stat()
    text = f"{facts.st_mtime_ns}/{facts.st_size}/{facts.st_ino}"
    return f'"0x{hashlib.sha256(text.encode()).hexdigest()[:15].upper()}"'


def last_modified(path: Path) -> str:
    """RFC 1123 time of the last write."""
    return formatdate(path.stat().st_mtime, usegmt=True)


def described_blobs(store: Store, container: str) -> dict[str, Facts]:
    """Facts of every blob of a container that has some; folder markers are among them."""
    return {doc["name"]: doc for doc in store.find(_ALL, _KIND, parent=container)}


def leases_of(store: Store, container: str) -> dict[str, Lease]:
    """Name and lease of every blob of a container that was leased."""
    return {doc["name"]: Lease.of_document(doc) for doc in store.find(_ALL, _LEASE_KIND, parent=container)}


def content(redactor: Redactor, path: Path, first: int, length: int) -> Iterator[bytes]:
    """A range of a file's bytes; of a log that a step is still writing, masked."""
    if redactor.is_written(path):
        return redactor.read(path, first, length)
    stream = path.open("rb")
    stream.seek(first)
    return read_chunks(stream, length)


class Blob:
    """One blob of one container."""

    def __init__(self, store: Store, files: BlobFiles, container: str, name: str) -> None:
        self._store = store
        self._files = files
        self._container = container
        self._key = f"{container}/{name}"
        self.name = name
        self.path = files.path(container, name)

    @property
    def size(self) -> int:
        """Bytes; a folder marker has none."""
        return self.path.stat().st_size if self.path.is_file() else 0

    def exists(self) -> bool:
        """Whether the blob, or a folder marker of that name, exists."""
        return self.path.is_file() or FOLDER_MARKER in self.facts().get("metadata", {})

    def require(self) -> None:
        """Raise a 404 when there is no such blob."""
        if not self.exists():
            raise ApiError(404, "BlobNotFound", f"The blob '{self.name}' does not exist.")

    def is_known(self, conditions: Conditions) -> bool:
        """Tell whether a reader has this version already; raises a 412 for a condition that is not met."""
        leases.require_named(self.lease(), conditions.lease_id, uptime())
        version = self._version()
        return version is not None and conditions.is_known(self.name, version)

    def require_writable(self, conditions: Conditions) -> None:
        """Raise a 409 or 412 for a condition that a write does not meet, or a lease of another."""
        conditions.require_write(self.name, self._version())
        self._require_lease(conditions)

    def facts(self) -> Facts:
        """What a file cannot say."""
        return self._store.get(_ALL, _KIND, self._key) or {}

    def lease(self) -> Lease | None:
        """Return the lease of the blob, which may be over; None where it has none."""
        found = self._store.get(_ALL, _LEASE_KIND, self._key)
        return Lease.of_document(found) if found and self.exists() else None

    def change_lease(
        self, conditions: Conditions, alter: Callable[[Lease | None, Uptime], Lease | None]
    ) -> Lease | None:
        """Replace the lease by what `alter` makes of it; raises a 404, 409 or 412."""
        with self._store.transaction():
            self.require()
            conditions.require_write(self.name, self._version())
            lease = alter(self.lease(), uptime())
            self._keep_lease(lease)
        return lease

    def change_facts(self, changes: Mapping[str, object], conditions: Conditions) -> None:
        """Replace some of the facts, which makes another version; raises a 404, 409 or 412."""
        with self._store.transaction():
            self.require()
            self.require_writable(conditions)
            self._keep({**self.facts(), **changes})
            touch(self.path)
            self._end_old_lease()

    def change_tags(self, tags: str, conditions: Conditions) -> None:
        """Replace the tags, which are not part of the version; raises a 404 or 412."""
        with self._store.transaction():
            self.require()
            self._require_lease(conditions)
            self._keep({**self.facts(), "tags": tags})

    def write(
        self,
        chunks: Iterable[bytes],
        facts: Facts,
        *,
        conditions: Conditions = _ANY_VERSION,
        md5: str | None = None,
        size: int | None = None,
    ) -> None:
        """Replace the blob's content; raises a 409 or 412 for a condition or lease, a 507 when it has no room.

        size: bytes that are going to come, where that is known; what cannot fit is refused before it is sent.
        """
        self.require_writable(conditions)
        with self._file_faults(size):
            self._clear_empty_folder()
            with self._files.writing(self.path, self._turn(conditions, facts)) as stream:
                copy_chunks(chunks, stream, md5)
        self.discard_blocks()

    @contextmanager
    def _turn(self, conditions: Conditions, facts: Facts) -> Iterator[None]:
        """Hold the lock under which a blob changes: writes to blobs are serialized."""
        with self._store.transaction():
            self.require_writable(conditions)
            if not self.exists():  # a lease ends with its blob
                self._keep_lease(None)
            yield
            self._keep(facts)
            self._end_old_lease()

    def append(self, block: bytes, conditions: Conditions, *, position: int | None, most: int | None) -> int:
        """Write a block behind the end of an append blob, whole or not at all; returns where it begins.

        position: where the client takes the end to be. most: bytes that the blob may have. Raises a 404, 409 or 412.
        """
        with self._store.transaction(), self._file_faults(len(block)):
            self.require()
            self.require_writable(conditions)
            offset = self.size
            if self.facts().get("blobType") != APPEND_BLOB:
                raise ApiError(409, "InvalidBlobType", f"'{self.name}' is not an append blob.")
            if position not in (None, offset):
                message = f"'{self.name}' has {offset} bytes, not {position}."
                raise ApiError(412, "AppendPositionConditionNotMet", message)
            if most is not None and offset + len(block) > most:
                message = f"'{self.name}' would have {offset + len(block)} bytes, more than the {most} asked for."
                raise ApiError(412, "MaxBlobSizeConditionNotMet", message)
            try:
                append_chunks(self.path, [block])
            except BaseException:
                os.truncate(self.path, offset)
                raise
            touch(self.path)
            self._end_old_lease()
        return offset

    def write_marker(self, facts: Facts, conditions: Conditions) -> None:
        """A folder marker: rslex writes one for an empty directory and then blobs below it."""
        with self._file_faults(), self._turn(conditions, facts):
            self.path.mkdir(parents=True, exist_ok=True)

    def delete(self, conditions: Conditions) -> None:
        """Remove the blob and what was noted about it; raises a 404, 409 or 412."""
        with self._store.transaction():
            self.require()
            self.require_writable(conditions)
            self._keep({})
            self._keep_lease(None)
            if self.path.is_file():
                self.path.unlink()

    def write_block(
        self,
        block_id: str,
        chunks: Iterable[bytes],
        md5: str | None,
        size: int | None,
        conditions: Conditions = _ANY_VERSION,
    ) -> None:
        """Keep one uncommitted block on disk; raises a 412 for a lease of another."""
        self._require_lease(conditions)
        self._drop_old_blocks()
        with self._file_faults(size), self._files.writing(self._block(block_id)) as stream:
            copy_chunks(chunks, stream, md5)

    def commit_blocks(self, block_ids: list[str], facts: Facts, conditions: Conditions = _ANY_VERSION) -> None:
        """Make the blob out of uncommitted blocks in the order given; raises a 409 or 412 like `write`."""
        self.require_writable(conditions)
        if len(block_ids) > MAX_BLOCKS:
            message = f"The block list of '{self.name}' has {len(block_ids)} blocks; at most {MAX_BLOCKS} are taken."
            raise ApiError(400, "BlockListTooLong", message)
        blocks = [self._block(block_id) for block_id in block_ids]
        if not all(block.is_file() for block in blocks):
            raise ApiError(
                400, "InvalidBlockList", f"The block list of '{self.name}' names a block that was not uploaded."
            )
        chunks = (chunk for block in blocks for chunk in read_chunks(block.open("rb")))
        self.write(chunks, facts, conditions=conditions, size=sum(block.stat().st_size for block in blocks))

    def discard_blocks(self) -> None:
        """Forget uncommitted blocks, as Azure does when a blob is written."""
        shutil.rmtree(self._blocks_folder(), ignore_errors=True)

    def _keep(self, facts: Facts) -> None:
        """Keep what a file cannot say; an empty dict forgets it."""
        if facts:
            self._store.put(_ALL, _KIND, self._key, {"name": self.name, **facts}, parent=self._container)
        elif self.facts():
            self._store.delete(_ALL, _KIND, self._key)

    def _keep_lease(self, lease: Lease | None) -> None:
        if lease is None:
            self._store.delete(_ALL, _LEASE_KIND, self._key)
            return
        document = {"name": self.name, **lease.document()}
        self._store.put(_ALL, _LEASE_KIND, self._key, document, parent=self._container)

    def _require_lease(self, conditions: Conditions) -> None:
        leases.require_write(self.lease(), conditions.lease_id, uptime())

    def _end_old_lease(self) -> None:
        """A write ends a lease that has expired or was broken: it cannot be renewed any more."""
        lease = self.lease()
        if lease and not leases.state_of(lease, uptime()).is_locked:
            self._keep_lease(None)

    def _version(self) -> Version | None:
        if not self.exists():
            return None
        return Version(etag(self.path).strip('"'), int(self.path.stat().st_mtime))

    def _blocks_folder(self) -> Path:
        return self._files.root / _UNCOMMITTED / hashlib.sha256(self._key.encode()).hexdigest()

    def _block(self, block_id: str) -> Path:
        return self._blocks_folder() / hashlib.sha256(block_id.encode()).hexdigest()

    def _drop_old_blocks(self) -> None:
        if self._blocks_folder().exists():
            return
        oldest = time.time() - _BLOCKS_LIVE_SECONDS
        for folder in (self._files.root / _UNCOMMITTED).glob("*"):
            if folder.stat().st_mtime < oldest:
                shutil.rmtree(folder, ignore_errors=True)

    def _clear_empty_folder(self) -> None:
        """A folder that a deleted blob or a marker left behind gives way to a blob of its name."""
        if self.path.is_dir() and not any(path.is_file() for path in self.path.rglob("*")):
            shutil.rmtree(self.path)

    @contextmanager
    def _file_faults(self, size: int | None = None) -> Iterator[None]:
        root = self._files.root
        if size is not None and size > storage_faults.free_bytes(root):
            raise storage_faults.insufficient(f"the blob '{self.name}'", root, size)
        if size is not None and size > MAX_UPLOAD_BYTES:
            raise too_large(MAX_UPLOAD_BYTES)
        try:
            yield
        except (FileExistsError, NotADirectoryError, IsADirectoryError) as error:
            raise ApiError(
                409,
                "ResourceTypeMismatch",
                f"'{self.name}' cannot be written: local_azure keeps blobs as files, so a blob and a folder of blobs "
                "cannot have one name. Choose another name.",
            ) from error
        except OSError as error:
            if error.errno == errno.ENAMETOOLONG:
                message = (
                    f"'{self.name}' has a part longer than a file name may be; local_azure keeps blobs as files."
                )
                raise ApiError(400, "InvalidResourceName", message) from error
            raise storage_faults.of_files(error, f"The blob '{self.name}'", root, size) or error from error
