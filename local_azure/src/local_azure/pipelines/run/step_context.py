"""What a running step can use of its job and its run: the interface of logging commands and task emulations."""

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, TypeAlias

from local_azure.pipelines.run.agent.masking import Masker
from local_azure.pipelines.run.agent.variables import VariableTable
from local_azure.pipelines.run.agent.workspace import JobFolders
from local_azure.pipelines.run.record import RunRecord
from local_azure.pipelines.run.results import Result, worst
from local_azure.pipelines.run.run_state import SHOWN_LINES, RunState

Inputs: TypeAlias = Mapping[str, str]


class TaskError(Exception):
    """A task fails; the text says why."""


class Script(NamedTuple):
    """A bash script to run; `folder` is relative to the sources, `azure` gives it the environment of a client."""

    path: Path
    folder: str = ""
    arguments: str = ""
    azure: bool = False


class JobLog:
    """The log of one job; secrets are masked."""

    def __init__(self, run: RunState, label: str) -> None:
        self.label = label
        self.step_lines: deque[str] = deque(maxlen=SHOWN_LINES)
        self._run = run

    def say(self, line: str, left_out: int = 0) -> None:
        """Log a line; of a long one some characters were left out."""
        line = self._run.masker.mask(line, cut=left_out > 0)
        if left_out:
            line = f"{line} ... ({left_out} more characters are left out)"
        self.step_lines.append(line)
        self._run.job_line(self.label, line)

    def issue(self, kind: str, text: str) -> None:
        """Log an error or warning, which the summary of the run repeats."""
        self.say(f"##[{kind}]{text}")
        self._run.record.add_issue(kind, self.label, text)


@dataclass
class StepContext:
    """One attempt of one step.

    `name` is the step's own, empty where it has none. `outputs` are those of the job: of a plain job under
    `STEP.VARIABLE`, of a deployment job under `JOB.STEP.VARIABLE`; `output_prefix` is what precedes the variable.
    """

    name: str
    log: JobLog
    record: RunRecord
    masker: Masker
    variables: VariableTable
    outputs: dict[str, str]
    output_prefix: str
    folders: JobFolders
    search_path: list[Path]
    run_script: Callable[["StepContext", Script], bool]
    result: Result = Result.SUCCEEDED

    def worsen(self, result: Result) -> None:
        """Record a result; a better one than was reached so far changes nothing."""
        self.result = worst([self.result, result])

    def prepend_path(self, folder: Path) -> None:
        """Let later steps find programs in a folder first."""
        self.search_path.insert(0, folder)


class TaskEmulation(NamedTuple):
    """What a task does on this machine.

    `run` returns whether the task succeeded, or raises TaskError or OSError. `inputs` are all that it supports or may
    ignore, by the main names of the schema; a step with any other is refused before the run.
    """

    name: str
    run: Callable[[StepContext, Inputs], bool]
    inputs: tuple[str, ...]
