"""Runs one job: its hooks and steps in order, in a separate workspace."""

import shutil
import time
from pathlib import Path
from subprocess import SubprocessError

from local_azure.pipelines.expand.model import HOOKS, STEP_CONTEXTS, Job, Step, is_true
from local_azure.pipelines.language.evaluation import evaluate
from local_azure.pipelines.language.grammar import parse
from local_azure.pipelines.language.tree import Fields, Text
from local_azure.pipelines.language.values import ExpressionError, truthy
from local_azure.pipelines.run.agent.processes import Ending
from local_azure.pipelines.run.agent.variables import VariableTable
from local_azure.pipelines.run.agent.workspace import JobFolders
from local_azure.pipelines.run.results import Result, worst
from local_azure.pipelines.run.run_state import RunState
from local_azure.pipelines.run.shell import LONGEST_MINUTES, Shell
from local_azure.pipelines.run.step_context import JobLog, StepContext, TaskError
from local_azure.pipelines.run.tasks.steps import run_task

_DEFAULT_MINUTES = 60
_MOST_RETRIES = 10


class JobRunner:
    """Runs one job; `label` is `STAGE.JOB`."""

    def __init__(self, run: RunState, job: Job, label: str, variables: VariableTable) -> None:
        self.label = label
        self.variables = variables
        self.log = JobLog(run, label)
        self.outputs: dict[str, str] = {}
        self._run = run
        self._job = job
        self._result = Result.SUCCEEDED
        self._declared = variables
        self._folders = JobFolders(run.record.folder / "work" / label)
        self._search_path: list[Path] = []
        self._deadline = 0.0

    def run(self) -> Result:
        """Run the hooks in order until one fails, then the one for that ending; returns the job's result."""
        self._declared = self.variables
        hooks = dict(self._job.hooks)
        for hook in ("", *HOOKS):
            if hook in hooks and (not hook or self._result.is_good):
                self._run_hook(hook, hooks[hook])
        ending = "failure" if self._result is Result.FAILED else "success"
        if ending in hooks and self._result is not Result.CANCELED:
            before, self._result = self._result, Result.SUCCEEDED
            self._run_hook(f"on.{ending}", hooks[ending])
            self._result = worst([before, self._result])
        return self._result

    def _run_hook(self, hook: str, steps: list[Step]) -> None:
        """Run the steps as the service does, in a separate job: workspace, variables and time are new.

        Of what another hook did, artifacts and outputs remain, which only other jobs read.
        """
        minutes = self._job.number("timeoutInMinutes", _DEFAULT_MINUTES) or LONGEST_MINUTES
        self._deadline = time.monotonic() + 60 * minutes
        self._search_path = []
        self.variables = self._declared.inner()
        self.variables.declare("Build.BuildNumber", self._run.record.build_number)
        for name, value in self._folders.create().items():
            self.variables.declare(name, value)
        self._run_steps(hook, steps)
        shutil.rmtree(self._folders.root, ignore_errors=True)

    def _run_steps(self, hook: str, steps: list[Step]) -> None:
        if not self._job.deployment and not any(step.kind == "checkout" for step in steps):
            self._run_step(self._added_step("checkout", "self"))
        prefix = f"{hook}: " if hook else ""
        downloads = any(step.kind == "download" for step in steps)
        if hook == "deploy" and not downloads and self._run.record.artifacts.names():
            self._run_step(self._added_step("download", "current"), prefix)
        for step in steps:
            self._run_step(step, prefix)

    def _added_step(self, kind: str, value: str) -> Step:
        """Return a step that the service adds by itself."""
        return Step(Fields([(Text(kind), Text(value, self._job.location))], self._job.location))

    def _run_step(self, step: Step, prefix: str = "") -> None:
        if step.value == "none" and step.kind in ("checkout", "download"):
            return
        started = time.monotonic()
        self.log.step_lines.clear()
        self.variables.declare("Agent.JobStatus", str(self._result))
        title = self.variables.expand(step.title) if step.fields.has("displayName") else step.title
        title = self._run.masker.mask(f"{prefix}{title}")
        self.log.say(f"##[section]{title}")
        self._run.record.progress.began("step", self.label, title)
        result = self._conditional_result(step)
        self._result = worst([self._result, result])
        self._run.record.progress.ended("step", self.label, result, title=title)
        self._run.ended(f"    {self.label}: {title}", result, started, self.log.step_lines)

    def _conditional_result(self, step: Step) -> Result:
        try:
            enabled = not step.fields.has("enabled") or is_true(step.text("enabled"))
            if not enabled or not self._holds(step.condition or "succeeded()"):
                return Result.SKIPPED
        except ExpressionError as error:
            self.log.issue("error", f"The condition of this step cannot be evaluated: {error}")
            return Result.FAILED
        retries = min(int(step.number("retryCountOnTaskFailure", 0)), _MOST_RETRIES)
        for attempt in range(retries + 1):
            self._run.canceled.wait(attempt**2)
            result = self._attempt(step)
            if result is not Result.FAILED:
                return result
        return Result.SUCCEEDED_WITH_ISSUES if step.continues_on_error else Result.FAILED

    def _is_canceled(self) -> bool:
        return self._run.canceled.is_set() or self._result is Result.CANCELED

    def _holds(self, condition: str) -> bool:
        canceled = self._is_canceled()
        answers = {
            "succeeded": self._result.is_good and not canceled,
            "failed": self._result is Result.FAILED and not canceled,
            "succeededorfailed": not canceled,
            "always": not self._run.aborted.is_set(),
            "canceled": canceled,
        }
        expression = parse(condition, STEP_CONTEXTS, status=True)
        contexts = {"variables": self.variables.fields()}
        return truthy(evaluate(expression, contexts, lambda name, _: answers[name]))

    def _attempt(self, step: Step) -> Result:
        shell = Shell(self._run, self._job, step, self._deadline, job_canceled=self._is_canceled())
        context = StepContext(
            name=step.name,
            log=self.log,
            record=self._run.record,
            masker=self._run.masker,
            variables=self.variables,
            outputs=self.outputs,
            output_prefix=f"{self._job.name}.{step.name}." if self._job.deployment else f"{step.name}.",
            folders=self._folders,
            search_path=self._search_path,
            run_script=shell.run,
        )
        try:
            if not self._execute(step, context):
                context.worsen(Result.FAILED)
        except (TaskError, OSError, SubprocessError) as error:
            self.log.issue("error", str(error))
            context.worsen(Result.FAILED)
        if shell.ending is Ending.BY_ITSELF:
            return context.result
        return self._stopped_result(shell.ending)

    def _execute(self, step: Step, context: StepContext) -> bool:
        """Do what a step does; whether it succeeded."""
        if step.kind != "checkout":
            return run_task(context, step)
        count = self._folders.checkout(self._run.repository)
        self.log.say(f"Copied {count} files of the working tree.")
        return True

    def _stopped_result(self, ending: Ending) -> Result:
        """Return the result of a step that did not end by itself, which is an issue."""
        job_timed_out = time.monotonic() > self._deadline
        if ending is Ending.CANCELED:
            self.log.issue("error", "The step was canceled.")
            return Result.CANCELED
        self.log.issue("error", f"The {'job' if job_timed_out else 'step'} ran longer than its timeoutInMinutes.")
        if not job_timed_out:
            return Result.FAILED
        self._run.record.timed_out = True
        return Result.CANCELED
