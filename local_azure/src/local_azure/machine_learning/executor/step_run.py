"""One step of one pipeline run, from its entry in the run history to its outputs."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from local_azure.machine_learning.certificates import BUNDLE
from local_azure.machine_learning.clock import new_id, timestamp
from local_azure.machine_learning.errors import ApiError, bad_request
from local_azure.machine_learning.executor import arguments, reuse
from local_azure.machine_learning.executor.data_places import (
    DATA_FOLDER,
    InputResolver,
    link_inputs,
    link_outputs,
    output_places,
)
from local_azure.machine_learning.executor.graph import Step
from local_azure.machine_learning.executor.launcher import Launcher, StepCommand, StepProcess
from local_azure.machine_learning.forking import EOF_CODE
from local_azure.machine_learning.planes import datasets, history, metrics, snapshots
from local_azure.machine_learning.planes.artifacts import run_container
from local_azure.machine_learning.planes.pipeline_runs import DRIVER_LOG, NODE
from local_azure.machine_learning.store import Document
from local_azure.machine_learning.tokens import Principal

if TYPE_CHECKING:
    from local_azure.machine_learning.emulator import Emulator

RUNNING, FAILED, FINISHED, CANCELED = "2", "3", "4", "5"
TIMED_OUT = 124
LOG_TAIL_LINES = 50
COLLECTED = ("outputs", "logs", "user_logs")


@dataclass(frozen=True)
class StepFailure:
    """Why a step did not succeed, in a sentence, with the code of its run's error."""

    code: str
    message: str


def base_variables(state_root: Path, certificates: Path) -> dict[str, str]:
    """What a step gets of the server's own environment: an allow-list, and the way to trust the server."""
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "LC_ALL", "TMPDIR", "HOME") if name in os.environ}
    threads = {name: value for name, value in os.environ.items() if name.endswith("_NUM_THREADS")}
    openblas = {name: value for name, value in os.environ.items() if name.startswith("OPENBLAS_")}
    bundle = str(certificates / BUNDLE)
    return {
        **kept,
        **threads,
        **openblas,
        "AZURE_CONFIG_DIR": str(state_root / "no-azure-config"),
        "REQUESTS_CA_BUNDLE": bundle,
        "SSL_CERT_FILE": bundle,
        "AZUREML_CURRENT_CLOUD": "AzureCloud",
        "HBI_WORKSPACE_JOB": "true",
        "NO_PROXY": "127.0.0.1,localhost",
        "no_proxy": "127.0.0.1,localhost",
        "PYTHONUNBUFFERED": "1",
    }


class StepRun:
    """Runs one step; `cancel` may come at any moment."""

    def __init__(
        self, emulator: Emulator, launcher: Launcher, inputs: InputResolver, step: Step, pipeline_run: Document
    ) -> None:
        self._emulator = emulator
        self._launcher = launcher
        self._workspace = inputs.workspace
        self._pipeline_run = pipeline_run
        self._step = step
        self._inputs = inputs
        self.run_id = new_id()
        self._node: Document = {}
        self._process: StepProcess | None = None
        self._cancel = asyncio.Event()

    async def run(self) -> bool:
        """Run or reuse; True when the step succeeded. Never raises for what the user's step does."""
        self._create()
        directory = self._emulator.state.work / self.run_id
        try:
            places = self._inputs.places(self._step)
            snapshot_hash = await asyncio.to_thread(
                snapshots.content_hash, self._emulator, self._workspace, self._step.module["StorageId"]
            )
            key = reuse.reuse_key(self._step, snapshot_hash, places)
            if self._step.may_reuse and self._reused(key):
                return True
            failure = await self._execute(directory, places)
        except ApiError as error:
            failure = StepFailure(error.code, error.message)
        finally:
            await asyncio.to_thread(shutil.rmtree, directory, ignore_errors=True)
        self._finish(failure)
        if failure is None and self._step.may_reuse:
            reuse.remember(self._emulator.store, self._workspace.id, key, self._node)
        return failure is None

    async def cancel(self) -> None:
        """End the step's process group and let `run` end it as canceled."""
        self._cancel.set()
        if self._process:
            await self._process.terminate()

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
            self._emulator,
            self._workspace,
            self.run_id,
            self._pipeline_run["RunHistoryExperimentName"],
            run_type="azureml.StepRun",
            parent=pipeline_run_id,
            name=step.name,
            tags={"azureml.nodeid": step.node_id, "azureml.pipeline": pipeline_run_id},
            properties=properties,
            target=step.parameters.get("Target"),
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
            "Outputs": output_places(step, self.run_id),
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
            metrics.copy_metrics(self._emulator, self._workspace, source["RunId"], self.run_id)
            history.set_status(self._emulator, self._workspace, self.run_id, "Completed")
            self._save()
        return True

    async def _execute(self, directory: Path, places: dict[str, Document]) -> StepFailure | None:
        command = await asyncio.to_thread(self._prepare, directory, places)
        history.set_status(self._emulator, self._workspace, self.run_id, "Running")
        if self._cancel.is_set():
            return StepFailure("Canceled", "The run was canceled before the step started.")
        self._process = self._launcher.launch(command)
        if self._cancel.is_set():
            await self._process.terminate()
        limit = arguments.time_limit(self._step)
        try:
            code = await asyncio.wait_for(self._process.wait(), limit)
        except TimeoutError:
            await self._process.terminate()
            code = TIMED_OUT
        await asyncio.to_thread(self._collect, directory)
        return self._judge(code, command.log, limit)

    def _prepare(self, directory: Path, places: dict[str, Document]) -> StepCommand:
        step, emulator = self._step, self._emulator
        script = step.parameters.get("Script")
        if not script:
            raise bad_request(f"Step '{step.name}' names no script.")
        directory.mkdir(parents=True)
        snapshots.extract(emulator, self._workspace, step.module["StorageId"], directory)
        if not (directory / script).is_file():
            raise bad_request(f"Step '{step.name}': its snapshot has no file '{script}'.")
        inputs = link_inputs(emulator, self._workspace, places, directory / DATA_FOLDER)
        outputs = link_outputs(emulator, self._workspace, self._node["Outputs"], directory / DATA_FOLDER)
        run = emulator.store.require(self._workspace.id, "run", self.run_id)
        log = self._artifact(run, DRIVER_LOG)
        log.parent.mkdir(parents=True, exist_ok=True)
        log.touch(mode=0o600)
        words = arguments.command_line(step, {**inputs, **outputs})
        definition = {"script": script, "arguments": words, "target": step.parameters.get("Target")}
        emulator.store.update(self._workspace.id, "run", self.run_id, lambda r: r.update(runDefinition=definition))
        variables = self._variables(run, inputs, outputs)
        return StepCommand(script, words, directory, variables, log)

    def _variables(self, run: Document, inputs: dict[str, Path], outputs: dict[str, Path]) -> Mapping[str, str]:
        token, expiry = self._emulator.tokens.bearer(Principal("run", self._workspace.id, self.run_id))
        identity = arguments.RunIdentity(
            self._workspace,
            self._pipeline_run["RunHistoryExperimentName"],
            run["experimentId"],
            self.run_id,
            self._pipeline_run["Id"],
            token,
            expiry,
        )
        return {
            **base_variables(self._emulator.state.root, self._emulator.state.certificates),
            **arguments.data_variables(self._step, inputs, outputs),
            **arguments.run_variables(identity, self._emulator.addresses.http),
        }

    def _artifact(self, run: Document, name: str) -> Path:
        blob = f"ExperimentRun/{run_container(run)}/{name}"
        return self._emulator.files.path(self._workspace.artifact_container, blob)

    def _collect(self, directory: Path) -> None:
        """Move what the script left in outputs/ and logs/ to the run's artifacts, whatever its exit code."""
        run = self._emulator.store.require(self._workspace.id, "run", self.run_id)
        for folder in COLLECTED:
            for path in sorted((directory / folder).rglob("*")):
                if path.is_file() and not path.is_symlink():
                    target = self._artifact(run, path.relative_to(directory).as_posix())
                    target.parent.mkdir(parents=True, exist_ok=True)
                    path.replace(target)

    def _judge(self, code: int, log: Path, limit: float | None) -> StepFailure | None:
        if self._cancel.is_set():
            return StepFailure("Canceled", "The run was canceled.")
        if code == 0:
            return None
        if code == TIMED_OUT:
            return StepFailure("UserError", f"The step '{self._step.name}' timed out after {limit:g} s.")
        if code == EOF_CODE:
            return StepFailure("ServiceError", "The process that runs steps was lost.")
        shown = f"exit code {code}" if code > 0 else f"killed by signal {-code}"
        tail = "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-LOG_TAIL_LINES:])
        return StepFailure("UserError", f"User program failed: step '{self._step.name}', {shown}.\n{tail}")

    def _finish(self, failure: StepFailure | None) -> None:
        status, code = "Completed", FINISHED
        error = None
        if failure:
            status, code = ("Canceled", CANCELED) if self._cancel.is_set() else ("Failed", FAILED)
            error = {"error": {"code": failure.code, "message": failure.message, "details": []}}
        self._node |= {
            "StatusCode": code,
            "EndTime": timestamp(),
            "StatusDetail": failure.message if failure else None,
        }
        with self._emulator.store.transaction():
            if failure is None:
                self._register_outputs()
            history.set_status(
                self._emulator, self._workspace, self.run_id, status, None if self._cancel.is_set() else error
            )
            self._save()

    def _register_outputs(self) -> None:
        for name, place in self._node["Outputs"].items():
            registration = self._step.output_setting(name).get("DatasetRegistration") or {}
            if registration.get("Name"):
                datasets.register_output(
                    self._emulator, self._workspace, registration["Name"], place["datastore"], place["path"]
                )
