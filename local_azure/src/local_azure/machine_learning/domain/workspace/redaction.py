"""Known secrets in the logs of steps and services, masked letter for letter.

A step writes its log straight into a file, without a pipe or a filter between: that costs nothing while it runs.
While it runs, readers get the log masked; when it has ended, the secrets in the file itself are
overwritten. A mask is as long as what it hides, so sizes and ranges stay true. Service logs are only ever read
through the server, and masked then.

Secret are: key vault values, keys of services, credentials of datastores, tokens and password of this start, and
whatever looks like a bearer token or a signature of a shared access address. Texts below six bytes are not: masking
them would spoil logs. Also masked are their forms in URLs, JSON, hex and base64: that of UTF-8 and of UTF-16, at any
offset.
"""

from __future__ import annotations

import base64
import json
import os
import re
from collections.abc import Iterable, Iterator
from html import escape
from pathlib import Path
from typing import cast
from urllib.parse import quote

from local_azure.machine_learning.domain.workspace.workspaces import Workspaces
from local_azure.machine_learning.storage.store import Document, Store

LEAST_BYTES = 6
_BASE64_LEAST_BYTES = 9
_TAIL_LEAST_BYTES = 4  # of a secret that is still being written when somebody reads
_WINDOW = 1024 * 1024
_OVERLAP = 8 * 1024  # longer than any token or signature
# Steps print what they like, and one match holds up the whole server: no pattern reads the same bytes twice over.
_TOKEN_BEGINS = b"eyJ"
_TOKEN = re.compile(rb"eyJ[\w-]{10,}+\.eyJ[\w-]{10,}+(?:\.[\w-]{10,}+)++")  # an encrypted one has more parts
_WORD = re.compile(rb"[\w-]*+")
_SIGNATURES = (
    re.compile(rb"(?<=\bsig=)[\w%+/=-]{16,}+"),
    re.compile(rb"(?<=\bAccountKey=)[\w+/=-]{16,}+"),
)
_PERCENT = re.compile(rb"%[0-9A-F]{2}")
_MASK = b"*"


def _in_base64(secret: bytes) -> Iterator[bytes]:
    """What the secret looks like inside longer base64, at each of the three offsets at which it may begin."""
    for offset, unclear in ((0, 0), (1, 2), (2, 3)):
        encoded = base64.b64encode(bytes(offset) + secret)
        left_over = (offset + len(secret)) % 3
        piece = encoded[unclear : len(encoded) - (0, 3, 2)[left_over]]
        yield from {piece, piece.translate(bytes.maketrans(b"+/", b"-_"))}


def forms(secret: object) -> set[bytes]:
    """The ways in which a secret may occur in a log; none for one that is too short or no text."""
    raw = secret.encode("utf-8", "surrogatepass") if isinstance(secret, str) else b""
    if len(raw) < LEAST_BYTES:
        return set()
    in_url, in_page = quote(raw, safe="").encode(), escape(raw.decode("utf-8", "replace")).encode()
    found = {raw, in_url, json.dumps(secret)[1:-1].encode(), raw.replace(b"\n", b"\r\n")}
    found |= {_PERCENT.sub(lambda match: match[0].lower(), in_url), in_page}
    found |= {in_page.replace(b"&quot;", b"&#34;").replace(b"&#x27;", b"&#39;")}
    found |= {raw.hex().encode(), raw.hex().upper().encode()}
    for encoded in (raw, str(secret).encode("utf-16-le", "surrogatepass")):  # PowerShell takes the latter for base64
        if len(encoded) >= _BASE64_LEAST_BYTES:
            found.update(_in_base64(encoded))
    return found


def _tokens(data: bytes) -> Iterator[tuple[int, int]]:
    """Where bearer tokens are. Of a word only the first beginning counts: a later one would end at the same dot."""
    at = data.find(_TOKEN_BEGINS)
    while at >= 0:
        found = _TOKEN.match(data, at)
        if found:
            yield found.span()
        end = (found or cast("re.Match[bytes]", _WORD.match(data, at))).end()
        at = data.find(_TOKEN_BEGINS, end)


def _occurrences(data: bytes, literal: bytes) -> Iterator[tuple[int, int]]:
    """Where a secret is, also over itself; what an occurrence shares with the one before is not named twice."""
    at, covered = data.find(literal), 0
    while at >= 0:
        yield max(at, covered), at + len(literal)
        covered = at + len(literal)
        at = data.find(literal, at + 1)


def _unfinished(data: bytes, literal: bytes) -> Iterator[tuple[int, int]]:
    """The beginning of a secret at the very end, if it is there."""
    at = data.find(literal[:_TAIL_LEAST_BYTES], max(0, len(data) - len(literal)))
    while at >= 0:
        if literal.startswith(data[at:]):
            yield at, len(data)
            return
        at = data.find(literal[:_TAIL_LEAST_BYTES], at + 1)


def _masked(data: bytes, literals: Iterable[bytes], *, may_grow: bool = False) -> bytes:
    """The same bytes with each secret covered; may_grow: also the beginning of one at the very end."""
    spans = [*_tokens(data), *(found.span() for pattern in _SIGNATURES for found in pattern.finditer(data))]
    for literal in literals:
        spans.extend(_occurrences(data, literal))
        if may_grow:
            spans.extend(_unfinished(data, literal))
    if not spans:
        return data
    covered = bytearray(data)
    for first, end in spans:
        covered[first:end] = _MASK * (end - first)
    return bytes(covered)


class Redactor:
    """Knows the secrets of the server's workspaces, and which logs are being written."""

    def __init__(self, store: Store, workspaces: Workspaces, *start_secrets: str) -> None:
        """start_secrets: those of this start of the server."""
        self._store = store
        self._workspaces = workspaces
        self._start_secrets = start_secrets
        self._written: dict[Path, set[bytes]] = {}

    def _literals(self) -> set[bytes]:
        secrets = set(self._start_secrets)
        for workspace in self._workspaces.all():
            for secret in self._store.find(workspace.id, "secret"):
                secrets.update(_texts(secret, ("value",)))
            for service in self._store.find(workspace.id, "service"):
                secrets.update(_texts(service.get("keys"), ("primaryKey", "secondaryKey")))
            for datastore in self._store.find(workspace.id, "datastore"):
                secrets.update(_credentials(datastore))
        return {form for secret in secrets for form in forms(secret)}

    def text(self, text: str) -> str:
        """A text without the secrets."""
        return _masked(text.encode(), self._literals()).decode(errors="replace")

    def begin(self, names: tuple[Path, ...], *own: str) -> None:
        """From now on a log is being written by others. The secrets of this moment count for it to its end.

        names: of its file. own: secrets that only its writer has.
        """
        literals = self._literals() | {form for secret in own for form in forms(secret)}
        self._written.update(dict.fromkeys(names, literals))

    def end(self, names: tuple[Path, ...]) -> None:
        """Nobody writes the log any more: clean the file."""
        self.scrub(names[0])
        for name in names:
            self._written.pop(name, None)

    def is_written(self, path: Path) -> bool:
        """Whether a file is a log that is being written."""
        return path in self._written

    def read(self, path: Path, first: int, length: int) -> Iterator[bytes]:
        """A range of a log that is being written, masked."""
        literals = self._literals() | self._written.get(path, set())
        overlap = _overlap(literals)
        with path.open("rb") as stream:
            for start in range(first, first + length, _WINDOW):
                end = min(start + _WINDOW, first + length)
                begin = max(0, start - overlap)
                data = os.pread(stream.fileno(), end + overlap - begin, begin)
                masked = _masked(data, literals, may_grow=begin + len(data) < end + overlap)
                yield masked[start - begin : end - begin]

    def scrub(self, path: Path) -> None:
        """Overwrite the secrets in a file that no one writes any more; does nothing when it is not there."""
        literals = self._literals() | self._written.get(path, set())
        overlap = _overlap(literals)
        if not path.is_file() or path.is_symlink():
            return
        with path.open("r+b") as stream:
            for start in range(0, os.fstat(stream.fileno()).st_size, _WINDOW):
                data = os.pread(stream.fileno(), _WINDOW + overlap, start)
                masked = _masked(data, literals)
                if masked != data:
                    os.pwrite(stream.fileno(), masked, start)


def _overlap(literals: set[bytes]) -> int:
    return max(_OVERLAP, *(len(literal) for literal in literals))


def _credentials(datastore: Document) -> Iterator[str]:
    """Secrets in the document of a datastore: of its storage section, whatever kind it is."""
    for section in datastore.values():
        yield from _texts(section, ("credential", "accountKey", "sasToken", "clientSecret", "password"))


def _texts(document: object, keys: tuple[str, ...]) -> Iterator[str]:
    """Those values of an object that are texts. A broken document must not unmask the secrets of all others."""
    if isinstance(document, dict):
        yield from (value for value in map(document.get, keys) if isinstance(value, str))


def last_lines(path: Path, count: int, most_bytes: int) -> str:
    """The end of a text file, without reading all of it."""
    with path.open("rb") as stream:
        stream.seek(max(0, stream.seek(0, os.SEEK_END) - most_bytes))
        return "\n".join(stream.read().decode(errors="replace").splitlines()[-count:])
