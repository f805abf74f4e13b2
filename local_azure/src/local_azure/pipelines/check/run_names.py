"""The name of a run, which is its build number: tokens, variables, and the revision that counts per name."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import NamedTuple

from local_azure.pipelines.expand.model import Pipeline, Variable
from local_azure.pipelines.expand.queue_facts import QueueFacts
from local_azure.pipelines.expand.queue_variables import QueueVariables
from local_azure.pipelines.language.tree import Problem, Text, nearest

DEFAULT_NAME = "$(Date:yyyyMMdd).$(Rev:r)"
# As the service restricts it.
MOST_CHARACTERS = 255
_FORBIDDEN = re.compile(r'["/:<>\\|?@*\x00-\x1f\x7f-\x9f]')
_MACRO = re.compile(r"\$\(([^()$]*)\)")
_REVISION = re.compile(r"rev:(\.?)(r{1,10})", re.IGNORECASE)
_PIECE = re.compile(r"'([^']*)'|([A-Za-z])\2*|[^A-Za-z']")
_TOKENS: dict[str, Callable[[datetime], str]] = {
    "dayofmonth": lambda now: str(now.day),
    "dayofyear": lambda now: str(now.timetuple().tm_yday),
    "hours": lambda now: f"{now:%H}",
    "minutes": lambda now: f"{now:%M}",
    "month": lambda now: str(now.month),
    "seconds": lambda now: f"{now:%S}",
    "year:yy": lambda now: f"{now:%y}",
    "year:yyyy": lambda now: f"{now:%Y}",
}
_DATE: dict[str, Callable[[datetime], str]] = {
    "d": lambda now: str(now.day),
    "dd": lambda now: f"{now:%d}",
    "ddd": lambda now: f"{now:%a}",
    "dddd": lambda now: f"{now:%A}",
    "M": lambda now: str(now.month),
    "MM": lambda now: f"{now:%m}",
    "MMM": lambda now: f"{now:%b}",
    "MMMM": lambda now: f"{now:%B}",
    "y": lambda now: str(now.year % 100),
    "yy": lambda now: f"{now:%y}",
    "yyyy": lambda now: f"{now:%Y}",
    "H": lambda now: str(now.hour),
    "HH": lambda now: f"{now:%H}",
    "h": lambda now: str(now.hour % 12 or 12),
    "hh": lambda now: f"{now:%I}",
    "m": lambda now: str(now.minute),
    "mm": lambda now: f"{now:%M}",
    "s": lambda now: str(now.second),
    "ss": lambda now: f"{now:%S}",
    "tt": lambda now: f"{now:%p}",
}
# Variables that have short names here, and the one that only a started run has.
_SHORT = {
    "builddefinitionname": "Build.DefinitionName",
    "sourcebranchname": "Build.SourceBranchName",
    "teamproject": "System.TeamProject",
}
_BUILD_ID = ("build.buildid", "buildid")
_KNOWN = ("Date:yyyyMMdd", "Rev:r", "Rev:.r", "Build.BuildId", "SourceBranchName", "TeamProject", "DayOfMonth",
          "DayOfYear", "Hours", "Minutes", "Month", "Seconds", "Year:yy", "Year:yyyy")  # fmt: skip


class RunName(NamedTuple):
    """Where a name begins and ends around its revision; without one, `revision` is empty."""

    before: str
    revision: str
    after: str

    @property
    def key(self) -> str:
        """What the revision counts for."""
        return f"{self.before}\0{self.after}"

    def numbered(self, revision: int) -> str:
        """Return the whole name."""
        if not self.revision:
            return self.before
        dot, digits = "." * self.revision.startswith("."), len(self.revision.lstrip("."))
        return f"{self.before}{dot}{revision:0{digits}d}{self.after}"


class RunNames:
    """Names the runs of a pipeline; `unknown` are the macros that nothing replaces."""

    def __init__(self, pipeline: Pipeline, facts: QueueFacts) -> None:
        self._format = pipeline.name or Text(DEFAULT_NAME, pipeline.location)
        self._variables = QueueVariables(pipeline.variables, facts)

    def name(self, build_id: int, now: datetime) -> RunName:
        """Return the name of a run that starts now."""

        def value(match: re.Match[str]) -> str:
            if match[1].lower() in _BUILD_ID:
                return str(build_id)
            found = self._value(match[1], now)
            return match[0] if found is None else found

        revision = next((each for each in _MACRO.finditer(self._format) if _REVISION.fullmatch(each[1])), None)
        if revision is None:
            return RunName(_MACRO.sub(value, self._format), "", "")
        before, after = self._format[: revision.start()], self._format[revision.end() :]
        return RunName(_MACRO.sub(value, before), revision[1][len("rev:") :], _MACRO.sub(value, after))

    def unknown(self, now: datetime) -> Iterator[str]:
        """Yield the macros that cannot be replaced."""
        revisions = 0
        for match in _MACRO.finditer(self._format):
            if _REVISION.fullmatch(match[1]):
                revisions += 1
                if revisions > 1:
                    yield match[1]
            elif match[1].lower() not in _BUILD_ID and self._value(match[1], now) is None:
                yield match[1]

    def _value(self, macro: str, now: datetime) -> str | None:
        name = macro.lower()
        if name.startswith("date:"):
            return _date(macro[len("date:") :], now)
        if name in _TOKENS:
            return _TOKENS[name](now)
        written = f"$({_SHORT.get(name, macro)})"
        found = str(self._variables.resolve(Text(written)))
        return None if found == written else found


def _date(pattern: str, now: datetime) -> str | None:
    """Return the time in a pattern of .NET; None for one that is not known here."""
    made, end = [], 0
    for piece in _PIECE.finditer(pattern):
        if piece.start() != end or (piece[2] and piece[0] not in _DATE):
            return None
        end = piece.end()
        made.append(_DATE[piece[0]](now) if piece[2] else piece[1] or piece[0])
    return "".join(made) if made and end == len(pattern) else None


def build_number_fault(number: str) -> str | None:
    """Return why the service rejects a build number; None when it is valid."""
    if not number or len(number) > MOST_CHARACTERS:
        return f"A build number has 1 to {MOST_CHARACTERS} characters; this one has {len(number)}."
    if _FORBIDDEN.search(number) or number.endswith("."):
        rule = 'control characters, " / : < > \\ | ? @ * and a trailing dot are not allowed.'
        return f"'{number}' is not a valid build number: {rule}"
    return None


def run_name_faults(pipeline: Pipeline, facts: QueueFacts) -> Iterator[Problem]:
    """Yield what cannot be replaced in the name of the run, and a name that the service refuses."""
    if not pipeline.name or any(_is_unknown_group(each, facts) for each in pipeline.variables):
        return
    names, now = RunNames(pipeline, facts), datetime(2026, 12, 31, 23, 59, 59)
    unknown = list(names.unknown(now))
    for macro in unknown:
        text = (
            f"'$({macro})' in the run name is neither a run-number token nor a pipeline-level or queue-time variable."
        )
        yield Problem(pipeline.name.location, f"{text} {nearest(macro, _KNOWN)}")
    if "$[" in pipeline.name:
        text = "$[ ] is not evaluated in the run name. Use tokens, pipeline-level variables or ${{ }}."
        yield Problem(pipeline.name.location, text)
    fault = None if unknown else build_number_fault(names.name(1, now).numbered(1))
    if fault:
        yield Problem(pipeline.name.location, fault)


def _is_unknown_group(variable: Variable, facts: QueueFacts) -> bool:
    return variable.group and variable.name not in facts.groups
