"""Runs an expanded pipeline: stages and jobs, their conditions and variables, approvals."""

import platform
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from threading import Semaphore
from typing import TypeAlias

from local_azure.pipelines.check.run_names import RunNames
from local_azure.pipelines.expand.model import CONTEXTS, Job, Pipeline, Stage, Variable, ancestors
from local_azure.pipelines.expand.queue_facts import QueueFacts, predefined_values
from local_azure.pipelines.language.evaluation import evaluate
from local_azure.pipelines.language.grammar import parse
from local_azure.pipelines.language.tree import Value, from_plain
from local_azure.pipelines.language.values import ExpressionError, to_text, truthy
from local_azure.pipelines.run.agent.variables import VariableTable
from local_azure.pipelines.run.builds.progress import why_not
from local_azure.pipelines.run.builds.record import REHEARSAL
from local_azure.pipelines.run.job_runner import JobRunner
from local_azure.pipelines.run.parallel import run_in_order
from local_azure.pipelines.run.results import Result, worst
from local_azure.pipelines.run.run_state import Question, RunState

_Contexts: TypeAlias = Mapping[str, Value]


@dataclass
class _JobOutcome:
    result: Result
    outputs: dict[str, str]

    def as_dependency(self) -> dict[str, object]:
        """Return what expressions of later jobs read."""
        return {"result": self.result, "outputs": self.outputs}


@dataclass
class _StageOutcome:
    """The outcome of a stage, and of its jobs by name in lower case."""

    result: Result = Result.SKIPPED
    jobs: dict[str, _JobOutcome] = field(default_factory=dict)

    def as_dependency(self) -> dict[str, object]:
        """Return what the condition of a later stage reads: outputs have keys `JOB.STEP.VARIABLE`."""
        outputs: dict[str, str] = {}
        for name, job in self.jobs.items():
            outputs |= {f"{name}.{key}": value for key, value in job.outputs.items()}
        return {"result": self.result, "outputs": outputs}


class PipelineRunner:
    """Runs a pipeline once."""

    def __init__(self, pipeline: Pipeline, facts: QueueFacts, run: RunState) -> None:
        self._pipeline = pipeline
        self._facts = facts
        self._run = run
        self._slots = Semaphore(run.parallel)
        self._stages_before = ancestors(pipeline.stages)
        self._outcomes = {stage.name.lower(): _StageOutcome() for stage in pipeline.stages}
        # Why stages and jobs were skipped, by name or label.
        self._why: dict[str, str] = {}
        run.record.build_number = self._build_number()
        self._root = self._root_variables()

    def _build_number(self) -> str:
        """Return the name of this run; its revision counts the runs whose names are the same otherwise."""
        name = RunNames(self._pipeline, self._facts).name(self._run.record.build_id, datetime.now(UTC))
        counted = f"{self._pipeline.location.file}\0{name.key}"
        return name.numbered(self._run.host.next_revision(counted) if name.revision else 0)

    def _root_variables(self) -> VariableTable:
        record, facts = self._run.record, self._facts
        predefined = facts.predefined() | predefined_values("running_values")
        predefined["Build.BuildId"] = str(record.build_id)
        predefined["Build.BuildNumber"] = record.build_number
        predefined["Agent.MachineName"] = platform.node()
        predefined |= self._run.served.variables
        table = VariableTable(self._run.masker)
        for name, value in (predefined | dict(facts.variables)).items():
            table.declare(name, value, readonly=name not in facts.variables)
        table.declare("System.AccessToken", self._run.served.token, secret=True)
        return table

    def run(self) -> Result:
        """Run all stages; returns the result of the run."""
        titles = {str(stage.name): stage.title for stage in self._pipeline.stages}
        self._run.record.build.begin(self._run.record.build_number, titles, self._build_facts())
        self._run.record.progress.plan(self._pipeline, self._run.queued)
        run_in_order(self._pipeline.stages, self._run_stage)
        if self._run.canceled.is_set():
            return Result.CANCELED
        return worst(outcome.result for outcome in self._outcomes.values())

    def _build_facts(self) -> dict[str, object]:
        """What the document of a build holds, from the predefined variables."""
        known = self._facts.predefined()
        person = {"displayName": known["Build.RequestedFor"]}
        return {
            "reason": self._facts.reason[0].lower() + self._facts.reason[1:],
            "sourceBranch": known["Build.SourceBranch"],
            "sourceVersion": self._facts.commit,
            "requestedFor": person,
            "requestedBy": person,
            "definition": {"id": int(known["System.DefinitionId"]), "name": known["Build.DefinitionName"]},
            "project": {
                "id": known["System.TeamProjectId"],
                "name": self._run.served.variables["System.TeamProject"],
            },
        }

    # -- stages

    def _run_stage(self, stage: Stage) -> None:
        started = time.monotonic()
        self._run.say(f"stage {stage.title}")
        self._run.record.build.stage_began(str(stage.name))
        self._run.record.progress.began("stage", str(stage.name))
        try:
            result = self._stage_result(stage)
        except ExpressionError as error:
            self._run.record.add_issue("error", str(stage.name), str(error))
            result = Result.FAILED
        self._outcomes[stage.name.lower()].result = result
        self._run.record.results[str(stage.name)] = result
        self._run.record.build.stage_ended(str(stage.name), result)
        self._run.record.progress.ended("stage", str(stage.name), result, why=self._why.get(str(stage.name), ""))
        self._run.ended(f"stage {stage.title}", result, started)

    def _stage_result(self, stage: Stage) -> Result:
        before = {name: self._outcomes[name] for name in self._stages_before[stage.name.lower()]}
        contexts = {"dependencies": from_plain({name: found.as_dependency() for name, found in before.items()})}
        table = self._root.inner()
        table.declare("Build.BuildNumber", self._run.record.build_number)
        self._declare(self._pipeline.variables, table, contexts)
        results = {name: outcome.result for name, outcome in before.items()}
        if not self._holds(stage, table, contexts, results):
            names = [str(one.name) for one in self._pipeline.stages if one.name.lower() in before]
            earlier = {name: before[name.lower()].as_dependency() for name in names}
            self._why[str(stage.name)] = why_not(stage.condition or "", earlier)
            return Result.SKIPPED
        for environment in stage.environments:
            if not self._is_approved(stage, environment):
                return Result.CANCELED if self._run.canceled.is_set() else Result.FAILED
            self._run.say(f"  environment {environment}: approved ({REHEARSAL})")
        run_in_order(stage.jobs, lambda job: self._run_job(stage, job, table.inner()))
        return worst(job.result for job in self._outcomes[stage.name.lower()].jobs.values())

    def _is_approved(self, stage: Stage, environment: str) -> bool:
        """Ask for the approval of an environment, on record."""
        asked = self._run.record.build.ask(str(stage.name), environment)
        question = Question(environment, str(stage.name), stage.title, asked)
        decision = self._run.host.approve(self._run, question)
        self._run.record.build.decide(asked, decision)
        return decision is not None and decision.approved

    # -- jobs

    def _run_job(self, stage: Stage, job: Job, table: VariableTable) -> None:
        started = time.monotonic()
        name = str(job.name) or f"job{stage.jobs.index(job) + 1}"
        runner = JobRunner(self._run, job, f"{stage.name}.{name}", table)
        self._run.record.progress.began("job", runner.label)
        try:
            result = self._job_result(stage, job, runner)
        except ExpressionError as error:
            runner.log.issue("error", str(error))
            result = Result.FAILED
        if result is Result.FAILED and job.continues_on_error:
            result = Result.SUCCEEDED_WITH_ISSUES
        outcome = _JobOutcome(result, runner.outputs)
        self._outcomes[stage.name.lower()].jobs[name.lower()] = outcome
        self._run.record.results[runner.label] = result
        self._run.record.progress.ended("job", runner.label, result, why=self._why.get(runner.label, ""))
        self._run.ended(f"  job {runner.label}", result, started)

    def _job_result(self, stage: Stage, job: Job, runner: JobRunner) -> Result:
        before = ancestors(stage.jobs).get(job.name.lower(), set())
        contexts = self._job_contexts(stage, before)
        for variables in (stage.variables, job.variables):
            self._declare(variables, runner.variables, contexts)
        own_stage = self._outcomes[stage.name.lower()]
        results = {name: own_stage.jobs[name].result for name in before}
        if not self._holds(job, runner.variables, contexts, results):
            names = [str(one.name) for one in stage.jobs if one.name.lower() in before]
            earlier = {name: own_stage.jobs[name.lower()].as_dependency() for name in names}
            self._why[runner.label] = why_not(job.condition or "", earlier)
            return Result.SKIPPED
        runner.variables.declare("Build.BuildNumber", self._run.record.build_number)
        for name, value in _job_variables(stage, job).items():
            runner.variables.declare(name, value)
        with self._slots:
            return runner.run()

    def _job_contexts(self, stage: Stage, before: set[str]) -> dict[str, Value]:
        """Return what expressions of a job read of earlier jobs of its stage, and of those of earlier stages."""
        own_stage = self._outcomes[stage.name.lower()]
        earlier: dict[str, object] = {}
        for name in self._stages_before[stage.name.lower()]:
            jobs = self._outcomes[name].jobs
            earlier[name] = {job: outcome.as_dependency() for job, outcome in jobs.items()}
        return {
            "dependencies": from_plain({name: own_stage.jobs[name].as_dependency() for name in before}),
            "stagedependencies": from_plain(earlier),
        }

    # -- expressions

    def _holds(
        self, part: Stage | Job, table: VariableTable, contexts: _Contexts, results: Mapping[str, Result]
    ) -> bool:
        """Return whether the condition of a stage or job holds; `results` are those of all its dependencies."""

        def status(name: str, named: tuple[str, ...]) -> bool:
            canceled = self._run.canceled.is_set()
            if name == "always":
                return True
            if name == "canceled":
                return canceled
            chosen = [results.get(each.lower(), Result.SKIPPED) for each in named] or list(results.values())
            return not canceled and _status_holds(name, chosen)

        expression = parse(part.condition or "succeeded()", CONTEXTS, status=True)
        return truthy(evaluate(expression, {**contexts, "variables": table.fields()}, status))

    def _declare(self, variables: list[Variable], table: VariableTable, contexts: _Contexts) -> None:
        for variable in variables:
            if variable.group:
                self._declare_group(variable, table)
            else:
                value = _value_of(variable, table, contexts)
                table.declare(variable.name, value, readonly=variable.readonly)

    def _declare_group(self, group: Variable, table: VariableTable) -> None:
        for name, value in self._facts.groups[group.name].items():
            location = (str(group.name), name)
            secret, masked = location in self._facts.secrets, location in self._facts.masked
            try:
                table.declare(name, value, secret=secret, readonly=group.readonly, masked=masked)
            except ValueError as error:
                raise ExpressionError(f"The variable '{name}' of the group '{group.name}': {error}") from None


def _status_holds(name: str, results: list[Result]) -> bool:
    """Return whether succeeded(), failed() or succeededOrFailed() holds after some results."""
    if name == "failed":
        return Result.FAILED in results
    if name == "succeeded":
        return all(result.is_good for result in results)
    return all(result.is_good or result is Result.FAILED for result in results)


def _value_of(variable: Variable, table: VariableTable, contexts: _Contexts) -> str:
    if variable.run_time is None:
        return str(variable.value)
    expression = parse(variable.run_time, CONTEXTS)
    return to_text(evaluate(expression, {**contexts, "variables": table.fields()}))


def _job_variables(stage: Stage, job: Job) -> dict[str, str]:
    """Return the predefined variables that say which job runs."""
    variables = {
        "System.StageName": str(stage.name),
        "System.StageDisplayName": stage.title,
        "System.JobName": str(job.name),
        "Agent.JobName": job.title,
    }
    if job.environment:
        variables |= {"Environment.Name": str(job.environment), "Strategy.Name": "runOnce"}
    return variables
