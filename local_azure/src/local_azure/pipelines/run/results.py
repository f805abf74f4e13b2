"""Results of steps, jobs, stages and runs, as the service names them."""

from collections.abc import Iterable
from enum import StrEnum


class Result(StrEnum):
    """How a part of a run has ended, from best to worst; what was skipped counts least."""

    SKIPPED = "Skipped"
    SUCCEEDED = "Succeeded"
    SUCCEEDED_WITH_ISSUES = "SucceededWithIssues"
    CANCELED = "Canceled"
    FAILED = "Failed"

    @property
    def is_good(self) -> bool:
        """Whether `succeeded()` holds after it."""
        return self in (Result.SUCCEEDED, Result.SUCCEEDED_WITH_ISSUES)


_FROM_BEST = list(Result)


def worst(results: Iterable[Result]) -> Result:
    """Return the worst of several results; of none, Skipped."""
    return max(results, key=_FROM_BEST.index, default=Result.SKIPPED)
