"""Runs one job: its hooks and steps in order, in a workspace of its own."""

from __future__ import annotations

import os
import shutil
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

from local_azure.pipelines.evaluation import evaluate
from local_azure.pipelines.grammar import ExpressionError, parse
from local_azure.pipelines.logging_commands import obey
from local_azure.pipelines.model import ON_HOOKS, Job, Step
from local_azure.pipelines.output import logging_command
from local_azure.pipelines.processes import Limits, run_command
from local_azure.pipelines.references import STEP_CONTEXTS
from local_azure.pipelines.run_state import CANCELED, FAILED, GOOD, ISSUES, SKIPPED, SUCCEEDED, RunState, worst
from local_azure.pipelines.standins import STAND_INS, StandInError, task_of
from local_azure.pipelines.tree import Fields, Text
from local_azure.pipelines.values import truthy
from local_azure.pipelines.variable_table import VariableTable
from local_azure.pipelines.workspace import Artifacts, JobFolders

_LONGEST_MINUTES = 360
_RETRY_SECONDS = 1.0
# Of this laptop's environment a job sees these alone: what it needs beyond them, the YAML must say.
_INHERITED = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "USER", "LOGNAME", "SHELL")
_INHERITED_ENDINGS = ("_PROXY", "_proxy")


@dataclass
class JobRun:
    """The state of one running job; also the host of its stand-ins."""

    state: RunState
    job: Job
    label: str
    table: VariableTable
    outputs: dict[str, str]
    result: str = SUCCEEDED
    hook: str = ""
    paths: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.artifacts: Artifacts = self.state.artifacts
        self.folders = JobFolders(self.state.folder / "work" / self.label)
        self.step = StepRun(Step("", Text(""), self.job.fields))

    # -- hooks

    def run(self) -> str:
        """Run everything in a fresh workspace, which goes afterwards; returns the job's result."""
        self.deadline = time.monotonic() + 60 * (self.job.timeout_minutes or _LONGEST_MINUTES)
        self.folders.create()
        for name, value in self.folders.variables().items():
            self.table.declare(name, value, readonly=True)
        try:
            return self._run_hooks()
        finally:
            shutil.rmtree(self.folders.root, ignore_errors=True)

    def _run_hooks(self) -> str:
        steps = self.job.steps
        if not self.job.deployment and not any(step.kind == "checkout" for step in steps):
            self._run_step(_short(self.job, "checkout", "self"))
        for hook, hook_steps in self.job.hooks:
            if hook not in ON_HOOKS and self.result in GOOD:
                self._run_hook(hook, hook_steps)
        ending = "failure" if self.result == FAILED else "success"
        for hook, hook_steps in self.job.hooks:
            if hook == ending and self.result != CANCELED:
                before, self.result = self.result, SUCCEEDED
                self._run_hook(f"on.{hook}", hook_steps)
                self.result = worst(before, self.result)
        return self.result

    def _run_hook(self, hook: str, steps: tuple[Step, ...]) -> None:
        self.hook = hook
        if hook == "deploy" and not any(step.kind == "download" for step in steps) and self.artifacts.names():
            self._run_step(_short(self.job, "download", "current"))
        for step in steps:
            self._run_step(step)

    # -- steps

    def _run_step(self, step: Step) -> None:
        if step.value == "none" and step.kind in ("checkout", "download"):
            return
        self.step = StepRun(step)
        started = time.monotonic()
        self.table.declare("Agent.JobStatus", self.result, readonly=True)
        title = self.state.masker.mask(self.table.expand(step.title) if "displayName" in step.fields else step.title)
        title = f"{self.hook}: {title}" if self.hook else title
        self.say(f"##[section]{title}")
        result = self._conditional_result(step)
        if result != SKIPPED:
            self.result = worst(self.result, result)
        self.state.report.step(self.label, title, result, time.monotonic() - started, self.step.lines)

    def _conditional_result(self, step: Step) -> str:
        try:
            if not step.enabled or not self._holds(step.text("condition")):
                return SKIPPED
        except ExpressionError as error:
            self.issue("error", f"The condition of this step cannot be evaluated: {error}")
            return FAILED
        for attempt in range(step.retries + 1):
            if attempt:
                time.sleep(_RETRY_SECONDS * attempt**2)
                self.say(f"##[section]Attempt {attempt + 1} of {step.retries + 1}")
            result = self._attempt(step)
            if result != FAILED:
                return result
        return ISSUES if step.continues_on_error else FAILED

    def _holds(self, condition: Text | None) -> bool:
        ended = self.state.canceled.is_set() or self.result == CANCELED
        answers = {
            "succeeded": self.result in GOOD and not ended, "failed": self.result == FAILED and not ended,
            "succeededorfailed": not ended, "always": True, "canceled": ended,
        }  # fmt: skip
        expression = parse(condition or "succeeded()", STEP_CONTEXTS, status=True)
        return truthy(evaluate(expression, {"variables": self.table.fields()}, lambda name, _: answers[name]))

    def _attempt(self, step: Step) -> str:
        self.step.outcome = SUCCEEDED
        try:
            succeeded = self._do(step)
        except (StandInError, OSError) as error:
            self.issue("error", str(error))
            succeeded = False
        if self.step.stopped:
            return self._stopped()
        return self.step.outcome if succeeded else worst(self.step.outcome, FAILED)

    def _stopped(self) -> str:
        if self.step.stopped == "canceled" or time.monotonic() > self.deadline:
            if self.step.stopped == "canceled":
                self.issue("error", "The step was canceled.")
            else:
                self.issue("error", f"The job ran longer than its {self.job.timeout_minutes:g} minutes.")
                self.state.timed_out = True
            return CANCELED
        self.issue("error", f"The step ran longer than its {self.step.step.timeout_minutes:g} minutes.")
        return FAILED

    def _do(self, step: Step) -> bool:
        if step.kind == "checkout":
            self.say(f"Copied {self.folders.checkout(self.state.repository)} files of the working tree.")
            return True
        task, inputs = task_of(step)
        stand_in = STAND_INS.get(task.lower())
        if stand_in is None:
            raise StandInError(f"The task {task} has no stand-in here; it cannot run locally.")
        return stand_in.run(self, stand_in.inputs({key: self.table.expand(value) for key, value in inputs.items()}))

    # -- what stand-ins use

    def say(self, line: str) -> None:
        """Write a line into the log, secrets masked."""
        line = self.state.masker.mask(line)
        self.step.lines.append(line)
        self.state.report.line(self.label, line)

    def issue(self, kind: str, text: str) -> None:
        """An error or warning that the summary repeats."""
        self.say(f"##[{kind}]{text}")
        self.state.issue(kind, self.label, self.state.masker.mask(text))

    def prepend_path(self, folder: Path) -> None:
        """For later steps."""
        self.paths.insert(0, str(folder))

    def shell(self, script: Path, arguments: str, folder: str, *, azure: bool, stderr_fails: bool) -> bool:
        """Run a bash script as the build agent does; whether it succeeded."""
        words = f'exec bash --noprofile --norc "{script}" {arguments}'
        command = ["bash", "--noprofile", "--norc", "-c", words]
        where = self.folders.sources / folder
        if not where.is_dir():
            raise StandInError(f"The working directory {where} does not exist.")
        ended_before = self.state.canceled.is_set() or self.result == CANCELED
        deadline = time.monotonic() + 60 * (self.step.step.timeout_minutes or _LONGEST_MINUTES)
        never = threading.Event()
        # A step that runs because or although the job was canceled has the time of its cancelTimeout.
        limits = (
            Limits(time.monotonic() + 60 * self.job.cancel_minutes, never)
            if ended_before
            else Limits(min(deadline, self.deadline), self.state.canceled)
        )
        ended = run_command(
            command, folder=where, environment=self._environment(azure), limits=limits, on_line=self._line
        )
        self.step.stopped = ended.stopped
        if ended.code and not ended.stopped:
            self.issue("error", f"The script ended with exit code {ended.code}.")
        if stderr_fails and ended.wrote_to_stderr:
            self.issue("error", "The script wrote to standard error, and failOnStderr is set.")
            return False
        return ended.code == 0

    def _environment(self, azure: bool) -> dict[str, str]:
        inherited = {k: v for k, v in os.environ.items() if k in _INHERITED or k.endswith(_INHERITED_ENDINGS)}
        own = [folder for folder in inherited.get("PATH", "").split(os.pathsep) if folder != _own_folder()]
        path = os.pathsep.join([*self.paths, *own])
        mapped = {str(key): self.table.expand(str(value)) for key, value in self.step.step.env}
        environment = {**inherited, **self.table.environment(), "TF_BUILD": "True", "PATH": path, **mapped}
        return self.state.azure_environment(environment) if azure else environment

    def _line(self, line: str) -> None:
        command = logging_command(line)
        if command is None:
            self.say(line)
            return
        try:
            obey(self, command)
        except (ValueError, OSError) as error:
            self.issue("error", f"{error} (in: {line.strip()[:80]})")
            self.step.outcome = FAILED


@dataclass
class StepRun:
    """What is known of the current step."""

    step: Step
    outcome: str = SUCCEEDED
    stopped: str = ""
    lines: list[str] = field(default_factory=list)


def _own_folder() -> str:
    """The folder of the running interpreter: only UsePythonVersion puts it on the PATH of a job."""
    return str(Path(sys.executable).parent)


def _short(job: Job, kind: str, value: str) -> Step:
    """A step that the service adds by itself."""
    return Step(kind, Text(value, job.place), Fields([(Text(kind, job.place), Text(value, job.place))], job.place))
