"""One step of one pipeline run, from its entry in the run history to its outputs."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path
from typing import TYPE_CHECKING

from local_azure.machine_learning.clock import new_id, timestamp
from local_azure.machine_learning.domain.pipelines import reuse
from local_azure.machine_learning.domain.pipelines.graph import Step
from local_azure.machine_learning.engines.steps.data_places import InputResolver, files_of, output_places
from local_azure.machine_learning.engines.steps.job import Job, RunPlace, StepFailure
from local_azure.machine_learning.engines.steps.launcher import Launcher
from local_azure.machine_learning.engines.steps.lineage import note_inputs, register_outputs
from local_azure.machine_learning.engines.steps.run_log import EXECUTION_LOG, warn
from local_azure.machine_learning.errors import ApiError
from local_azure.machine_learning.planes.data import snapshots
from local_azure.machine_learning.planes.pipelines.runs import NODE
from local_azure.machine_learning.planes.runs import history, metrics
from local_azure.machine_learning.planes.runs.execution import cancel_address
from local_azure.machine_learning.storage.full_disk import until_kept
from local_azure.machine_learning.storage.store import Document

if TYPE_CHECKING:
    from local_azure.machine_learning.emulator import Emulator

LOG = logging.getLogger("local_azure")
RUNNING, FAILED, FINISHED, CANCELED = "2", "3", "4", "5"


class StepRun:
    """Runs one step; `cancel` may come at any moment."""

    def __init__(
        self, emulator: Emulator, launcher: Launcher, inputs: InputResolver, step: Step, pipeline_run: Document
    ) -> None:
        self._emulator = emulator
        self._workspace = inputs.workspace
        self._pipeline_run = pipeline_run
        self._step = step
        self._inputs = inputs
        self.run_id = new_id()
        place = RunPlace(self._workspace, pipeline_run["RunHistoryExperimentName"], self.run_id, pipeline_run["Id"])
        self._job = Job(emulator, launcher, place, step)
        self._node: Document = {}

    async def run(self) -> bool:
        """Run or reuse; True when the step succeeded. Never raises for what the user's step does."""
        with self._emulator.store.transaction():  # the run in the history and its node: both or none
            self._create()
        try:
            self._node["Outputs"] = output_places(self._step, self.run_id)
            self._save()
            places = self._inputs.places(self._step)
            note_inputs(self._emulator.store, self._workspace, self.run_id, self._step, places)
            snapshot_hash = await asyncio.to_thread(
                snapshots.content_hash, self._emulator.store, self._workspace, self._step.module["StorageId"]
            )
            key = reuse.reuse_key(self._step, snapshot_hash, places)
            if self._step.may_reuse and self._reused(key):
                await asyncio.to_thread(self._warn_of_new_bytes, key, places)
                return True
            failure = await self._job.execute(places, self._node["Outputs"])
        except ApiError as error:
            failure = StepFailure(error.code, error.message)
        except Exception:
            LOG.exception("step run %s broke", self.run_id)
            failure = StepFailure("ServiceError", "local_azure failed while it ran this step; see its log.")
        await until_kept(lambda: self._finish(failure))
        if failure is None and self._step.may_reuse:
            looks = await asyncio.to_thread(self._look, places)
            reuse.remember(self._emulator.store, self._workspace.id, key, self._node, looks)
        return failure is None

    async def cancel(self) -> None:
        """End the step's process group and let `run` end it as canceled."""
        await self._job.cancel()

    def _create(self) -> None:
        """The run is in the history before anything is decided, so that it is visible as a child."""
        step, pipeline_run_id = self._step, self._pipeline_run["Id"]
        properties = {
            "azureml.runsource": "azureml.StepRun",
            "azureml.nodeid": step.node_id,
            "azureml.pipelinerunid": pipeline_run_id,
            "StepType": step.module.get("StepType") or "PythonScriptStep",
            "ContentSnapshotId": step.module["StorageId"],
            "azureml.moduleid": step.module["Id"],
            "azureml.moduleName": step.name,
        }
        history.create_run(
            self._emulator.store,
            self._workspace,
            self.run_id,
            self._pipeline_run["RunHistoryExperimentName"],
            run_type="azureml.StepRun",
            parent=pipeline_run_id,
            name=step.name,
            tags={"azureml.nodeid": step.node_id, "azureml.pipeline": pipeline_run_id},
            properties=properties,
            target=step.parameters.get("Target"),
            cancel_uri=cancel_address(
                self._emulator.addresses, self._workspace, self._pipeline_run["RunHistoryExperimentName"], self.run_id
            ),
        )
        now = timestamp()
        self._node = {
            "NodeId": step.node_id,
            "Name": step.name,
            "RunId": self.run_id,
            "StatusCode": RUNNING,
            "CreationTime": now,
            "ScheduleTime": now,
            "StartTime": now,
            "EndTime": None,
            "ReuseInfo": None,
            "Outputs": {},
        }
        self._save()

    def _save(self) -> None:
        key = f"{self._pipeline_run['Id']}/{self._step.node_id}"
        self._emulator.store.put(self._workspace.id, NODE, key, self._node, parent=self._pipeline_run["Id"])

    def _reused(self, key: str) -> bool:
        """Let an earlier, equal step stand for this one: its outputs, files and metrics."""
        source = reuse.recall(self._emulator.store, self._workspace.id, key)
        if source is None:
            return False
        original = self._emulator.store.require(self._workspace.id, "run", source["RunId"], "Run")
        source_pipeline = original["parentRunId"]
        self._node |= {
            "StatusCode": FINISHED,
            "EndTime": timestamp(),
            "Outputs": source["Outputs"],
            "ReuseInfo": {"NodeId": source["NodeId"], "PipelineRunId": source_pipeline},
        }
        reused = {
            "azureml.isreused": "true",
            "azureml.reusedrunid": source["RunId"],
            "azureml.reusednodeid": source["NodeId"],
            "azureml.reusedpipeline": source_pipeline,
            "azureml.reusedpipelinerunid": source_pipeline,
        }

        def change(run: Document) -> None:
            run["properties"] = {**run["properties"], **reused}
            run["dataContainerId"] = original["dataContainerId"]

        with self._emulator.store.transaction():
            self._emulator.store.update(self._workspace.id, "run", self.run_id, change)
            metrics.copy_metrics(self._emulator.store, self._workspace, source["RunId"], self.run_id)
            history.set_status(self._emulator.store, self._workspace, self.run_id, "Completed")
            self._save()
        return True

    def _files(self, places: dict[str, Document]) -> dict[str, dict[str, Path]]:
        external = self._inputs.external(self._step, places)
        return {
            name: files_of(self._emulator.store, self._emulator.files, self._workspace, place)
            for name, place in external.items()
        }

    def _look(self, places: dict[str, Document]) -> dict[str, reuse.Look]:
        try:
            return {name: reuse.look(files, hashed=True) for name, files in self._files(places).items()}
        except (ApiError, OSError):  # gone or moved since; then there is nothing to compare with
            return {}

    def _warn_of_new_bytes(self, key: str, places: dict[str, Document]) -> None:
        """Say where a reused step would have read other bytes: as on the service, only definitions decide."""
        source = reuse.recall(self._emulator.store, self._workspace.id, key) or {}
        known: dict[str, reuse.Look] = source.get("InputFiles") or {}
        try:
            changed = [
                name
                for name, files in self._files(places).items()
                if name in known and not reuse.same_bytes(known[name], files)
            ]
        except (ApiError, OSError):
            return
        sentences = [
            f"Step '{self._step.name}' was reused from run {source['RunId']} although the bytes of its input "
            f"'{name}' have changed since, under an unchanged definition. Use a new path, or regenerate_outputs=True."
            for name in changed
        ]
        parent = self._pipeline_run["Id"]
        warn(
            self._emulator.store,
            self._emulator.files,
            self._workspace,
            self.run_id,
            sentences,
            log=EXECUTION_LOG,
            log_of=parent,
        )

    def _finish(self, failure: StepFailure | None) -> None:
        status, code = "Completed", FINISHED
        error = None
        if failure:
            status, code = ("Canceled", CANCELED) if self._job.is_canceled else ("Failed", FAILED)
            error = {"error": {"code": failure.code, "message": failure.message, "details": []}}
        self._node |= {
            "StatusCode": code,
            "EndTime": timestamp(),
            "StatusDetail": failure.message if failure else None,
        }
        with self._emulator.store.transaction():
            if failure is None:
                register_outputs(
                    self._emulator.store, self._workspace, self.run_id, self._step, self._node["Outputs"]
                )
            history.set_status(
                self._emulator.store, self._workspace, self.run_id, status, None if self._job.is_canceled else error
            )
            self._save()
