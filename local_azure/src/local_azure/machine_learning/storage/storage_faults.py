"""Full disks and unwritable folders as answers: what could not be written, where, and how many bytes are left."""

from __future__ import annotations

import asyncio
import errno
import logging
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

from local_azure.machine_learning.errors import ApiError

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_REFUSED = (errno.EACCES, errno.EPERM, errno.EROFS)
_SQLITE_FULL = (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR)
_SQLITE_REFUSED = (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM)
_PRIMARY_CODE = 0xFF  # the rest of an SQLite code says more exactly what failed
LOG = logging.getLogger("local_azure")
AGAIN_SECONDS = 1.0


def free_bytes(folder: Path) -> int:
    """Bytes that this user may still write on the disk of a folder."""
    return shutil.disk_usage(folder).free


def insufficient(what: str, folder: Path, needed: int | None = None) -> ApiError:
    """The 507 for something that did not fit. The SDK tries again, which is right: space can be made meanwhile."""
    size = f" ({needed} bytes)" if needed is not None else ""
    message = f"There is no room for {what}{size} on the disk of {folder}, which has {free_bytes(folder)} bytes free."
    return ApiError(507, "InsufficientStorage", f"{message} Nothing of it was kept. Make room and try again.")


def _unwritable(what: str, folder: Path, reason: str) -> ApiError:
    message = f"{what} cannot be written: {reason}. The user of this server needs write access to {folder}."
    return ApiError(400, "StorageNotWritable", message)


def is_full(error: BaseException) -> bool:
    """Return whether a write failed because of a full disk, by a file's error or by our own answer to it."""
    if isinstance(error, ApiError):
        return error.status == 507
    return isinstance(error, OSError) and error.errno in _FULL


def of_files(error: OSError, what: str, folder: Path, needed: int | None = None) -> ApiError | None:
    """The answer to a failed write of a file, or None when neither space nor access is the reason."""
    if error.errno in _FULL:
        return insufficient(what, folder, needed)
    if error.errno in _REFUSED:
        return _unwritable(what, folder, f"{error.strerror} ({error.filename or folder})")
    return None


def of_database(error: sqlite3.Error, path: Path) -> ApiError | None:
    """The answer to a failed transaction, which is rolled back, or None when the disk is not the reason."""
    code = getattr(error, "sqlite_errorcode", 0) & _PRIMARY_CODE
    if code in _SQLITE_FULL:
        size = path.stat().st_size
        return insufficient(f"this change in {path} ({size} bytes now)", path.parent)
    if code in _SQLITE_REFUSED:
        return _unwritable(str(path), path.parent, str(error))
    return None


async def until_kept(write: Callable[[], None]) -> None:
    """Write to the store in a thread; try again while there is no room. A run would stay open for ever otherwise."""
    while True:
        try:
            return await asyncio.to_thread(write)
        except ApiError as error:
            if error.status != 507:
                raise
            LOG.warning("the end of a run or service waits for room on the disk: %s", error.message)
        await asyncio.sleep(AGAIN_SECONDS)
