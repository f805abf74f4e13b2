"""A run of one script, outside of any pipeline: `Experiment.submit(ScriptRunConfig(...))`."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING

from local_azure.machine_learning.domain.pipelines.graph import Port, Step
from local_azure.machine_learning.domain.workspaces import Workspace
from local_azure.machine_learning.engines.steps.data_places import output_places
from local_azure.machine_learning.engines.steps.job import Job, RunPlace, StepFailure
from local_azure.machine_learning.engines.steps.launcher import Launcher
from local_azure.machine_learning.engines.steps.lineage import note_inputs, register_outputs
from local_azure.machine_learning.errors import ApiError
from local_azure.machine_learning.planes.pipelines.runs import CLOSED
from local_azure.machine_learning.planes.runs import history
from local_azure.machine_learning.planes.runs.execution import SCRIPT_RUN
from local_azure.machine_learning.storage.full_disk import until_kept
from local_azure.machine_learning.storage.store import Document

if TYPE_CHECKING:
    from local_azure.machine_learning.emulator import Emulator

LOG = logging.getLogger("local_azure")
_NOT_STARTED = ("NotStarted", "Queued")


class ScriptRunTask:
    """One script run on its way."""

    def __init__(self, emulator: Emulator, launcher: Launcher, workspace: Workspace, document: Document) -> None:
        self._emulator = emulator
        self._workspace = workspace
        self._document = document
        self._run_id: str = document["runId"]
        self._step = Step(
            node_id=self._run_id,
            module=document["module"],
            node={
                "ModuleOutputSettings": document["settings"],
                "Runconfig": json.dumps(document["configuration"]),
            },
            parameters=document["parameters"],
            sources={name: Port("", name) for name in document["inputs"]},
            waits_for=frozenset(),
        )
        place = RunPlace(workspace, document["experiment"], self._run_id, self._run()["rootRunId"])
        self._job = Job(emulator, launcher, place, self._step)
        self._outputs: dict[str, Document] = {}

    def _run(self) -> Document:
        return self._emulator.store.require(self._workspace.id, "run", self._run_id, "Run")

    def was_started(self) -> bool:
        """Whether the run had left the queue, in the life of an earlier server."""
        return self._run()["status"] not in _NOT_STARTED

    async def run(self) -> None:
        """Run to a final status."""
        try:
            self._outputs = output_places(self._step, self._run_id)
            note_inputs(self._emulator.store, self._workspace, self._run_id, self._step, self._document["inputs"])
            failure = await self._job.execute(self._document["inputs"], self._outputs)
        except ApiError as error:
            failure = StepFailure(error.code, error.message)
        except Exception:
            LOG.exception("script run %s broke", self._run_id)
            failure = StepFailure("ServiceError", "local_azure failed while it ran this script; see its log.")
        await until_kept(lambda: self.finish(failure))

    async def cancel(self) -> None:
        """End the script's process group and let `run` end it as canceled."""
        await self._job.cancel()

    def finish(self, failure: StepFailure | None) -> None:
        """Write the final status, and register the outputs of a run that succeeded."""
        status, error = "Completed", None
        if self._job.is_canceled:
            status = "Canceled"
        elif failure:
            status, error = "Failed", {"code": failure.code, "message": failure.message}
        store = self._emulator.store
        with store.transaction():
            if status == "Completed":
                register_outputs(self._emulator.store, self._workspace, self._run_id, self._step, self._outputs)
            history.set_status(self._emulator.store, self._workspace, self._run_id, status, error)
            store.put(self._workspace.id, SCRIPT_RUN, self._run_id, self._document, parent=CLOSED)
