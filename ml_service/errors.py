"""Everything that a verb can end with, as one small tree; each branch has the exit code that a build reads.

    MlServiceError
    |-- FaultError        1    something broke, or the service refused for a reason of its own
    |-- UsageError        2    a setting or an argument is missing, empty or not legal
    |-- RefusedError      3    a gate, a contract or a check said no
    |-- ConflictError     4    the object exists with other content
    `-- TimedOutError   124    it took longer than it was allowed to

A message answers four questions: what happened (and to which object), what was found, what was expected, what to do.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar


@dataclass
class MlServiceError(Exception):
    """A failure that the user is told about in words; never shown as a traceback."""

    exit_code: ClassVar[int] = 1

    happened: str
    """One sentence that names the object."""
    found: str = ""
    expected: str = ""
    todo: str = ""

    def __str__(self) -> str:
        """The message as it is printed: one line for each question that has an answer, long answers indented."""
        lines = [self.happened]
        for label, text in (("found", self.found), ("expected", self.expected), ("to do", self.todo)):
            if text:
                first, *rest = text.splitlines()
                lines.append(f"  {label + ':':<10}{first}")
                lines.extend(f"  {'':<10}{line}" for line in rest)
        return "\n".join(lines)


class FaultError(MlServiceError):
    """Something broke on the way, or the service refused."""


class UsageError(MlServiceError):
    """A setting or an argument is missing, empty, a placeholder or not legal."""

    exit_code: ClassVar[int] = 2


class RefusedError(MlServiceError):
    """A gate, a contract or a check said no."""

    exit_code: ClassVar[int] = 3


class ConflictError(MlServiceError):
    """The object exists already and its content is another one."""

    exit_code: ClassVar[int] = 4


class TimedOutError(MlServiceError):
    """The work took longer than it was allowed to."""

    exit_code: ClassVar[int] = 124
