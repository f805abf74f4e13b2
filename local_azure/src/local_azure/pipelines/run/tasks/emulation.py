"""The emulation of one task."""

from collections.abc import Callable
from typing import NamedTuple

from local_azure.pipelines.run.step_context import Inputs, StepContext


class TaskEmulation(NamedTuple):
    """What a task does on this machine.

    `run` returns whether the task succeeded, or raises TaskError or OSError. `inputs` are all that it supports or may
    ignore, by the main names of the schema; a step with any other is refused before the run.
    """

    name: str
    run: Callable[[StepContext, Inputs], bool]
    inputs: tuple[str, ...]
