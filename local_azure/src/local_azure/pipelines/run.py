"""Runs an expanded pipeline: stages and jobs in order, independent ones in parallel; conditions, approvals."""

from __future__ import annotations

import platform
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from threading import Semaphore
from typing import TypeVar

from local_azure.pipelines.evaluation import Status, evaluate
from local_azure.pipelines.grammar import ExpressionError, parse
from local_azure.pipelines.graph import ancestors, nodes
from local_azure.pipelines.job_run import JobRun
from local_azure.pipelines.model import Job, Pipeline, Stage, Variable
from local_azure.pipelines.queue_facts import QueueFacts
from local_azure.pipelines.references import CONTEXTS
from local_azure.pipelines.run_state import FAILED, GOOD, ISSUES, SKIPPED, RunState, worst
from local_azure.pipelines.tree import Fields, Text, Value, from_plain
from local_azure.pipelines.values import to_text, truthy
from local_azure.pipelines.variable_table import VariableTable

Part = TypeVar("Part", Stage, Job)


@dataclass
class PipelineRun:
    """One run of a pipeline. `approve(environment, stage)` decides as the approver would."""

    pipeline: Pipeline
    facts: QueueFacts
    state: RunState
    approve: Callable[[str, str], bool]
    build_id: int = 1
    parallel: int = 2

    def __post_init__(self) -> None:
        self._slots = Semaphore(self.parallel)
        self._root = VariableTable(self.state.masker)
        self.state.build_number = _build_number(self.pipeline.fields, self.build_id)
        for name, value in self._predefined().items():
            self._root.declare(name, value, readonly=True)
        for name, value in self.facts.variables.items():
            self._root.declare(name, value)
        self._root.declare("System.AccessToken", "local-rehearsal-access-token", secret=True, readonly=True)
        self._jobs: dict[str, dict[str, dict[str, object]]] = {}
        self._stage_results: dict[str, str] = {}

    def _predefined(self) -> dict[str, str]:
        number = str(self.build_id)
        return self.facts.predefined() | {
            "Build.BuildId": number, "Build.BuildNumber": self.state.build_number,
            "Build.BuildUri": f"vstfs:///Build/Build/{number}",
            "Agent.OS": "Linux", "Agent.OSArchitecture": "X64", "Agent.Name": "local_azure", "Agent.Id": "1",
            "Agent.MachineName": platform.node(), "System.HostType": "build", "System.ServerType": "Local",
            "System.JobAttempt": "1", "System.PhaseAttempt": "1", "System.StageAttempt": "1",
            "System.PipelineStartTime": time.strftime("%Y-%m-%d %H:%M:%S+00:00", time.gmtime()),
        }  # fmt: skip

    # -- the whole

    def run(self) -> str:
        """Run all stages; returns the result of the run."""
        _walk(self.pipeline.stages, self._run_stage)
        return worst(*self._stage_results.values())

    def _run_stage(self, stage: Stage) -> None:
        started = time.monotonic()
        self.state.report.say(f"stage {stage.title}")
        result = self._stage_result(stage)
        self._stage_results[stage.name.lower()] = result
        self.state.results[str(stage.name)] = result
        self.state.report.part("", "stage", stage.title, result, time.monotonic() - started)

    def _stage_result(self, stage: Stage) -> str:
        self._jobs.setdefault(stage.name.lower(), {})
        before = ancestors(nodes(self.pipeline.stages))[stage.name.lower()]
        table = self._root.inner()
        contexts = {"dependencies": self._stage_outputs(before), "stagedependencies": Fields()}
        try:
            self._declare(self.pipeline.variables, table, contexts)
            status = self._status({name: self._stage_results[name] for name in before})
            if not self._holds(stage.condition, table, contexts, status):
                return SKIPPED
            refused = [name for name in stage.environments if not self._approved(str(name), stage)]
        except ExpressionError as error:
            self.state.issue("error", str(stage.name), str(error))
            return FAILED
        if refused:
            return FAILED
        results: dict[str, str] = {}
        _walk(stage.jobs, lambda job: self._run_job(stage, job, table, results))
        return worst(*results.values())

    def _approved(self, environment: str, stage: Stage) -> bool:
        if self.approve(environment, stage.title):
            self.state.report.say(f"  environment {environment}: approved (a rehearsal on this machine)")
            return True
        self.state.rejected.append(environment)
        self.state.report.say(f"  environment {environment}: REJECTED, no job of {stage.title} runs")
        return False

    # -- jobs

    def _run_job(self, stage: Stage, job: Job, table: VariableTable, results: dict[str, str]) -> None:
        started = time.monotonic()
        key = str(job.name) or f"job{stage.jobs.index(job) + 1}"
        label = f"{stage.name}.{key}"
        outputs: dict[str, str] = {}
        running = JobRun(self.state, job, label, table.inner(), outputs)
        try:
            result = self._job_result(stage, running, results)
        except ExpressionError as error:
            self.state.issue("error", label, str(error))
            result = FAILED
        if result == FAILED and job.continues_on_error:
            result = ISSUES
        results[key.lower()] = result
        self._jobs[stage.name.lower()][key] = {"result": result, "outputs": outputs}
        self.state.results[label] = result
        self.state.report.part("  ", "job", label, result, time.monotonic() - started)

    def _job_result(self, stage: Stage, running: JobRun, results: dict[str, str]) -> str:
        job, table = running.job, running.table
        own = self._jobs[stage.name.lower()]
        before = ancestors(nodes(stage.jobs)).get(job.name.lower(), set())
        stages = ancestors(nodes(self.pipeline.stages))[stage.name.lower()]
        contexts = {
            "dependencies": from_plain({name: doc for name, doc in own.items() if name.lower() in before}),
            "stagedependencies": from_plain({s: self._jobs.get(s, {}) for s in stages}),
        }
        for scope in (self.pipeline.variables, stage.variables, job.variables):
            self._declare(scope, table, contexts)
        status = self._status({name: results[name] for name in before})
        if not self._holds(job.condition, table, contexts, status):
            return SKIPPED
        with self._slots:
            for name, value in _job_variables(stage, job).items():
                table.declare(name, value, readonly=True)
            return running.run()

    # -- expressions

    def _status(self, results: Mapping[str, str]) -> Status:
        """The status functions of a stage or job, over all its direct and indirect dependencies, or the named."""

        def answer(name: str, named: tuple[str, ...]) -> bool:
            canceled = self.state.canceled.is_set()
            if name in ("always", "canceled"):
                return name == "always" or canceled
            chosen = [results.get(n.lower(), SKIPPED) for n in named] if named else list(results.values())
            if name == "failed":
                return not canceled and FAILED in chosen
            good = GOOD if name == "succeeded" else (*GOOD, FAILED)
            return not canceled and all(result in good for result in chosen)

        return answer

    def _holds(
        self, condition: Text | None, table: VariableTable, contexts: Mapping[str, Value], status: Status
    ) -> bool:
        expression = parse(condition or "succeeded()", CONTEXTS, status=True)
        return truthy(evaluate(expression, {**contexts, "variables": table.fields()}, status))

    def _declare(self, variables: Sequence[Variable], table: VariableTable, contexts: Mapping[str, Value]) -> None:
        for variable in variables:
            if variable.group:
                for name, value in self.facts.groups[variable.name].items():
                    table.declare(name, value or "")
                continue
            value = str(variable.value)
            if variable.run_time is not None:
                expression = parse(variable.run_time, CONTEXTS)
                value = to_text(evaluate(expression, {**contexts, "variables": table.fields()}))
            table.declare(variable.name, value, readonly=variable.readonly)

    def _stage_outputs(self, names: set[str]) -> Value:
        """Results of stages, and their outputs under the keys `JOB.STEP.VARIABLE`."""
        return from_plain(
            {
                name: {
                    "result": self._stage_results[name],
                    "outputs": {
                        f"{job}.{key}": value
                        for job, doc in self._jobs[name].items()
                        for key, value in dict(doc["outputs"]).items()  # type: ignore[call-overload]
                    },
                }
                for name in names
            }
        )


def _job_variables(stage: Stage, job: Job) -> dict[str, str]:
    found = {
        "System.StageName": str(stage.name), "System.StageDisplayName": stage.title, "System.JobName": str(job.name),
        "System.JobDisplayName": job.title, "Agent.JobName": job.title, "System.PhaseName": str(job.name),
    }  # fmt: skip
    if job.environment is not None:
        found |= {"Environment.Name": str(job.environment), "Strategy.Name": "runOnce"}
    return found


def _build_number(fields: Fields, build_id: int) -> str:
    """The `name:` of the pipeline with its own macros replaced, else date and count."""
    name = str(fields.get("name") or "$(Date:yyyyMMdd).$(Rev:r)")
    today = time.strftime("%Y%m%d", time.gmtime())
    for macro, value in (("$(Date:yyyyMMdd)", today), ("$(Rev:r)", str(build_id)), ("$(Rev:.r)", f".{build_id}"),
                         ("$(Build.BuildId)", str(build_id))):  # fmt: skip
        name = name.replace(macro, value)
    return name


def _walk(parts: Sequence[Part], work: Callable[[Part], None]) -> None:
    """Do the work of every part after that of all it depends on; independent ones in parallel."""
    waiting, done = list(parts), set[str]()
    running: dict[Future[None], Part] = {}
    with ThreadPoolExecutor(max_workers=max(len(parts), 1)) as pool:
        while waiting or running:
            for part in [p for p in waiting if {name.lower() for name in p.depends_on} <= done]:
                waiting.remove(part)
                running[pool.submit(work, part)] = part
            finished, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in finished:
                part = running.pop(future)
                future.result()
                done.add(part.name.lower())
