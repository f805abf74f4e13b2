"""A run of one script, outside of any pipeline: `Experiment.submit(ScriptRunConfig(...))`."""

from __future__ import annotations

import asyncio
import json

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
from local_azure.machine_learning.storage.full_disk import until_kept
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
        except Exception as error:
            failure = failure_of(error, self._run_id, "script")
        await until_kept(lambda: self._finish(failure))

    async def cancel(self) -> None:
        """End the script's process group and let `run` end it as canceled."""
        await self._job.cancel()

    def _prepare(self) -> None:
        self._outputs = output_locations(self._step, self._run_id)
        note_inputs(self._store, self._workspace.id, self._run_id, self._step, self._document["inputs"])

    def _finish(self, failure: Failure | None) -> None:
        """Write the final status, and register the outputs of a run that succeeded."""
        status = RunStatus.COMPLETED
        if self._job.is_canceled:
            status, failure = RunStatus.CANCELED, None
        elif failure is not None:
            status = RunStatus.FAILED
        with self._store.transaction():
            if status == RunStatus.COMPLETED:
                register_outputs(self._store, self._workspace, self._run_id, self._step, self._outputs)
            run_records.set_status(self._store, self._workspace.id, self._run_id, status, failure)
            script_runs.close(self._store, self._workspace.id, self._document)
