"""Statuses of runs, and the codes under which the pipelines plane shows the same statuses.

The run history has words. For pipeline runs and for the nodes of their graphs the pipelines plane has codes, two
different sets. Source: `PipelineRunStatusCode` and `TaskStatusCode` of azureml-pipeline-core.
"""

from __future__ import annotations

from enum import StrEnum


class RunStatus(StrEnum):
    """Status of a run in the run history. A run moves to a status of a higher rank only."""

    NOT_STARTED = "NotStarted"
    UNAPPROVED = "Unapproved"
    PAUSING = "Pausing"
    PAUSED = "Paused"
    STARTING = "Starting"
    PREPARING = "Preparing"
    QUEUED = "Queued"
    RUNNING = "Running"
    FINALIZING = "Finalizing"
    CANCEL_REQUESTED = "CancelRequested"
    COMPLETED = "Completed"
    FAILED = "Failed"
    CANCELED = "Canceled"

    @property
    def is_final(self) -> bool:
        """Whether the run has ended."""
        return self in _FINAL

    @property
    def rank(self) -> int:
        """Place in the life of a run; all final statuses share one."""
        return len(RunStatus) if self.is_final else list(RunStatus).index(self)


_FINAL = frozenset({RunStatus.COMPLETED, RunStatus.FAILED, RunStatus.CANCELED})


class PipelineRunCode(StrEnum):
    """Status code of a pipeline run."""

    NOT_STARTED = "0"
    RUNNING = "1"
    FAILED = "2"
    FINISHED = "3"
    CANCELED = "4"


class NodeCode(StrEnum):
    """Status code of a node, which is one step of one pipeline run."""

    NOT_STARTED = "0"
    RUNNING = "2"
    FAILED = "3"
    FINISHED = "4"
    CANCELED = "5"


PIPELINE_RUN_CODES = {
    RunStatus.NOT_STARTED: PipelineRunCode.NOT_STARTED,
    RunStatus.RUNNING: PipelineRunCode.RUNNING,
    RunStatus.FAILED: PipelineRunCode.FAILED,
    RunStatus.COMPLETED: PipelineRunCode.FINISHED,
    RunStatus.CANCELED: PipelineRunCode.CANCELED,
}
NODE_CODES = {
    RunStatus.NOT_STARTED: NodeCode.NOT_STARTED,
    RunStatus.RUNNING: NodeCode.RUNNING,
    RunStatus.FAILED: NodeCode.FAILED,
    RunStatus.COMPLETED: NodeCode.FINISHED,
    RunStatus.CANCELED: NodeCode.CANCELED,
}
