"""Counts the work of one expansion, so that loops and templates cannot make of a small file one that never ends."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from local_azure.pipelines.language.limits import MOST_EXPANSION_WORK, MOST_NESTING
from local_azure.pipelines.language.tree import Location, PipelineError

# Calls of Python for one level of nesting; measured: 8.
_CALLS_A_LEVEL = 12


class ExpansionTooLargeError(PipelineError):
    """The expansion would go beyond a cap; nothing of it is kept."""


class Work:
    """The work that one expansion has done so far; `location` is where it has got to."""

    def __init__(self) -> None:
        self.location = Location("", 1)
        self._spent = 0
        self._nesting = 0

    def charge(self, amount: int) -> None:
        """Count some work; raises ExpansionTooLargeError."""
        self._spent += amount
        if self._spent > MOST_EXPANSION_WORK:
            text = f"The expanded pipeline is too large here: more than {MOST_EXPANSION_WORK} values and loop turns."
            raise ExpansionTooLargeError(self.location, f"{text} Loop over fewer items.")

    @contextmanager
    def one_level(self) -> Iterator[None]:
        """Count one level of directives and templates inside each other; raises ExpansionTooLargeError."""
        self._nesting += 1
        if self._nesting > MOST_NESTING:
            text = f"More than {MOST_NESTING} directives and templates are inside each other here. Use fewer."
            raise ExpansionTooLargeError(self.location, text)
        try:
            yield
        finally:
            self._nesting -= 1


@contextmanager
def deep_recursion() -> Iterator[None]:
    """Let Python nest its calls as deeply as `Work` allows."""
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(max(before, before + MOST_NESTING * _CALLS_A_LEVEL))
    try:
        yield
    finally:
        sys.setrecursionlimit(before)
