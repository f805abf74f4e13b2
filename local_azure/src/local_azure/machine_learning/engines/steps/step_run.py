"""One step of one pipeline run, from its entry in the run history to its outputs."""

from __future__ import annotations

import asyncio
from functools import partial

from local_azure.machine_learning.clock import new_id
from local_azure.machine_learning.domain.access.addresses import Addresses
from local_azure.machine_learning.domain.pipelines import nodes
from local_azure.machine_learning.domain.pipelines.plan import Step
from local_azure.machine_learning.domain.runs.run_documents import Failure
from local_azure.machine_learning.domain.runs.statuses import RunStatus
from local_azure.machine_learning.domain.workspace.workspaces import Workspace
from local_azure.machine_learning.engines.steps.arguments import RunIdentity
from local_azure.machine_learning.engines.steps.data_locations import (
    InputResolver,
    Locations,
    note_inputs,
    output_locations,
    register_outputs,
)
from local_azure.machine_learning.engines.steps.job import MakeJob, failure_of
from local_azure.machine_learning.engines.steps.step_reuse import StepReuse
from local_azure.machine_learning.storage.files import BlobFiles
from local_azure.machine_learning.storage.full_disk import until_kept
from local_azure.machine_learning.storage.store import Document, Store


class StepRun:
    """Runs one step; `cancel` may come at any moment. `create` comes first."""

    def __init__(
        self,
        *,
        store: Store,
        files: BlobFiles,
        make_job: MakeJob,
        workspace: Workspace,
        pipeline_run: Document,
        resolver: InputResolver,
        step: Step,
    ) -> None:
        self._store = store
        self._files = files
        self._workspace = workspace
        self._pipeline_run = pipeline_run
        self._resolver = resolver
        self._step = step
        self.run_id = new_id()
        self.node_id = step.node_id
        experiment = pipeline_run["RunHistoryExperimentName"]
        self._job = make_job(RunIdentity(workspace, experiment, self.run_id, pipeline_run["Id"]), step)
        self._node: Document = {}
        self._inputs: Locations = {}
        self._reuse: StepReuse | None = None

    def create(self, addresses: Addresses) -> None:
        """Enter the step into the run history, before anything is decided, so that it is visible as a child."""
        self._node = nodes.start(
            self._store, self._workspace, addresses, self._pipeline_run, self._step, run_id=self.run_id
        )

    async def run(self) -> bool:
        """Run or reuse; True when the step succeeded. Never raises for what the user's step does."""
        try:
            if await asyncio.to_thread(self._prepare):
                return True
            failure = await self._job.execute(self._inputs, self._node["Outputs"])
            if failure is None:
                await until_kept(self._succeed)
                return True
        except Exception as error:
            failure = failure_of(error, self.run_id, "step")
        await until_kept(partial(self._fail, failure))
        return False

    async def cancel(self) -> None:
        """End the step's process group and let `run` end it as canceled."""
        await self._job.cancel()

    def _prepare(self) -> bool:
        """Find the locations of the step's data; True when an earlier step stands for it, which ends it."""
        self._node["Outputs"] = output_locations(self._step, self.run_id)
        nodes.save(self._store, self._workspace.id, self._pipeline_run["Id"], self._node)
        self._inputs = self._resolver.locations(self._step)
        note_inputs(self._store, self._workspace.id, self.run_id, self._step, self._inputs)
        if not self._step.may_reuse:
            return False
        external = self._resolver.external(self._step, self._inputs)
        self._reuse = StepReuse(
            self._store, self._files, self._workspace, self._step, inputs=self._inputs, external=external
        )
        return self._reuse.take_over(self._pipeline_run["Id"], self._node)

    def _succeed(self) -> None:
        """End the step, with the datasets that it wrote, and let later steps reuse it."""
        with self._store.transaction():
            register_outputs(self._store, self._workspace, self.run_id, self._step, self._node["Outputs"])
            self._end(RunStatus.COMPLETED)
        if self._reuse is not None:
            self._reuse.remember(self._node)

    def _fail(self, failure: Failure) -> None:
        self._end(RunStatus.CANCELED if self._job.is_canceled else RunStatus.FAILED, failure)

    def _end(self, status: RunStatus, failure: Failure | None = None) -> None:
        nodes.finish(self._store, self._workspace.id, self._pipeline_run["Id"], self._node, status, failure=failure)
