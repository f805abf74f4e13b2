"""Runs an expanded pipeline: stages and jobs in order, independent ones in parallel; conditions, approvals."""

import platform
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from threading import Semaphore
from typing import TypeAlias, TypeVar

from local_azure.pipelines.check.references import CONTEXTS
from local_azure.pipelines.check.structure import ancestors
from local_azure.pipelines.expand.model import Job, Pipeline, Stage, Variable
from local_azure.pipelines.expand.queue_facts import QueueFacts, documented
from local_azure.pipelines.language.evaluation import evaluate, to_text, truthy
from local_azure.pipelines.language.grammar import ExpressionError, parse
from local_azure.pipelines.language.tree import Value, from_plain
from local_azure.pipelines.run.job_runner import JobRun
from local_azure.pipelines.run.run_state import CANCELED, FAILED, GOOD, ISSUES, SKIPPED, RunState, worst
from local_azure.pipelines.run.variables import VariableTable

_LOOK_SECONDS = 0.5
_Contexts: TypeAlias = Mapping[str, Value]
_Part = TypeVar("_Part", Stage, Job)


class PipelineRun:
    """One run of a pipeline."""

    def __init__(self, pipeline: Pipeline, facts: QueueFacts, state: RunState) -> None:
        self._pipeline, self._facts, self._state = pipeline, facts, state
        self._slots = Semaphore(state.parallel)
        self._before = ancestors(pipeline.stages)
        # By stage and job in lower case: result and outputs, as the contexts of expressions show them.
        self._jobs: dict[str, dict[str, dict[str, object]]] = {stage.name.lower(): {} for stage in pipeline.stages}
        self._results: dict[str, str] = {}
        self._root = VariableTable(state.masker)
        state.build_number = _build_number(pipeline.name, state.build_id)
        number = str(state.build_id)
        own = {"Build.BuildId": number, "Build.BuildNumber": state.build_number, "Agent.MachineName": platform.node()}
        for name, value in (facts.predefined() | documented("running_values") | own | dict(facts.variables)).items():
            self._root.declare(name, value, readonly=name not in facts.variables)
        self._root.declare("System.AccessToken", "local-rehearsal-access-token", secret=True)

    def run(self) -> str:
        """Run all stages; returns the result of the run."""
        _walk(self._pipeline.stages, self._run_stage)
        return CANCELED if self._state.canceled.is_set() else worst(*self._results.values())

    def _run_stage(self, stage: Stage) -> None:
        started = time.monotonic()
        self._state.say(f"stage {stage.title}")
        try:
            result = self._stage_result(stage)
        except ExpressionError as error:
            self._state.issues.append(("error", str(stage.name), str(error)))
            result = FAILED
        self._results[stage.name.lower()] = self._state.results[str(stage.name)] = result
        self._state.ended(f"stage {stage.title}", result, started)

    def _stage_result(self, stage: Stage) -> str:
        before = self._before[stage.name.lower()]
        results = {name: self._results[name] for name in before}
        contexts = {"dependencies": from_plain({name: self._as_dependency(name) for name in before})}
        table = self._root.inner()
        self._declare(self._pipeline.variables, table, contexts)
        if not self._holds(stage, table, contexts, results):
            return SKIPPED
        for environment in stage.environments:
            if not self._state.approve(self._state, environment, stage.title):
                return CANCELED if self._state.canceled.is_set() else FAILED
            self._state.say(f"  environment {environment}: approved (a rehearsal on this machine)")
        _walk(stage.jobs, lambda job: self._run_job(stage, job, table.inner()))
        return worst(*(str(job["result"]) for job in self._jobs[stage.name.lower()].values()))

    def _as_dependency(self, stage: str) -> dict[str, object]:
        """What the condition of a later stage reads: outputs have keys `JOB.STEP.VARIABLE`."""
        outputs: dict[str, object] = {}
        for job, found in self._jobs[stage].items():
            outputs |= {f"{job}.{key}": value for key, value in dict(found["outputs"]).items()}  # type: ignore
        return {"result": self._results[stage], "outputs": outputs}

    def _run_job(self, stage: Stage, job: Job, table: VariableTable) -> None:
        started = time.monotonic()
        key = str(job.name) or f"job{stage.jobs.index(job) + 1}"
        running = JobRun(self._state, job, f"{stage.name}.{key}", table)
        try:
            result = self._job_result(stage, job, running)
        except ExpressionError as error:
            running.issue("error", str(error))
            result = FAILED
        result = ISSUES if result == FAILED and job.continues_on_error else result
        self._jobs[stage.name.lower()][key.lower()] = {"result": result, "outputs": running.outputs}
        self._state.results[running.label] = result
        self._state.ended(f"  job {running.label}", result, started)

    def _job_result(self, stage: Stage, job: Job, running: JobRun) -> str:
        own, before = self._jobs[stage.name.lower()], ancestors(stage.jobs).get(job.name.lower(), set())
        earlier = {name: self._jobs[name] for name in self._before[stage.name.lower()]}
        contexts = {"dependencies": from_plain({name: own[name] for name in before})}
        contexts["stagedependencies"] = from_plain(earlier)
        for variables in (stage.variables, job.variables):
            self._declare(variables, running.table, contexts)
        results = {name: str(own[name]["result"]) for name in before}
        if not self._holds(job, running.table, contexts, results):
            return SKIPPED
        titles = {"StageName": stage.name, "StageDisplayName": stage.title, "JobName": job.name}
        named = {f"System.{key}": str(value) for key, value in titles.items()} | {"Agent.JobName": job.title}
        named |= {"Environment.Name": str(job.environment), "Strategy.Name": "runOnce"} if job.environment else {}
        for name, value in named.items():
            running.table.declare(name, value)
        with self._slots:
            return running.run()

    # -- expressions

    def _holds(self, part: Stage | Job, table: VariableTable, contexts: _Contexts, results: dict[str, str]) -> bool:
        """Whether a stage or job runs; status functions look at all its dependencies, or at the named ones."""

        def status(name: str, named: tuple[str, ...]) -> bool:
            canceled = self._state.canceled.is_set()
            if name in ("always", "canceled"):
                return name == "always" or canceled
            chosen = [results.get(n.lower(), SKIPPED) for n in named] if named else list(results.values())
            good = GOOD if name == "succeeded" else (*GOOD, FAILED)
            held = FAILED in chosen if name == "failed" else all(result in good for result in chosen)
            return held and not canceled

        expression = parse(part.condition or "succeeded()", CONTEXTS, status=True)
        return truthy(evaluate(expression, {**contexts, "variables": table.fields()}, status))

    def _declare(self, variables: list[Variable], table: VariableTable, contexts: _Contexts) -> None:
        for variable in variables:
            found = self._facts.groups[variable.name] if variable.group else {variable.name: str(variable.value)}
            for name, value in found.items():
                if variable.run_time is not None:
                    expression = parse(variable.run_time, CONTEXTS)
                    value = to_text(evaluate(expression, {**contexts, "variables": table.fields()}))  # noqa: PLW2901
                table.declare(name, value, readonly=variable.readonly)


def _build_number(name: str, build_id: int) -> str:
    """The `name:` of the pipeline with its own macros replaced, else date and count."""
    made = name or "$(Date:yyyyMMdd).$(Rev:r)"
    made = made.replace("$(Date:yyyyMMdd)", time.strftime("%Y%m%d", time.gmtime())).replace("$(Rev:.r)", ".$(Rev:r)")
    return made.replace("$(Rev:r)", str(build_id)).replace("$(Build.BuildId)", str(build_id))


def _walk(parts: Sequence[_Part], work: Callable[[_Part], None]) -> None:
    """Do the work of every part after that of all it depends on; independent ones in parallel."""
    waiting, done = list(parts), set[str]()
    running: dict[Future[None], _Part] = {}
    with ThreadPoolExecutor(max_workers=max(len(parts), 1)) as pool:
        while waiting or running:
            for part in [p for p in waiting if {name.lower() for name in p.depends_on} <= done]:
                waiting.remove(part)
                running[pool.submit(work, part)] = part
            # With an end, because a signal that comes just before a wait is handled only after it.
            for future in wait(running, timeout=_LOOK_SECONDS, return_when=FIRST_COMPLETED).done:
                future.result()
                done.add(running.pop(future).name.lower())
