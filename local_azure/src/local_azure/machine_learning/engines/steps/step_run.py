"""One step of one pipeline run, from its entry in the run history to its outputs."""

from __future__ import annotations

import asyncio
from functools import partial
from pathlib import Path

from local_azure.machine_learning.clock import new_id
from local_azure.machine_learning.domain.access.addresses import Addresses
from local_azure.machine_learning.domain.data import snapshots
from local_azure.machine_learning.domain.pipelines import nodes, reuse
from local_azure.machine_learning.domain.pipelines.plan import Step
from local_azure.machine_learning.domain.pipelines.reuse import Fingerprint
from local_azure.machine_learning.domain.runs.run_documents import Failure
from local_azure.machine_learning.domain.runs.run_files import EXECUTION_LOG, warn
from local_azure.machine_learning.domain.runs.statuses import RunStatus
from local_azure.machine_learning.domain.workspace.workspaces import Workspace
from local_azure.machine_learning.engines.steps.arguments import RunIdentity
from local_azure.machine_learning.engines.steps.data_locations import (
    InputResolver,
    Locations,
    files_of,
    note_inputs,
    output_locations,
    register_outputs,
)
from local_azure.machine_learning.engines.steps.job import MakeJob, failure_of
from local_azure.machine_learning.errors import ApiError
from local_azure.machine_learning.storage.files import BlobFiles
from local_azure.machine_learning.storage.storage_faults import until_kept
from local_azure.machine_learning.storage.store import Document, Store


class StepReuse:
    """Reuse of one step. inputs: locations of all its inputs; external: of those that no step of its run writes."""

    def __init__(
        self,
        store: Store,
        files: BlobFiles,
        workspace: Workspace,
        step: Step,
        *,
        inputs: Locations,
        external: Locations,
    ) -> None:
        self._store = store
        self._files = files
        self._workspace = workspace
        self._step = step
        self._external = external
        snapshot_hash = snapshots.content_hash(store, workspace, step.module["StorageId"])
        self._key = reuse.reuse_key(step, snapshot_hash, inputs)

    def take_over(self, pipeline_run_id: str, node: Document) -> bool:
        """Let an earlier, equal step stand for the one of this node; False when there is none."""
        source = reuse.recall(self._store, self._workspace.id, self._key)
        if source is None:
            return False
        reuse.take_over(self._store, self._workspace.id, pipeline_run_id, node, source)
        self._warn_of_new_bytes(pipeline_run_id, node["RunId"], source)
        return True

    def remember(self, node: Document) -> None:
        """Let later, equal steps reuse the one of this node, which has succeeded."""
        try:
            inputs = self._input_files()
            fingerprints = {name: reuse.fingerprint(files, hashed=True) for name, files in inputs.items()}
        except (ApiError, OSError):  # gone or moved since; then there is nothing to compare with
            fingerprints = {}
        reuse.remember(self._store, self._workspace.id, self._key, node, fingerprints)

    def _input_files(self) -> dict[str, dict[str, Path]]:
        return {
            name: files_of(self._store, self._files, self._workspace, location)
            for name, location in self._external.items()
        }

    def _warn_of_new_bytes(self, pipeline_run_id: str, run_id: str, source: Document) -> None:
        """Name the inputs whose bytes have changed: as on the service, only definitions decide about reuse."""
        known: dict[str, Fingerprint] = source.get("InputFiles") or {}
        try:
            changed = [
                name
                for name, files in self._input_files().items()
                if name in known and not reuse.same_bytes(known[name], files)
            ]
        except (ApiError, OSError):
            return
        sentences = [
            f"Step '{self._step.name}' was reused from run {source['RunId']} although the bytes of its input "
            f"'{name}' have changed since, under an unchanged definition. Use a new path, or regenerate_outputs=True."
            for name in changed
        ]
        warn(self._store, self._files, self._workspace, run_id, sentences, log=EXECUTION_LOG, log_of=pipeline_run_id)


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
