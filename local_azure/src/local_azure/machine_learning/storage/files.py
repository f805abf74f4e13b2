"""Blobs as plain files: one folder a container, the blob's name as the path in it.

A blob appears whole or not at all (temporary file, fsync, rename), so a killed server leaves nothing half written.
"""

from __future__ import annotations

import base64
import hashlib
import os
import re
import shutil
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import BinaryIO

from local_azure.machine_learning.clock import new_id
from local_azure.machine_learning.errors import ApiError, bad_request
from local_azure.machine_learning.storage.threads import refuse_event_loop
from local_azure.machine_learning.storage.web_files import WebFiles

COPY_BYTES = 256 * 1024  # held in memory for a client that does not read
# Control characters cannot be in an address, and a backslash is a separator to some clients.
MAX_BLOB_NAME_CHARS = 1024  # source: Azure Storage, "Naming containers, blobs, and metadata"
MAX_UPLOAD_BYTES = 5_000 * 1024 * 1024  # source: Azure Storage, "Put Blob"
# The last two are not characters and would make the listing of their container invalid XML.
_REFUSED = re.compile(r"[\x00-\x1f\x7f\\\ufffe\uffff]")
_CONTAINER = re.compile(r"[a-z0-9$](?:[a-z0-9-]{0,61}[a-z0-9])?")


class _Moments:
    """Times of writing, no two of them the same: file systems count in steps of milliseconds and clocks go back."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._last = 0

    def next(self) -> int:
        """Nanoseconds since 1970."""
        with self._lock:
            self._last = max(time.time_ns(), self._last + 1)
            return self._last


_MOMENTS = _Moments()


def touch(target: Path | int) -> None:
    """Give a file, or an open one, a time of writing that no other has: its etag follows from it."""
    moment = _MOMENTS.next()
    os.utime(target, ns=(moment, moment))


def files_below(folder: Path, after: str = "") -> Iterator[str]:
    """Yield the paths of the files below a folder, folder by folder, sorted in each.

    What nobody asks for is not read. after: the path behind which to go on.
    """
    open_folders = [_entries(folder, "", after)]
    while open_folders:
        path, entry, rest = next(open_folders[-1], ("", None, ""))
        if entry is None:
            open_folders.pop()
        elif entry.is_dir(follow_symlinks=False):
            open_folders.append(_entries(folder, f"{path}/", rest))
        elif entry.is_file():
            yield path


def _entries(root: Path, inside: str, after: str) -> Iterator[tuple[str, os.DirEntry[str], str]]:
    """Yield path and entry of what is in one folder, and behind which path inside it to go on."""
    first, _, rest = after.partition("/")
    try:
        found = sorted(os.scandir(root / inside), key=lambda entry: entry.name)
    except (FileNotFoundError, NotADirectoryError, PermissionError):  # it has gone meanwhile, or is not ours
        return
    for entry in found:
        if entry.name > first or (entry.name == first and rest):
            yield f"{inside}{entry.name}", entry, rest if entry.name == first else ""


class Containers:
    """The files of all containers below one folder, to be read."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def container(self, container: str) -> Path:
        """Folder of a container; raises a 400 for a name that Azure would refuse."""
        if not _CONTAINER.fullmatch(container):
            raise bad_request(f"'{container}' is not a container name.", "InvalidResourceName")
        return self.root / container

    def path(self, container: str, blob: str) -> Path:
        """File of a blob, whether it exists or not; raises a 400 for a name that would leave the container."""
        folder = self.container(container)
        if len(blob) > MAX_BLOB_NAME_CHARS:
            message = f"A blob name has at most {MAX_BLOB_NAME_CHARS} characters; '{blob[:40]}...' has {len(blob)}."
            raise bad_request(message, "InvalidResourceName")
        parts = blob.split("/")
        if _REFUSED.search(blob) or any(part in ("", ".", "..") for part in parts):
            raise bad_request(f"'{blob}' is not a blob name.", "InvalidResourceName")
        path = folder.joinpath(*parts)
        if not path.resolve().is_relative_to(folder.resolve()):
            raise bad_request(f"'{blob}' leads out of its container.", "InvalidResourceName")
        return path

    def names(self, container: str, prefix: str = "") -> list[str]:
        """Names of all blobs that start with a prefix, sorted."""
        folder = self.container(container)
        start = folder / prefix if prefix.endswith("/") or not prefix else (folder / prefix).parent
        if not start.resolve().is_relative_to(folder.resolve()):
            return []
        found = (path.relative_to(folder).as_posix() for path in start.rglob("*") if path.is_file())
        return sorted(name for name in found if name.startswith(prefix))


class BlobFiles(Containers):
    """The files of all containers below one folder. web: those that stand for data at web addresses."""

    def __init__(self, root: Path, web: WebFiles | None = None) -> None:
        super().__init__(root)
        self.web = web or WebFiles()
        self._partial = root / ".partial"
        shutil.rmtree(self._partial, ignore_errors=True)
        self._partial.mkdir(parents=True, exist_ok=True, mode=0o700)

    @contextmanager
    def writing(self, target: Path, turn: AbstractContextManager[object] | None = None) -> Iterator[BinaryIO]:
        """An open file that becomes `target` when the block ends well, durable before that; nothing otherwise.

        turn: held while it becomes `target`, once all bytes are there; what it raises keeps the old file.
        """
        refuse_event_loop()
        partial = self._partial / new_id()
        try:
            with partial.open("wb") as stream:
                yield stream
                stream.flush()
                touch(stream.fileno())
                os.fsync(stream.fileno())
            with turn or nullcontext():
                target.parent.mkdir(parents=True, exist_ok=True)
                partial.replace(target)
        finally:
            partial.unlink(missing_ok=True)


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


def too_large(most: int) -> ApiError:
    """The 413 for an upload above the cap."""
    message = f"An upload may have {MAX_UPLOAD_BYTES} bytes; this one would have more than {max(most, 0)}."
    return ApiError(413, "RequestBodyTooLarge", f"{message} Split the data into several blobs.")


def _capped(chunks: Iterable[bytes], most: int) -> Iterator[bytes]:
    """The chunks as long as they fit; raises a 413."""
    left = most
    for chunk in chunks:
        left -= len(chunk)
        if left < 0:
            raise too_large(most)
        yield chunk


def append_chunks(path: Path, chunks: Iterable[bytes]) -> None:
    """Write chunks behind the end of a file, durable when this returns."""
    refuse_event_loop()
    with path.open("ab") as stream:
        stream.writelines(_capped(chunks, MAX_UPLOAD_BYTES - stream.tell()))
        stream.flush()
        os.fsync(stream.fileno())


def copy_chunks(chunks: Iterable[bytes], stream: BinaryIO, md5: str | None = None) -> None:
    """Write chunks to an open file; raises a 400 when they do not have the MD5 (in base64) that is given."""
    digest = hashlib.md5(usedforsecurity=False)
    for chunk in _capped(chunks, MAX_UPLOAD_BYTES):
        stream.write(chunk)
        if md5:
            digest.update(chunk)
    if md5 and base64.b64encode(digest.digest()).decode() != md5:
        raise ApiError(400, "Md5Mismatch", "The bytes received do not have the MD5 that the request names.")
