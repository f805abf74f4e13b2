"""The variables of a running job: macros, secrets, read-only values, the environment of its processes."""

from __future__ import annotations

import re
from dataclasses import dataclass

from local_azure.pipelines.output import Masker
from local_azure.pipelines.tree import Fields, Text

_MACRO = re.compile(r"\$\((.*?)\)", re.DOTALL)
_MOST_LEVELS = 50


@dataclass(frozen=True)
class _Entry:
    name: str
    value: str
    secret: bool = False
    readonly: bool = False


class VariableTable:
    """Names are compared without case; `inner()` makes the table of a narrower scope."""

    def __init__(self, masker: Masker, entries: dict[str, _Entry] | None = None) -> None:
        self._masker = masker
        self._entries = entries or {}

    def inner(self) -> VariableTable:
        """A copy: what is set in it does not leave it."""
        return VariableTable(self._masker, dict(self._entries))

    def declare(self, name: str, value: str, *, secret: bool = False, readonly: bool = False) -> None:
        """Set without regard to what was there: a narrower scope, or the runner itself."""
        if secret:
            self._masker.add(value)
        self._entries[name.lower()] = _Entry(name, value, secret, readonly)

    def set(self, name: str, value: str, *, secret: bool, readonly: bool) -> None:
        """Set by a step; raises ValueError for a read-only variable. What was once secret stays so."""
        before = self._entries.get(name.lower())
        if before is not None and before.readonly:
            raise ValueError(f"The variable '{name}' is read-only and keeps its value.")
        self.declare(name, value, secret=secret or (before is not None and before.secret), readonly=readonly)

    def get(self, name: str) -> str | None:
        """The value with its own references replaced."""
        entry = self._entries.get(name.lower())
        return None if entry is None else self._resolved(entry, ())[0]

    def _resolved(self, entry: _Entry, seen: tuple[str, ...]) -> tuple[str, bool]:
        """Value and secrecy of a variable; a circle, or too many levels, leaves the value as it is."""
        if "$(" not in entry.value:
            return entry.value, entry.secret
        secret = entry.secret

        def replace(match: re.Match[str]) -> str:
            nonlocal secret
            other = self._entries.get(match[1].lower())
            if other is None or match[1].lower() in seen or len(seen) > _MOST_LEVELS:
                return match[0]
            value, of_secret = self._resolved(other, (*seen, entry.name.lower()))
            secret = secret or of_secret
            return value

        value = _MACRO.sub(replace, entry.value)
        if secret and not entry.secret:
            self._masker.add(value)
        return value, secret

    def expand(self, text: str) -> str:
        """A text with its macros replaced, once from left to right; unknown ones stay."""

        def replace(match: re.Match[str]) -> str:
            entry = self._entries.get(match[1].lower())
            return match[0] if entry is None else self._resolved(entry, (entry.name.lower(),))[0]

        return _MACRO.sub(replace, text)

    def environment(self) -> dict[str, str]:
        """Variables as a process sees them; secrets are left out."""
        found: dict[str, str] = {}
        for entry in self._entries.values():
            value, secret = self._resolved(entry, (entry.name.lower(),))
            if not secret:
                found[re.sub(r"[. ]", "_", entry.name).upper()] = value
        return found

    def fields(self) -> Fields:
        """As the `variables` context of an expression."""
        return Fields([(Text(e.name), Text(self._resolved(e, (e.name.lower(),))[0])) for e in self._entries.values()])
