"""The variables of a running job: macros, masked secrets, read-only values, the environment of its processes."""

from __future__ import annotations

import contextlib
import re
from typing import NamedTuple

from local_azure.pipelines.language.tree import Fields, Text
from local_azure.pipelines.run.agent.masking import Masker

_MACRO = re.compile(r"\$\((.*?)\)", re.DOTALL)
_MOST_LEVELS = 50


class _Entry(NamedTuple):
    name: str
    value: str
    secret: bool
    readonly: bool


class VariableTable:
    """Variables by name without regard to case; `inner()` makes the table of a narrower scope."""

    def __init__(self, masker: Masker, entries: dict[str, _Entry] | None = None) -> None:
        self._masker = masker
        self._entries = dict(entries or {})

    def inner(self) -> VariableTable:
        """Return a copy: what is set in it does not leave it."""
        return VariableTable(self._masker, self._entries)

    def declare(self, name: str, value: str, *, secret: bool = False, readonly: bool = True) -> None:
        """Set without regard to what was there: in a narrower scope, or by the runner itself."""
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
        """Replace macros; also return whether the text now contains a secret. A cycle leaves its macro as it is."""
        secret = False

        def replace(match: re.Match[str]) -> str:
            nonlocal secret
            name = match[1].lower()
            entry = self._entries.get(name)
            if entry is None or name in seen or len(seen) > _MOST_LEVELS:
                return match[0]
            value, inner_secret = self._resolved(entry.value, (*seen, name))
            secret = secret or entry.secret or inner_secret
            if inner_secret:
                # One of several lines is masked by its parts alone.
                with contextlib.suppress(ValueError):
                    self._masker.add(value)
            return value

        head, mark, tail = text.rpartition(")")  # so that each "$(" has an end, and none is looked for in vain
        return _MACRO.sub(replace, head + mark) + tail, secret

    def expand(self, text: str) -> str:
        """Replace macros from left to right; unknown ones stay, and inserted text is not read again."""
        return self._resolved(text, ())[0]

    def environment(self) -> dict[str, str]:
        """Return variables as a process sees them; secrets are left out."""
        environment: dict[str, str] = {}
        for entry in self._entries.values():
            value, secret = self._resolved(f"$({entry.name})", ())
            if not secret:
                environment[re.sub(r"[. ]", "_", entry.name).upper()] = value
        return environment

    def fields(self) -> Fields:
        """Return the variables as the context of an expression."""
        return Fields([(Text(entry.name), Text(self.expand(f"$({entry.name})"))) for entry in self._entries.values()])
