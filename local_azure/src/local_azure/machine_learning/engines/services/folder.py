"""The files of one web service below the state folder, and the archive of its code, which is unpacked there."""

from __future__ import annotations

import gzip
import json
import os
import shutil
import tarfile
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import BinaryIO, cast

from local_azure.machine_learning.domain.workspace.redaction import last_lines
from local_azure.machine_learning.storage import storage_faults
from local_azure.machine_learning.storage.store import Document

LOG_BYTES = 2 * 1024**2  # more is never read back
UNPACKED_BYTES = 2 * 1024**3
UNPACKED_FILES = 50_000
HEADER_BYTES = 1024**2


class DeploymentError(Exception):
    """A service cannot be brought up, or went down for good; the message is for the user."""


class ServiceFolder:
    """Log, keys, home and one application folder a release."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.log = root / "service.log"
        self.keys = root / "keys.json"
        self.home = root / "home"

    def write_keys(self, service: Document) -> None:
        """Replace the file that the running service reads; one writer at a time."""
        self.root.mkdir(parents=True, exist_ok=True, mode=0o700)
        document = {"authEnabled": service["authEnabled"], "keys": list(service["keys"].values())}
        partial = self.root / "keys.partial"
        partial.unlink(missing_ok=True)
        descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
            json.dump(document, stream)
        partial.replace(self.keys)

    def read_log(self, lines: int) -> str:
        """The last lines of the log, without the keys of the service."""
        if not self.log.exists() or lines < 1:
            return ""
        text = last_lines(self.log, lines, LOG_BYTES)
        if self.keys.exists():
            for key in json.loads(self.keys.read_text(encoding="utf-8"))["keys"]:
                text = text.replace(key, "<key>")
        return text

    def clear_log(self) -> None:
        """Begin the log of a new release."""
        self.log.write_bytes(b"")
        self.log.chmod(0o600)

    def remove_releases(self, keep: Path | None = None) -> None:
        """Delete the application folders of earlier releases."""
        for folder in self.root.glob("app-*"):
            if folder != keep:
                shutil.rmtree(folder, ignore_errors=True)


class _Pieces:
    """An archive that is read in pieces of a bounded size.

    tarfile reads the extended header of a member at once, before there is a member whose size could be looked at.
    """

    def __init__(self, stream: BinaryIO | gzip.GzipFile) -> None:
        self._stream = stream
        self.seek, self.tell = stream.seek, stream.tell

    def read(self, size: int = -1) -> bytes:
        """As a file's own."""
        if not 0 <= size <= HEADER_BYTES:
            raise DeploymentError(f"The source folder of the service has a header that is too large: {size} bytes.")
        return self._stream.read(size)


@contextmanager
def _archive(source: Path) -> Iterator[tarfile.TarFile]:
    with source.open("rb") as file, ExitStack() as opened:
        packed = file.read(2) == b"\x1f\x8b"
        file.seek(0)
        stream = opened.enter_context(gzip.GzipFile(fileobj=file)) if packed else file
        pieces = cast(BinaryIO, _Pieces(stream))
        yield opened.enter_context(tarfile.open(fileobj=pieces, mode="r:"))


def _for_the_owner(member: tarfile.TarInfo, target: str) -> tarfile.TarInfo:
    """Take what the filter "data" takes, readable by nobody but the owner."""
    kept = tarfile.data_filter(member, target)
    return kept if kept.mode is None else kept.replace(mode=kept.mode & 0o700, deep=False)


def unpack(source: Path, target: Path) -> None:
    """Extract a tar file: no entry leaves the folder, and neither bytes nor files are without limit."""
    total = 0
    try:
        with _archive(source) as archive:
            for count, member in enumerate(archive):
                total += member.size
                if total > UNPACKED_BYTES or count >= UNPACKED_FILES:
                    raise DeploymentError(
                        f"The source folder of the service is too large: more than {UNPACKED_BYTES} bytes or "
                        f"{UNPACKED_FILES} files. Hand over a small folder of its own."
                    )
                archive.extract(member, target, filter=_for_the_owner)
    except (tarfile.TarError, EOFError, zlib.error, OSError) as error:
        if storage_faults.is_full(error):
            raise
        raise DeploymentError(f"The source folder of the service cannot be unpacked: {error}") from error
