"""The root of the failures that a user reads: a message in four answers, and an exit code."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar


@dataclass
class ExplainedError(Exception):
    """A failure that is explained to the user, never shown as a traceback.

    The message says what happened (and to which object), what was found, what was expected, and what to do.
    """

    exit_code: ClassVar[int] = 1

    happened: str
    """One sentence that names the object."""
    found: str = ""
    expected: str = ""
    todo: str = ""

    def __str__(self) -> str:
        """The message as it is printed: one line for each answer, long answers indented."""
        lines = [self.happened]
        for label, text in (("found", self.found), ("expected", self.expected), ("to do", self.todo)):
            if text:
                first, *rest = text.splitlines()
                lines.append(f"  {label + ':':<10}{first}")
                lines.extend(f"  {'':<10}{line}" for line in rest)
        return "\n".join(lines)


class AzureMlError(ExplainedError):
    """Azure ML, or the way to it, failed; exit code 1."""
