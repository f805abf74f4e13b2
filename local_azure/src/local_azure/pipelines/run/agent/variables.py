"""The variables of a running job: macros, masked secrets, read-only values, the environment of its processes."""

from __future__ import annotations

import contextlib
import re
from typing import NamedTuple

from local_azure.pipelines.language.tree import Fields, Text
from local_azure.pipelines.run.agent.masking import Masker

_MACRO = re.compile(r"\$\((.*?)\)", re.DOTALL)
_MOST_LEVELS = 50
# Variables of a job, with those that its steps set; what macros may insert into one text or environment.
MOST_VARIABLES = 10_000
MOST_INSERTIONS = 100_000
MOST_INSERTED_CHARACTERS = 4 * 1024 * 1024


class _Room:
    """What macros may still insert: variables that hold others twice would grow without end."""

    def __init__(self) -> None:
        self._insertions, self._characters = MOST_INSERTIONS, MOST_INSERTED_CHARACTERS

    def take(self, characters: int) -> bool:
        """Return whether a value of this length may be inserted."""
        if not self._insertions or self._characters < characters:
            return False
        self._insertions -= 1
        self._characters -= characters
        return True


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

    def declare(
        self, name: str, value: str, *, secret: bool = False, readonly: bool = True, masked: bool = False
    ) -> None:
        """Set without regard to what was there: in a narrower scope, or by the runner itself.

        masked: what is printed of it is masked as a secret is, but processes get it as they get other variables.
        """
        if secret or masked:
            self._masker.add(value)
        self._entries[name.lower()] = _Entry(name, value, secret, readonly)

    def set(self, name: str, value: str, *, secret: bool, readonly: bool) -> None:
        """Set by a step; raises ValueError for a read-only variable. What was once secret stays so."""
        before = self._entries.get(name.lower(), _Entry(name, "", secret=False, readonly=False))
        if before.readonly:
            raise ValueError(f"The variable '{name}' is read-only and keeps its value.")
        if name.lower() not in self._entries and len(self._entries) >= MOST_VARIABLES:
            raise ValueError(f"Too many variables: at most {MOST_VARIABLES} per job; '{name}' was not set.")
        self.declare(name, value, secret=secret or before.secret, readonly=readonly)

    def _resolved(self, text: str, seen: tuple[str, ...], room: _Room) -> tuple[str, bool]:
        """Replace macros; also return whether the text now contains a secret.

        A cycle leaves its macro as it is, and so does a text that would become too long.
        """
        secret = False

        def replace(match: re.Match[str]) -> str:
            nonlocal secret
            name = match[1].lower()
            entry = self._entries.get(name)
            if entry is None or name in seen or len(seen) > _MOST_LEVELS or not room.take(len(entry.value)):
                return match[0]
            value, inner_secret = self._resolved(entry.value, (*seen, name), room)
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
        return self._resolved(text, (), _Room())[0]

    def environment(self) -> dict[str, str]:
        """Return variables as a process sees them; secrets are left out."""
        environment: dict[str, str] = {}
        room = _Room()
        for entry in self._entries.values():
            value, secret = self._resolved(f"$({entry.name})", (), room)
            if not secret:
                environment[re.sub(r"[. ]", "_", entry.name).upper()] = value
        return environment

    def fields(self) -> Fields:
        """Return the variables as the context of an expression."""
        room = _Room()
        found: list[tuple[Text, Text]] = []
        for entry in self._entries.values():
            found.append((Text(entry.name), Text(self._resolved(f"$({entry.name})", (), room)[0])))
        return Fields(found)
