"""Walks the graph of one pipeline run: ready steps run, side by side; failures stop the run or skip dependents."""

from __future__ import annotations

import asyncio

from local_azure.machine_learning.domain.access.addresses import Addresses
from local_azure.machine_learning.domain.pipelines import graphs, pipeline_runs
from local_azure.machine_learning.domain.pipelines.plan import Plan, Step
from local_azure.machine_learning.domain.runs import run_records
from local_azure.machine_learning.domain.runs.run_documents import Run
from local_azure.machine_learning.domain.runs.statuses import RunStatus
from local_azure.machine_learning.domain.workspace.workspaces import Workspace
from local_azure.machine_learning.engines.steps import run_log
from local_azure.machine_learning.engines.steps.data_locations import InputResolver
from local_azure.machine_learning.engines.steps.job import MakeJob, failure_of
from local_azure.machine_learning.engines.steps.step_run import StepRun
from local_azure.machine_learning.storage.files import BlobFiles
from local_azure.machine_learning.storage.storage_faults import until_kept
from local_azure.machine_learning.storage.store import Document, Store

_CANCELED = "Execution of experiment cancelled, update experiment status and cancel submitted nodes"
SOME_FAILED = "Pipeline has some failed steps. See child run or execution logs for more details."


class PipelineRunTask:
    """Runs one submitted pipeline; `cancel` may come at any moment."""

    def __init__(
        self,
        *,
        store: Store,
        files: BlobFiles,
        addresses: Addresses,
        make_job: MakeJob,
        workspace: Workspace,
        run: Document,
    ) -> None:
        self._store = store
        self._files = files
        self._addresses = addresses
        self._make_job = make_job
        self._workspace = workspace
        self._run = run
        self._goes_on_after_failure = run.get("ContinueRunOnStepFailure", False)
        self._history: Run | None = None  # of the run history, once it has begun
        self._is_canceled = False
        self._has_failed = False
        self._steps: dict[str, StepRun] = {}  # by run id
        self._running: dict[asyncio.Task[bool], StepRun] = {}

    async def run(self) -> None:
        """Run to a final status; a fault of the graph fails the run with its message."""
        try:
            plan, interface = await asyncio.to_thread(self._begin)
            await self._walk(plan, InputResolver(self._store, self._workspace, self._run, plan, interface))
            status, message = self._outcome()
        except Exception as error:
            status, message = RunStatus.FAILED, failure_of(error, self._run["Id"], "pipeline").message
        await self._end_steps()
        await until_kept(lambda: pipeline_runs.finish(self._store, self._workspace.id, self._run, status, message))

    async def cancel(self) -> None:
        """Start nothing more and end the running steps; finished ones stay as they are."""
        is_first, self._is_canceled = not self._is_canceled, True
        if is_first:
            await asyncio.to_thread(self._report, _CANCELED)
        await asyncio.gather(*(step.cancel() for step in self._steps.values()))

    def step_of(self, run_id: str) -> StepRun | None:
        """Return the running step that is this run, or None."""
        return self._steps.get(run_id)

    def _begin(self) -> tuple[Plan, Document]:
        found = graphs.plan_of_run(self._store, self._workspace.id, self._run)
        pipeline_runs.begin(self._store, self._workspace.id, self._run)
        self._history = run_records.require(self._store, self._workspace.id, self._run["Id"])
        return found

    def _report(self, sentence: str) -> None:
        if self._history is not None:
            run_log.report(self._files, self._workspace, self._history, sentence)

    def _outcome(self) -> tuple[RunStatus, str | None]:
        message = SOME_FAILED if self._has_failed else None
        if self._is_canceled:
            return RunStatus.CANCELED, message
        return RunStatus.FAILED if self._has_failed else RunStatus.COMPLETED, message

    async def _walk(self, plan: Plan, resolver: InputResolver) -> None:
        """Run the steps of a plan. A step that waits for a failed one gets no run."""
        waiting = dict(plan.steps)
        succeeded: set[str] = set()
        while True:
            if not self._is_canceled and (self._goes_on_after_failure or not self._has_failed):
                ready = [step for step in waiting.values() if step.waits_for <= succeeded]
                for step in ready:
                    del waiting[step.node_id]
                if ready:
                    await self._start(ready, resolver)
            if not self._running:
                return
            done, _ = await asyncio.wait(self._running, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                step_run = self._running.pop(task)
                del self._steps[step_run.run_id]
                if task.result():
                    succeeded.add(step_run.node_id)
                else:
                    self._has_failed = True

    async def _start(self, steps: list[Step], resolver: InputResolver) -> None:
        """Start steps side by side; they enter the run history in the order of the graph."""
        step_runs = [
            StepRun(
                store=self._store,
                files=self._files,
                make_job=self._make_job,
                workspace=self._workspace,
                pipeline_run=self._run,
                resolver=resolver,
                step=step,
            )
            for step in steps
        ]
        self._steps |= {step_run.run_id: step_run for step_run in step_runs}  # from here on they can be canceled
        await asyncio.to_thread(self._create, step_runs)
        self._running |= {asyncio.create_task(step_run.run()): step_run for step_run in step_runs}

    def _create(self, step_runs: list[StepRun]) -> None:
        with self._store.transaction():
            for step_run in step_runs:
                step_run.create(self._addresses)
        first = ",".join(f"{step_run.node_id}:{step_run.run_id}" for step_run in step_runs[:5])
        self._report(f"Submitting {len(step_runs)} runs, first five are: {first}")

    async def _end_steps(self) -> None:
        """End the steps that still run when a fault has stopped the walk."""
        await asyncio.gather(*(step.cancel() for step in self._steps.values()))
        await asyncio.gather(*self._running, return_exceptions=True)
