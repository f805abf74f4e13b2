"""Limits the work of one expansion, so that loops and templates cannot keep it from ending."""

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
        """Add to the work done; raises ExpansionTooLargeError."""
        self._spent += amount
        if self._spent > MOST_EXPANSION_WORK:
            units = f"{MOST_EXPANSION_WORK} work units (nodes, loop iterations, text length)"
            text = f"Expanding the pipeline costs more than {units}. Use fewer iterations or smaller values."
            raise ExpansionTooLargeError(self.location, text)

    @contextmanager
    def one_level(self) -> Iterator[None]:
        """Count one level of nesting: of lists, mappings, directives or templates; raises ExpansionTooLargeError."""
        self._nesting += 1
        if self._nesting > MOST_NESTING:
            nested = "Lists, mappings, directives and templates are nested"
            text = f"{nested} more than {MOST_NESTING} levels deep. Reduce the nesting."
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
