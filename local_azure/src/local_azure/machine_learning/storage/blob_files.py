"""How the blob plane keeps what the Azure Blob service keeps: bytes, uncommitted blocks and metadata.

The bytes of a blob are the file itself, so steps and web services read and write the same files without a copy.
What a file cannot say (metadata, content type, tags, folder markers) is a document beside it, written only when there
is something to say.
"""

from __future__ import annotations

import base64
import errno
import hashlib
import os
import shutil
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from local_azure.machine_learning.clock import new_id
from local_azure.machine_learning.errors import ApiError
from local_azure.machine_learning.storage import storage_faults
from local_azure.machine_learning.storage.files import BlobFiles
from local_azure.machine_learning.storage.store import Store

FOLDER_MARKER = "hdi_isfolder"
COPY_BYTES = 256 * 1024  # so much is held for a reader who does not read
_KIND = "blob"
_ALL = ""  # containers are not looked up by workspace
_UNCOMMITTED = ".blocks"  # no container can have this name
_BLOCKS_LIVE_SECONDS = 7 * 24 * 3600  # source: Azure Storage REST, "Put Block"


class BlobDisk:
    """One blob of one container."""

    def __init__(self, store: Store, files: BlobFiles, container: str, blob: str) -> None:
        self._store = store
        self._files = files
        self._container = container
        self._key = f"{container}/{blob}"
        self.blob = blob
        self.path = files.path(container, blob)

    def exists(self) -> bool:
        """Whether the blob, or a folder marker of that name, exists."""
        return self.path.is_file() or FOLDER_MARKER in self.facts().get("metadata", {})

    def facts(self) -> dict[str, Any]:
        """`metadata` (name to value), `contentType` and `tags` (XML text), as far as they were given."""
        return self._store.get(_ALL, _KIND, self._key) or {}

    def note(self, facts: dict[str, Any]) -> None:
        """Keep what a file cannot say; an empty dict forgets it."""
        if facts:
            self._store.put(_ALL, _KIND, self._key, {"name": self.blob, **facts}, parent=self._container)
        elif self.facts():
            self._store.delete(_ALL, _KIND, self._key)

    def write(
        self,
        chunks: Iterable[bytes],
        facts: dict[str, Any],
        *,
        only_new: bool,
        md5: str | None = None,
        size: int | None = None,
    ) -> None:
        """Replace the blob's content; raises a 409 when `only_new` and it exists, a 507 when it has no room.

        size: bytes that are going to come, where that is known; what cannot fit is refused before it is sent.
        """
        if only_new and self.exists():
            raise self._exists()
        with self._file_faults(size):
            self._clear_empty_folder()
            staged = self._files.root / _UNCOMMITTED / "staged" / new_id() if only_new else self.path
            with self._files.writing(staged) as stream:
                _copy(chunks, stream, md5)
            if only_new:
                self._publish(staged)
        self.note(facts)
        self.discard_blocks()

    def write_marker(self, facts: dict[str, Any]) -> None:
        """A folder marker: rslex writes one for an empty directory and then blobs below it."""
        with self._file_faults():
            self.path.mkdir(parents=True, exist_ok=True)
        self.note(facts)

    def delete(self) -> None:
        """Remove the blob and what was noted about it."""
        if self.path.is_file():
            self.path.unlink()
        self.note({})

    def write_block(self, block_id: str, chunks: Iterable[bytes], md5: str | None, size: int | None) -> None:
        """Keep one uncommitted block on disk."""
        self._drop_old_blocks()
        with self._file_faults(size), self._files.writing(self._block(block_id)) as stream:
            _copy(chunks, stream, md5)

    def commit_blocks(self, block_ids: list[str], facts: dict[str, Any], *, only_new: bool) -> None:
        """Make the blob out of uncommitted blocks in the order given."""
        blocks = [self._block(block_id) for block_id in block_ids]
        if not all(block.is_file() for block in blocks):
            raise ApiError(
                400, "InvalidBlockList", f"The block list of '{self.blob}' names a block that was not put."
            )
        chunks = (chunk for block in blocks for chunk in read_chunks(block.open("rb")))
        self.write(chunks, facts, only_new=only_new, size=sum(block.stat().st_size for block in blocks))

    def discard_blocks(self) -> None:
        """Forget uncommitted blocks, as Azure does when a blob is written."""
        shutil.rmtree(self._blocks_folder(), ignore_errors=True)

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

    def _publish(self, staged: Path) -> None:
        # A link fails when the name exists: of two writers that both said If-None-Match, one is refused.
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            os.link(staged, self.path)
        except FileExistsError as error:
            raise self._exists() from error
        finally:
            staged.unlink()

    def _exists(self) -> ApiError:
        return ApiError(409, "BlobAlreadyExists", f"The blob '{self.blob}' exists already.")

    def _clear_empty_folder(self) -> None:
        """A folder that a deleted blob or a marker left behind gives way to a blob of its name."""
        if self.path.is_dir() and not any(path.is_file() for path in self.path.rglob("*")):
            shutil.rmtree(self.path)

    @contextmanager
    def _file_faults(self, size: int | None = None) -> Iterator[None]:
        root = self._files.root
        if size is not None and size > storage_faults.free_bytes(root):
            raise storage_faults.insufficient(f"the blob '{self.blob}'", root, size)
        try:
            yield
        except (FileExistsError, NotADirectoryError, IsADirectoryError) as error:
            raise ApiError(
                409,
                "ResourceTypeMismatch",
                f"'{self.blob}' cannot be written: local_azure keeps blobs as files, so a blob and a folder of blobs "
                "cannot have one name. Choose another name.",
            ) from error
        except OSError as error:
            if error.errno == errno.ENAMETOOLONG:
                message = (
                    f"'{self.blob}' has a part longer than a file name may be; local_azure keeps blobs as files."
                )
                raise ApiError(400, "InvalidResourceName", message) from error
            raise storage_faults.of_files(error, f"The blob '{self.blob}'", root, size) or error from error


def markers(store: Store, container: str) -> dict[str, dict[str, str]]:
    """Name and metadata of every blob of a container that has metadata."""
    found = store.find(_ALL, _KIND, parent=container)
    return {doc["name"]: doc["metadata"] for doc in found if doc.get("metadata")}


def read_chunks(stream: BinaryIO, length: int | None = None) -> Iterator[bytes]:
    """The next `length` bytes of an open file (all of the rest by default); closes it."""
    with stream:
        left = length
        while left is None or left > 0:
            chunk = stream.read(COPY_BYTES if left is None else min(COPY_BYTES, left))
            if not chunk:
                return
            if left is not None:
                left -= len(chunk)
            yield chunk


def _copy(chunks: Iterable[bytes], stream: BinaryIO, md5: str | None) -> None:
    digest = hashlib.md5(usedforsecurity=False)
    for chunk in chunks:
        stream.write(chunk)
        if md5:
            digest.update(chunk)
    if md5 and base64.b64encode(digest.digest()).decode() != md5:
        raise ApiError(400, "Md5Mismatch", "The bytes received do not have the MD5 that the request names.")
