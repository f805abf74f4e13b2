"""Runs one job: its hooks and steps in order, in a workspace of its own."""

import os
import shutil
import sys
import threading
import time
from pathlib import Path
from subprocess import SubprocessError

from local_azure.pipelines.check.references import STEP_CONTEXTS
from local_azure.pipelines.expand.model import HOOKS, Job, Step, is_true
from local_azure.pipelines.language.evaluation import evaluate, truthy
from local_azure.pipelines.language.grammar import ExpressionError, parse
from local_azure.pipelines.language.tree import Fields, Text
from local_azure.pipelines.run.logging_commands import logging_command, obey
from local_azure.pipelines.run.processes import run_command
from local_azure.pipelines.run.run_state import (
    CANCELED,
    FAILED,
    GOOD,
    ISSUES,
    SKIPPED,
    SUCCEEDED,
    RunState,
    worst,
)
from local_azure.pipelines.run.tasks.steps import Inputs, StandInError, run_task, task_of
from local_azure.pipelines.run.variables import VariableTable
from local_azure.pipelines.run.workspace import Artifacts, JobFolders

_LONGEST_MINUTES = 360
_MOST_RETRIES = 10
# Of this machine's environment a job sees these alone: what it needs beyond them, the YAML must say.
_INHERITED = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "USER", "LOGNAME", "SHELL")


class JobRun:
    """One running job; also the host of its stand-ins."""

    def __init__(self, state: RunState, job: Job, label: str, table: VariableTable) -> None:
        self.state: RunState = state
        self.job, self.label, self.table = job, label, table
        self.artifacts: Artifacts = state.artifacts
        self.folders = JobFolders(state.folder / "work" / label)
        self.outputs: dict[str, str] = {}
        self.result = self.outcome = SUCCEEDED
        self.step = self._own_step("checkout", "self")
        self._hook = self._stopped = ""
        self._paths: list[str] = []
        self._lines: list[str] = []
        self._deadline = 0.0

    def _own_step(self, kind: str, value: str) -> Step:
        """A step that the service adds by itself."""
        return Step(Fields([(Text(kind), Text(value, self.job.place))], self.job.place))

    def run(self) -> str:
        """Run everything in a fresh workspace, which goes afterwards; returns the job's result."""
        self._deadline = time.monotonic() + 60 * (self.job.number("timeoutInMinutes", 60) or _LONGEST_MINUTES)
        for name, value in self.folders.create().items():
            self.table.declare(name, value)
        if not self.job.deployment and not any(step.kind == "checkout" for step in self.job.steps):
            self._run_step(self.step)
        hooks = dict(self.job.hooks)
        for hook in ("", *HOOKS):
            if hook in hooks and (not hook or self.result in GOOD):
                self._run_hook(hook, hooks[hook])
        ending = "failure" if self.result == FAILED else "success"
        if ending in hooks and self.result != CANCELED:
            before, self.result = self.result, SUCCEEDED
            self._run_hook(f"on.{ending}", hooks[ending])
            self.result = worst(before, self.result)
        shutil.rmtree(self.folders.root, ignore_errors=True)
        return self.result

    def _run_hook(self, hook: str, steps: list[Step]) -> None:
        self._hook = f"{hook}: " if hook else ""
        downloads = any(step.kind == "download" for step in steps)
        if hook == "deploy" and not downloads and self.artifacts.names():
            self._run_step(self._own_step("download", "current"))
        for step in steps:
            self._run_step(step)

    def _run_step(self, step: Step) -> None:
        if step.value == "none" and step.kind in ("checkout", "download"):
            return
        self.step, self._lines, started = step, [], time.monotonic()
        self.table.declare("Agent.JobStatus", self.result)
        title = self.table.expand(step.title) if step.fields.has("displayName") else step.title
        title = self.state.masker.mask(f"{self._hook}{title}")
        self.say(f"##[section]{title}")
        result = self._conditional_result(step)
        self.result = worst(self.result, result)
        self.state.ended(f"    {self.label}: {title}", result, started, self._lines)

    def _conditional_result(self, step: Step) -> str:
        try:
            enabled = not step.fields.has("enabled") or is_true(step.text("enabled"))
            if not enabled or not self._holds(step.condition or "succeeded()"):
                return SKIPPED
        except ExpressionError as error:
            self.issue("error", f"The condition of this step cannot be evaluated: {error}")
            return FAILED
        for attempt in range(min(int(step.number("retryCountOnTaskFailure", 0)), _MOST_RETRIES) + 1):
            time.sleep(attempt**2)
            result = self._attempt(step)
            if result != FAILED:
                return result
        return ISSUES if step.continues_on_error else FAILED

    def _ended(self) -> bool:
        return self.state.canceled.is_set() or self.result == CANCELED

    def _holds(self, condition: str) -> bool:
        going = not self._ended()
        answers = {"succeeded": self.result in GOOD and going, "failed": self.result == FAILED and going}
        answers |= {"succeededorfailed": going, "always": True, "canceled": not going}
        expression = parse(condition, STEP_CONTEXTS, status=True)
        return truthy(evaluate(expression, {"variables": self.table.fields()}, lambda name, _: answers[name]))

    def _attempt(self, step: Step) -> str:
        self.outcome, self._stopped = SUCCEEDED, ""
        try:
            if step.kind == "checkout":
                self.say(f"Copied {self.folders.checkout(self.state.repository)} files of the working tree.")
            else:
                task, inputs = task_of(step)
                if not run_task(self, task, {key: self.table.expand(value) for key, value in inputs.items()}):
                    self.outcome = FAILED
        except (StandInError, OSError, SubprocessError, SyntaxError) as error:  # the last: of XML
            self.issue("error", str(error))
            self.outcome = FAILED
        if not self._stopped:
            return self.outcome
        late = time.monotonic() > self._deadline
        if self._stopped == "canceled":
            self.issue("error", "The step was canceled.")
        else:
            self.issue("error", f"The {'job' if late else 'step'} ran longer than its timeoutInMinutes.")
            self.state.timed_out = self.state.timed_out or late
        return CANCELED if late or self._stopped == "canceled" else FAILED

    # -- what stand-ins and logging commands use

    def say(self, line: str) -> None:
        """Write a line into the log, secrets masked."""
        line = self.state.masker.mask(line)
        self._lines.append(line)
        self.state.line(self.label, line)

    def issue(self, kind: str, text: str) -> None:
        """An error or warning that the summary repeats."""
        self.say(f"##[{kind}]{text}")
        self.state.issues.append((kind, self.label, self.state.masker.mask(text)))

    def prepend_path(self, folder: Path) -> None:
        """For later steps."""
        self._paths.insert(0, str(folder))

    def shell(self, script: Path, inputs: Inputs, *, azure: bool) -> bool:
        """Run a bash script as the build agent does; whether it succeeded."""
        folder = self.folders.sources / inputs.get("workingDirectory", "")
        if not folder.is_dir():
            raise StandInError(f"The working directory {folder} does not exist.")
        words = f'exec bash --noprofile --norc "{script}" {inputs.get("arguments", "")}'
        own = time.monotonic() + 60 * (self.step.number("timeoutInMinutes", 0) or _LONGEST_MINUTES)
        deadline, canceled = min(own, self._deadline), self.state.canceled
        if self._ended():  # a step that runs although the job was canceled has the time of its cancelTimeout
            deadline = time.monotonic() + 60 * self.job.number("cancelTimeoutInMinutes", 5)
            canceled = threading.Event()
        code, self._stopped = run_command(
            ["bash", "--noprofile", "--norc", "-c", words], folder, self._environment(azure), self._line,
            deadline=deadline, canceled=canceled,
        )  # fmt: skip
        if code and not self._stopped:
            self.issue("error", f"The script ended with exit code {code}.")
        return code == 0

    def _environment(self, azure: bool) -> dict[str, str]:
        """Inherited, variables, and what `env:` maps; this interpreter is found by UsePythonVersion only."""
        found = {k: v for k, v in os.environ.items() if k in _INHERITED or k.upper().endswith("_PROXY")}
        folders = found.get("PATH", "").split(os.pathsep)
        path = [*self._paths, *(folder for folder in folders if folder != str(Path(sys.executable).parent))]
        mapped = {str(key): self.table.expand(str(value)) for key, value in self.step.env}
        found |= self.table.environment() | {"TF_BUILD": "True", "PATH": os.pathsep.join(path)} | mapped
        with self.state.lock:
            return self.state.emulator(found) if azure else found

    def _line(self, line: str) -> None:
        command = logging_command(line)
        if command is None:
            self.say(line)
            return
        try:
            obey(self, command)
        except (ValueError, OSError) as error:
            self.issue("error", f"{error} (in: {line.strip()[:80]})")
            self.outcome = FAILED
