"""Unpacks what a client sends as the source folder of a web service: nothing leaves the folder or has no limit."""

from __future__ import annotations

import gzip
import tarfile
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import BinaryIO, cast

from local_azure.machine_learning.engines.services.errors import DeploymentError
from local_azure.machine_learning.storage import storage_faults

UNPACKED_BYTES = 2 * 1024**3
UNPACKED_FILES = 50_000
HEADER_BYTES = 1024**2


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
