"""Runs the bash scripts of a step as the build agent does, and carries out the logging commands in their output."""

import os
import sys
import time
from pathlib import Path

from local_azure.pipelines.expand.model import Job, Step
from local_azure.pipelines.run.agent.output_lines import MOST_LINE_CHARACTERS, Line
from local_azure.pipelines.run.agent.processes import Ending, run_command
from local_azure.pipelines.run.logging_commands import logging_command, obey
from local_azure.pipelines.run.results import Result
from local_azure.pipelines.run.run_state import RunState
from local_azure.pipelines.run.step_context import Script, StepContext, TaskError

LONGEST_MINUTES = 360
_DEFAULT_CANCEL_MINUTES = 5
# Of this machine's environment a job sees these alone: what it needs beyond them, the YAML must say.
_INHERITED = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "USER", "LOGNAME", "SHELL")


class Shell:
    """Runs the scripts of one attempt of a step; `ending` says why the last one has ended.

    `deadline` is the job's. A step that runs although the job was canceled has the time of the job's cancelTimeout.
    """

    def __init__(self, run: RunState, job: Job, step: Step, deadline: float, *, job_canceled: bool) -> None:
        self.ending = Ending.BY_ITSELF
        self._run = run
        self._step = step
        own_deadline = time.monotonic() + 60 * (step.number("timeoutInMinutes", 0) or LONGEST_MINUTES)
        self._deadline = min(own_deadline, deadline)
        self._canceled = run.canceled
        if job_canceled:
            minutes = job.number("cancelTimeoutInMinutes", _DEFAULT_CANCEL_MINUTES)
            self._deadline = time.monotonic() + 60 * minutes
            self._canceled = run.aborted

    def run(self, context: StepContext, script: Script) -> bool:
        """Run a script; whether it succeeded. Raises TaskError."""
        folder = context.folders.sources / script.folder
        if not folder.is_dir():
            raise TaskError(f"The working directory {folder} does not exist.")
        command = f'exec bash --noprofile --norc "{script.path}" {script.arguments}'
        code, self.ending = run_command(
            ["bash", "--noprofile", "--norc", "-c", command],
            folder,
            self._environment(context, azure=script.azure),
            lambda line: _handle_line(context, line),
            deadline=self._deadline,
            canceled=self._canceled,
        )
        if code and self.ending is Ending.BY_ITSELF:
            context.log.issue("error", f"The script ended with exit code {code}.")
        return code == 0

    def _environment(self, context: StepContext, *, azure: bool) -> dict[str, str]:
        """Combine what is inherited, the variables, and what `env:` maps."""
        environment = {k: v for k, v in os.environ.items() if k in _INHERITED or k.upper().endswith("_PROXY")}
        path = _search_path(environment.get("PATH", ""), context.search_path)
        environment |= context.variables.environment()
        environment |= {"TF_BUILD": "True", "PATH": path}
        environment |= {str(key): context.variables.expand(str(value)) for key, value in self._step.env}
        if not azure:
            return environment
        with self._run.lock:
            return self._run.host.azure_environment(environment)


def _search_path(inherited: str, prepended: list[Path]) -> str:
    """Return the PATH of a script without this interpreter's own folder: only UsePythonVersion makes it known."""
    own = str(Path(sys.executable).parent)
    folders = [folder for folder in inherited.split(os.pathsep) if folder != own]
    return os.pathsep.join([*map(str, prepended), *folders])


def _handle_line(context: StepContext, line: Line) -> None:
    """Log a line of output, or carry out the logging command in it."""
    command = logging_command(line.text)
    if command is None:
        context.log.say(line.text, line.left_out)
        return
    try:
        if line.left_out:
            raise ValueError(
                f"The logging command exceeds {MOST_LINE_CHARACTERS} characters. Write the value to a file."
            )
        obey(context, command)
    except (ValueError, OSError) as error:
        context.log.issue("error", f"{error} (in: {line.text.strip()[:80]})")
        context.worsen(Result.FAILED)
