"""The errors that a verb can end with, as a tree; each branch has its exit code.

    ExplainedError (azure_ml.errors)
    |-- AzureMlError            1    Azure ML, or the way to it, failed (azure_ml.errors)
    |-- FaultError              1    something failed, or a service refused the request
    |-- InvalidRequestError     2    a setting or an argument is missing, empty or invalid
    |-- CheckFailedError        3    a gate, a contract or a check said no
    |-- ConflictError           4    the object exists with other content
    |-- TimedOutError         124    it took longer than it was allowed to
    `-- InterruptedByUserError 130   the user ended it

The package `forecasting` raises its own errors, which are mapped to the same exit codes (output/failures.py).
"""

from __future__ import annotations

from typing import ClassVar

from azure_ml.errors import ExplainedError


class FaultError(ExplainedError):
    """Something broke on the way, or a service refused."""


class InvalidRequestError(ExplainedError):
    """A setting or an argument is missing, empty, a placeholder or invalid."""

    exit_code: ClassVar[int] = 2


class CheckFailedError(ExplainedError):
    """A gate, a contract or a check said no."""

    exit_code: ClassVar[int] = 3


class LiveCheckError(CheckFailedError):
    """The live service does not answer as what was deployed says."""


class ConflictError(ExplainedError):
    """The object exists already and its content is another one."""

    exit_code: ClassVar[int] = 4


class TimedOutError(ExplainedError):
    """The work took longer than it was allowed to."""

    exit_code: ClassVar[int] = 124


class InterruptedByUserError(ExplainedError):
    """The user ended it, and what it had begun was undone."""

    exit_code: ClassVar[int] = 130
