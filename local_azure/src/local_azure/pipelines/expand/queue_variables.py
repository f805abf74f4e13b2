"""Variables that the service knows before any job runs; it resolves the names of environments with them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Protocol

from local_azure.pipelines.expand.queue_facts import QueueFacts
from local_azure.pipelines.language.tree import Text

_MACRO = re.compile(r"\$\(([^()$]+)\)")
_MOST_LEVELS = 50
# Longest text that a variable may become; a longer one stays as it is written.
MOST_CHARACTERS = 10_000


class VariableOfYaml(Protocol):
    """What is read of a variable or of a group of them."""

    @property
    def name(self) -> Text:
        """Its name, or that of the group."""

    @property
    def value(self) -> Text:
        """Its value as written."""

    @property
    def group(self) -> bool:
        """Whether it is a group."""

    @property
    def run_time(self) -> Text | None:
        """The source of a `$[ ]`."""


class QueueVariables:
    """Predefined variables of a queued run, those of the queue, and those of the root that are not `$[ ]`."""

    def __init__(self, variables: Sequence[VariableOfYaml], facts: QueueFacts) -> None:
        self._values: dict[str, str] = {}
        self._resolved: dict[str, str | None] = {}
        for name, value in (facts.predefined() | dict(facts.variables)).items():
            self._values[name.lower()] = value
        for variable in variables:
            if variable.group:
                group = facts.groups.get(variable.name, {})
                self._values |= {name.lower(): value for name, value in group.items()}
            elif variable.run_time is None:
                self._values[variable.name.lower()] = str(variable.value)
            else:
                self._values.pop(variable.name.lower(), None)

    def resolve(self, text: Text) -> Text:
        """Return the text with every known `$(name)` replaced; an unknown one stays."""
        return Text(self._replaced(text, 0), text.location)

    def _replaced(self, text: str, level: int) -> str:
        def value(match: re.Match[str]) -> str:
            found = self._value(match[1].lower(), level + 1)
            return match[0] if found is None else found

        made = _MACRO.sub(value, text)
        return made if len(made) <= MOST_CHARACTERS else text

    def _value(self, name: str, level: int) -> str | None:
        """Return the value of a variable with what it refers to; one that refers to itself has none."""
        if name not in self._values or level > _MOST_LEVELS:
            return None
        if name not in self._resolved:
            self._resolved[name] = None
            self._resolved[name] = self._replaced(self._values[name], level)
        return self._resolved[name]
