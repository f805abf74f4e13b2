"""The variables of a running job: macros, masked secrets, read-only values, the environment of its processes."""

from __future__ import annotations

import re
from typing import NamedTuple

from local_azure.pipelines.language.tree import Fields, Text

_MACRO = re.compile(r"\$\((.*?)\)", re.DOTALL)
_MOST_LEVELS = 50
MASK = "***"


class Masker:
    """Replaces whole secret values; overlapping ones become one mask."""

    def __init__(self) -> None:
        self._secrets: set[str] = set()

    def add(self, value: str) -> None:
        """Register a secret; empty ones are ignored. Raises ValueError for one of several lines."""
        if "\n" in value or "\r" in value:
            raise ValueError("A secret with line breaks cannot be masked; split it.")
        self._secrets |= {value} - {""}

    def mask(self, text: str) -> str:
        """The text without secrets."""
        secrets = [re.compile(f"(?=({re.escape(secret)}))") for secret in self._secrets]
        found = (match.span(1) for secret in secrets for match in secret.finditer(text))
        made, end = "", 0
        for start, stop in sorted(found):
            made += text[end:start] + MASK if start >= end else ""
            end = max(end, stop)
        return made + text[end:]


class _Entry(NamedTuple):
    name: str
    value: str
    secret: bool
    readonly: bool


class VariableTable:
    """Names are compared without case; `inner()` makes the table of a narrower scope."""

    def __init__(self, masker: Masker, entries: dict[str, _Entry] | None = None) -> None:
        self._masker = masker
        self._entries = dict(entries or {})

    def inner(self) -> VariableTable:
        """A copy: what is set in it does not leave it."""
        return VariableTable(self._masker, self._entries)

    def declare(self, name: str, value: str, *, secret: bool = False, readonly: bool = True) -> None:
        """Set without regard to what was there: a narrower scope, or the runner itself."""
        if secret:
            self._masker.add(value)
        self._entries[name.lower()] = _Entry(name, value, secret, readonly)

    def set(self, name: str, value: str, *, secret: bool, readonly: bool) -> None:
        """Set by a step; raises ValueError for a read-only variable. What was once secret stays so."""
        before = self._entries.get(name.lower(), _Entry(name, "", secret=False, readonly=False))
        if before.readonly:
            raise ValueError(f"The variable '{name}' is read-only and keeps its value.")
        self.declare(name, value, secret=secret or before.secret, readonly=readonly)

    def _resolved(self, text: str, seen: tuple[str, ...]) -> tuple[str, bool]:
        """A text with its macros replaced, and whether a secret came in; a circle leaves the text as it is."""
        secret = False

        def replace(match: re.Match[str]) -> str:
            nonlocal secret
            entry = self._entries.get(match[1].lower())
            if entry is None or match[1].lower() in seen or len(seen) > _MOST_LEVELS:
                return match[0]
            value, inner_secret = self._resolved(entry.value, (*seen, match[1].lower()))
            secret = secret or entry.secret or inner_secret
            if inner_secret:
                self._masker.add(value)
            return value

        return _MACRO.sub(replace, text), secret

    def expand(self, text: str) -> str:
        """A text with its macros replaced from left to right; unknown ones stay, inserted text is not read again."""
        return self._resolved(text, ())[0]

    def environment(self) -> dict[str, str]:
        """Variables as a process sees them; secrets are left out."""
        found = {entry.name: self._resolved(f"$({entry.name})", ()) for entry in self._entries.values()}
        return {re.sub(r"[. ]", "_", name).upper(): value for name, (value, secret) in found.items() if not secret}

    def fields(self) -> Fields:
        """As the `variables` context of an expression."""
        return Fields([(Text(entry.name), Text(self.expand(f"$({entry.name})"))) for entry in self._entries.values()])
