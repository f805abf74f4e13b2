"""Masks secrets in whatever a run shows or keeps, also in the forms in which URLs, JSON, base64 and hex hold them."""

from __future__ import annotations

import base64
import itertools
import json
import re
import threading
from collections.abc import Iterator
from html import escape
from urllib.parse import quote, quote_plus

MASK = "***"
# Longest secret, and how many a run may have: every line is searched for all of them.
MOST_SECRET_CHARACTERS = 16_384
MOST_SECRETS = 1_000
# Shorter ones have no form in base64 or hex that would not also hide other text.
_ENCODED_LEAST_BYTES = 6

_PERCENT = re.compile(r"%[0-9A-F]{2}")
_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
_SECRET_WORDS = frozenset(
    {
        *("password", "passwd", "passphrase", "pwd", "secret", "secrets", "token", "credential", "credentials"),
        *("key", "pat", "sas", "connectionstring", "apikey", "accesskey"),
    }
)
_SECRET_ENDS = ("password", "secret", "token", "apikey", "connectionstring")
# A name that ends so says where or what a secret is, not the secret itself.
_DESCRIBING_WORDS = frozenset({"name", "names", "id", "uri", "url", "path", "file", "length", "version", "type"})


def looks_secret(name: str) -> bool:
    """Whether a variable's name says that its value is a secret: DB_PASSWORD, apiKey, client-secret."""
    words = [word.lower() for word in _WORDS.findall(name)]
    if not words or words[-1] in _DESCRIBING_WORDS:
        return False
    pairs = [first + second for first, second in itertools.pairwise(words)]
    return not _SECRET_WORDS.isdisjoint([*words, *pairs]) or words[-1].endswith(_SECRET_ENDS)


class Masker:
    """Replaces whole secret values; overlapping ones become one mask. Jobs call it from their threads."""

    def __init__(self) -> None:
        self._secrets: frozenset[str] = frozenset()
        # Replaced as a whole, never changed: other threads read it meanwhile.
        self._forms: tuple[str, ...] = ()
        self._lock = threading.Lock()

    def add(self, value: str) -> None:
        """Register a secret; empty ones are ignored. Raises ValueError for one that cannot be masked."""
        if "\n" in value or "\r" in value:
            raise ValueError("A secret with line breaks cannot be masked; split it.")
        if len(value) > MOST_SECRET_CHARACTERS:
            raise ValueError(f"A secret of more than {MOST_SECRET_CHARACTERS} characters cannot be masked; split it.")
        with self._lock:
            if not value or value in self._secrets:
                return
            if len(self._secrets) >= MOST_SECRETS:
                raise ValueError(f"Too many secrets: at most {MOST_SECRETS} per run can be masked.")
            self._secrets |= {value}
            self._forms = tuple(dict.fromkeys([*self._forms, *_forms(value)]))

    def mask(self, text: str, *, cut: bool = False) -> str:
        """Return the text without secrets; of one that was cut also without what may begin one at its end."""
        forms = self._forms
        found = [span for form in forms for span in _occurrences(text, form)]
        if cut and forms:
            found.append((max(len(text) - max(map(len, forms)), 0), len(text)))
        parts, end = [], 0
        for start, stop in sorted(found):
            if start >= end:
                parts += [text[end:start], MASK]
            end = max(end, stop)
        return "".join([*parts, text[end:]])


def _occurrences(text: str, form: str) -> Iterator[tuple[int, int]]:
    """Start and end of every occurrence, overlapping ones included."""
    start = text.find(form)
    while start >= 0:
        yield start, start + len(form)
        start = text.find(form, start + 1)


def _forms(secret: str) -> set[str]:
    """The ways in which a secret may occur in a text."""
    raw = secret.encode("utf-8", "surrogatepass")
    in_urls = {quote(raw, safe=""), quote(raw), quote_plus(raw)}
    found = in_urls | {_PERCENT.sub(lambda match: match[0].lower(), text) for text in in_urls}
    found |= {secret, json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1]}
    page = escape(secret)
    found |= {escape(secret, quote=False), page, page.replace("&quot;", "&#34;").replace("&#x27;", "&#39;")}
    if len(raw) < _ENCODED_LEAST_BYTES:
        return found
    wide = secret.encode("utf-16-le", "surrogatepass")  # what PowerShell takes for base64
    return found | {raw.hex(), raw.hex().upper(), *_in_base64(raw), *_in_base64(wide)}


def _in_base64(secret: bytes) -> Iterator[str]:
    """What the secret looks like inside longer base64, at each of the three offsets at which it may begin."""
    for offset, unclear in ((0, 0), (1, 2), (2, 3)):
        encoded = base64.b64encode(bytes(offset) + secret)
        left_over = (offset + len(secret)) % 3
        piece = encoded[unclear : len(encoded) - (0, 3, 2)[left_over]]
        yield from (piece.decode(), piece.translate(bytes.maketrans(b"+/", b"-_")).decode())
