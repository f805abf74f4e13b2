"""The root of the failures that a user reads: a message in four answers, and an exit code."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar


@dataclass
class ExplainedError(Exception):
    """A failure that is explained to the user, never shown as a traceback.

    The message says what happened (and to which object), what was found, what was expected, and what to do; the end
    of a log that tells more is kept apart, to be shown below everything else.
    """

    exit_code: ClassVar[int] = 1

    happened: str
    """One sentence that names the object."""
    found: str = ""
    expected: str = ""
    todo: str = ""
    log: str = ""

    @property
    def details(self) -> list[str]:
        """What was found and what was expected, one line for each answer, long answers indented."""
        return [*_labeled("found", self.found), *_labeled("expected", self.expected)]

    def __str__(self) -> str:
        """The whole message, as it is recorded."""
        return "\n".join([self.happened, *self.details, *_labeled("to do", self.todo), *_labeled("log", self.log)])


def _labeled(label: str, text: str) -> list[str]:
    lines = text.splitlines()
    return [f"  {label + ':' if not number else '':<10}{line}" for number, line in enumerate(lines)]


class AzureMlError(ExplainedError):
    """Azure ML, or the way to it, failed; exit code 1."""
