"""Judges `$(name)` where it is used: by the variables of a job, and by what the values of those refer to."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from local_azure.pipelines.expand.model import Variable
from local_azure.pipelines.language.tree import Location, Problem, Text, nearest

_MACRO = re.compile(r"\$\(([^()\s$`'\"]+)\)")
_SHELL_WORD = re.compile(r"[a-z][a-z0-9_-]*\Z")  # in a script this is a command


class Macro(NamedTuple):
    """A `$(name)` and where it is."""

    name: str
    location: Location


def macros_of(text: Text) -> list[Macro]:
    """Return the macros of a text, each name once."""
    found: dict[str, Macro] = {}
    line, done = text.location.line, 0
    for match in _MACRO.finditer(text):
        line += text.count("\n", done, match.start())
        done = match.start()
        found.setdefault(match[1], Macro(match[1], Location(text.location.file, line)))
    return list(found.values())


def is_known(name: str, known: Mapping[str, str]) -> bool:
    """Return whether a variable is in scope; `step.*` stands for the outputs of a step whose program sets them.

    `*` stands for names that nothing here can know: of a group that was not given, of a matrix.
    """
    lower = name.lower()
    return lower in known or "*" in known or f"{lower.partition('.')[0]}.*" in known


class Declared:
    """A variable of the YAML with the macros of its value, and what the jobs that see it have said about it."""

    def __init__(self, variable: Variable) -> None:
        self.name = str(variable.name)
        self.macros = macros_of(variable.value) if variable.run_time is None else []
        self.missing = ""
        self.missing_location = variable.name.location
        self.is_explained = False


class MacroScope:
    """What the steps of one job know: `known` names, lower case to spelling, and the variables declared for it."""

    def __init__(self, label: str, known: dict[str, str], declared: Mapping[str, Declared]) -> None:
        self.known = known
        self._label = label
        self._declared = {name: found for name, found in declared.items() if found.macros}
        self._judged: set[str] = set()

    def set_by_step(self, name: str) -> None:
        """Make a variable known that a step has set; it takes the place of a declared one."""
        self.known[name.lower()] = name
        self._declared.pop(name.lower(), None)

    def faults(self, text: Text, *, script: bool) -> Iterator[Problem]:
        """Yield what no variable explains: in the text, and in the values of the variables that it reads."""
        for name, location in macros_of(text):
            if script and name.lower() == "system.accesstoken":
                yield Problem(
                    location,
                    f"$({name}) puts a secret on a command line. Pass it to the script through the step's env:.",
                )
            if is_known(name, self.known):
                yield from self._value_faults(name.lower())
            elif not (script and _SHELL_WORD.match(name)):
                yield Problem(location, unexplained(name, self.known))

    def _value_faults(self, name: str) -> Iterator[Problem]:
        waiting = [name]
        while waiting:
            current = waiting.pop()
            if current in self._judged or current not in self._declared:
                continue
            self._judged.add(current)
            found = self._declared[current]
            for macro in found.macros:
                waiting.append(macro.name.lower())
                if not is_known(macro.name, self.known):
                    found.is_explained = True  # what follows is said once, here
                    where = f" (in the value of '{found.name}', which job {self._label} uses)"
                    yield Problem(macro.location, unexplained(macro.name, self.known, where))

    def judge_all(self) -> None:
        """Note of every variable whether this job, at its end, explains it."""
        for found in self._declared.values():
            if found.is_explained:
                continue
            missing = next((macro for macro in found.macros if not is_known(macro.name, self.known)), None)
            if missing is None:
                found.is_explained = True
            elif not found.missing:
                found.missing = unexplained(missing.name, self.known)
                found.missing_location = missing.location


def unexplained(name: str, known: Mapping[str, str], where: str = "") -> str:
    """Return the error message for a macro that would not be replaced."""
    output = next((full for lower, full in known.items() if lower.endswith(f".{name.lower()}")), "")
    advice = f"It is an output: write $({output})." if output else f"Define it, or pass -v {name}=VALUE."
    hint = "" if output else nearest(name, known.values())
    return (
        f"The variable '{name}' is not defined{where}, so $({name}) would not be replaced. {advice} {hint}".rstrip()
    )


def never_explained(declared: list[Declared]) -> Iterator[Problem]:
    """Yield the variables with a value that no job explains which sees them."""
    for found in declared:
        if found.missing and not found.is_explained:
            yield Problem(found.missing_location, found.missing)
