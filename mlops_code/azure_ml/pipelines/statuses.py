"""The states of runs and endpoints that code depends on, once; the services have more, which are only shown."""

from __future__ import annotations

from enum import StrEnum

_RUN_HISTORY_SAYS = {"Completed": "Finished"}
"""Run history and the pipeline service have two words for one state."""
ACTIVE = "Active"
"""State of a published pipeline or an endpoint that may be submitted."""


class RunStatus(StrEnum):
    """The states in which a run or a step has ended."""

    FINISHED = "Finished"
    FAILED = "Failed"
    CANCELED = "Canceled"


ENDED = frozenset(RunStatus)


def one_word(status: str) -> str:
    """The state as the pipeline service says it; for an ended run, one of RunStatus."""
    return _RUN_HISTORY_SAYS.get(status, status)
