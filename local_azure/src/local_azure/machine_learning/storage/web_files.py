"""Local files that stand for data at web addresses (`--web-data FOLDER`). Nothing is ever downloaded.

The file of an address lies at HOST/PATH below the folder, as `wget --force-directories` saves it: with the port after
the host where it is not the usual one, and with the query as part of the name. A signature in the query (a shared
access signature) is no part of it, because it changes with each download.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote, unquote_to_bytes, urlsplit

from local_azure.machine_learning.errors import ApiError, bad_request

MAX_ADDRESS_CHARS = 4_096
MAX_NAME_BYTES = 255  # of one file or folder, as file systems have it
MAX_LISTED = 100_000  # files of one folder that a wildcard looks at
_USUAL_PORTS = {"http": 80, "https": 443, "wasb": 80, "wasbs": 443}
_HOST = re.compile(r"[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63}){0,20}")
_SIGNATURE = re.compile(r"(?:^|&)(?:sig|X-Amz-Signature|Signature)=")
_UNUSABLE = re.compile(r"[\x00-\x1f\x7f/\\]")
_INDEX = "index.html"


def name_of(address: str) -> str:
    """Return the name below the folder for an address: http, https, or wasb(s)://CONTAINER@HOST/PATH.

    Raises a 400 for an address that can have no file.
    """
    if len(address) > MAX_ADDRESS_CHARS:
        raise bad_request(f"A web address may have {MAX_ADDRESS_CHARS} characters; this one has {len(address)}.")
    try:
        parts = urlsplit(address)
        port = parts.port
    except ValueError as error:
        raise _unusable(address) from error
    host = (parts.hostname or "").rstrip(".")
    container = [parts.username or ""] if parts.scheme in ("wasb", "wasbs") else []
    if parts.scheme not in _USUAL_PORTS or not _HOST.fullmatch(host) or (parts.username and not container):
        raise _unusable(address)
    if port not in (None, _USUAL_PORTS[parts.scheme]):
        host = f"{host}:{port}"
    *folders, last = (parts.path or "/").removeprefix("/").split("/")
    segments = [_decoded(segment, address) for segment in (*container, *folders, last or _INDEX)]
    if parts.query and not _SIGNATURE.search(parts.query):
        segments[-1] += f"?{parts.query.replace('/', '%2F')}"
    if any(len(segment.encode()) > MAX_NAME_BYTES for segment in segments):
        raise bad_request(f"A part of a web address may have {MAX_NAME_BYTES} bytes; one of this address has more.")
    return "/".join((host, *segments))


def name_parts(path: str) -> list[str]:
    """Return the parts of a path in a blob container, not encoded; raises a 400 for one that leaves it."""
    parts = path.strip("/").split("/") if path.strip("/") else []
    if any(part in ("", ".", "..") or _UNUSABLE.search(part) for part in parts):
        raise bad_request(f"The path '{path[:300]}' cannot stand for a local file.")
    return parts


def _decoded(segment: str, address: str) -> str:
    try:
        text = unquote_to_bytes(segment).decode()
    except UnicodeDecodeError as error:
        raise _unusable(address) from error
    if text in ("", ".", "..") or _UNUSABLE.search(text):
        raise _unusable(address)
    return text


def _unusable(address: str) -> ApiError:
    return bad_request(f"The web address {_shown(address)} cannot stand for a local file.")


def _shown(address: str) -> str:
    """Return an address without its query, which may hold a signature, as printable ASCII."""
    return quote(address.partition("?")[0][:300], safe=":/%@")


class WebFiles:
    """The files below one folder. folder: asked for at each call, because a user may choose another one."""

    def __init__(self, folder: Callable[[], Path | None] = lambda: None) -> None:
        self._folder = folder

    def path(self, name: str) -> Path | None:
        """Return the file or folder of a name, or None where there is none."""
        folder = self._folder()
        if folder is None or not (folder / name).exists():
            return None
        return folder / name

    def require(self, name: str) -> Path:
        """Return the file or folder of a name; raises a 400 that says where it should be."""
        path = self.path(name)
        if path is None:
            raise self.missing(name)
        return path

    def host(self, host: str) -> Path | None:
        """Return the folder of a host, or None."""
        return self.path(host) if _HOST.fullmatch(host) else None

    def below(self, name: str) -> list[str]:
        """Return the names of all files at or below a name, sorted; raises a 400 for too many."""
        root = self.require(name)
        found = []
        for path in [root] if root.is_file() else root.rglob("*"):
            if path.is_file():
                found.append(f"{name}/{path.relative_to(root).as_posix()}" if path != root else name)
            if len(found) > MAX_LISTED:
                raise bad_request(f"{root} holds more than {MAX_LISTED} files; name a folder with fewer.")
        return sorted(found)

    def missing(self, name: str) -> ApiError:
        """Return the refusal for an address whose file is not there: what to put where."""
        folder = self._folder()
        begin = "" if folder else "start local_azure with --web-data FOLDER and "
        save = f"save the data of this web address as {folder or 'FOLDER'}/{name}"
        return bad_request(
            f"local_azure downloads nothing: {begin}{save}, or upload it to a datastore.", "WebDataMissing"
        )
