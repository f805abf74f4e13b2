"""A run of one script, outside of any pipeline: `Experiment.submit(ScriptRunConfig(...))`."""

from __future__ import annotations

import asyncio
import json
from functools import partial

from local_azure.machine_learning.domain.pipelines import script_runs
from local_azure.machine_learning.domain.pipelines.plan import Port, Step
from local_azure.machine_learning.domain.runs import run_records
from local_azure.machine_learning.domain.runs.run_documents import Failure
from local_azure.machine_learning.domain.runs.statuses import RunStatus
from local_azure.machine_learning.domain.workspace.workspaces import Workspace
from local_azure.machine_learning.engines.steps.arguments import RunIdentity
from local_azure.machine_learning.engines.steps.data_locations import (
    Locations,
    note_inputs,
    output_locations,
    register_outputs,
)
from local_azure.machine_learning.engines.steps.job import MakeJob, failure_of
from local_azure.machine_learning.storage.storage_faults import until_kept
from local_azure.machine_learning.storage.store import Document, Store


def _step(document: Document) -> Step:
    """Make the step that a script run's document describes."""
    return Step(
        node_id=document["runId"],
        module=document["module"],
        node={"ModuleOutputSettings": document["settings"], "Runconfig": json.dumps(document["configuration"])},
        parameters=document["parameters"],
        sources={name: Port("", name) for name in document["inputs"]},
        waits_for=frozenset(),
    )


class ScriptRunTask:
    """Runs one submitted script; `cancel` may come at any moment."""

    def __init__(
        self, store: Store, make_job: MakeJob, workspace: Workspace, document: Document, root_run_id: str
    ) -> None:
        self._store = store
        self._workspace = workspace
        self._document = document
        self._run_id: str = document["runId"]
        self._step = _step(document)
        self._job = make_job(RunIdentity(workspace, document["experiment"], self._run_id, root_run_id), self._step)
        self._outputs: Locations = {}

    async def run(self) -> None:
        """Run to a final status."""
        try:
            await asyncio.to_thread(self._prepare)
            failure = await self._job.execute(self._document["inputs"], self._outputs)
            if failure is None and not self._job.is_canceled:
                await until_kept(self._succeed)
                return
        except Exception as error:
            failure = failure_of(error, self._run_id, "script")
        await until_kept(partial(self._fail, failure))

    async def cancel(self) -> None:
        """End the script's process group and let `run` end it as canceled."""
        await self._job.cancel()

    def _prepare(self) -> None:
        self._outputs = output_locations(self._step, self._run_id)
        note_inputs(self._store, self._workspace.id, self._run_id, self._step, self._document["inputs"])

    def _succeed(self) -> None:
        """End the run, with the datasets that it wrote."""
        with self._store.transaction():
            register_outputs(self._store, self._workspace, self._run_id, self._step, self._outputs)
            self._end(RunStatus.COMPLETED)

    def _fail(self, failure: Failure | None) -> None:
        if self._job.is_canceled:
            self._end(RunStatus.CANCELED)
        else:
            self._end(RunStatus.FAILED, failure)

    def _end(self, status: RunStatus, failure: Failure | None = None) -> None:
        with self._store.transaction():
            run_records.set_status(self._store, self._workspace.id, self._run_id, status, failure)
            script_runs.close(self._store, self._workspace.id, self._document)
