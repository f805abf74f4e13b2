"""The process of one run: its folder, its data, its log, and how it ended."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from local_azure.machine_learning.domain.access.tokens import Principal
from local_azure.machine_learning.domain.pipelines.graph import Step
from local_azure.machine_learning.domain.redaction import last_lines
from local_azure.machine_learning.domain.workspaces import Workspace
from local_azure.machine_learning.engines.steps import arguments
from local_azure.machine_learning.engines.steps.data_spots import Spots, link_outputs, place_inputs
from local_azure.machine_learning.engines.steps.environment_check import differences
from local_azure.machine_learning.engines.steps.launcher import Launcher, StepCommand, StepProcess
from local_azure.machine_learning.engines.steps.run_log import artifact_file, warn
from local_azure.machine_learning.errors import ApiError, bad_request
from local_azure.machine_learning.http.certificates import trust_variables
from local_azure.machine_learning.planes.data import snapshots
from local_azure.machine_learning.planes.pipelines.runs import DRIVER_LOG
from local_azure.machine_learning.planes.runs import history
from local_azure.machine_learning.processes.forking import EOF_CODE
from local_azure.machine_learning.storage import storage_faults
from local_azure.machine_learning.storage.state import ServerInfo, StateFolder, clouds_address
from local_azure.machine_learning.storage.store import Document

if TYPE_CHECKING:
    from local_azure.machine_learning.emulator import Emulator

LOG_TAIL_LINES, LOG_TAIL_BYTES = 50, 64 * 1024
COLLECTED = ("outputs", "logs", "user_logs")


@dataclass(frozen=True)
class StepFailure:
    """Why a step did not succeed, in a sentence, with the code of its run's error."""

    code: str
    message: str


def base_variables(state: StateFolder, info: ServerInfo) -> dict[str, str]:
    """What a step gets of the server's own environment: an allow-list, and the way to trust the server."""
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "LC_ALL", "TMPDIR", "HOME") if name in os.environ}
    threads = {name: value for name, value in os.environ.items() if name.endswith("_NUM_THREADS")}
    openblas = {name: value for name, value in os.environ.items() if name.startswith("OPENBLAS_")}
    return {
        **kept,
        **threads,
        **openblas,
        "AZURE_CONFIG_DIR": str(state.client_configurations / "steps"),
        **trust_variables(state.certificates),
        # A script with a service principal of its own signs in here, as on Azure, and never at the real Azure.
        "ARM_CLOUD_METADATA_URL": clouds_address(info),
        "AZUREML_CURRENT_CLOUD": "AzureCloud",
        "HBI_WORKSPACE_JOB": "true",
        "NO_PROXY": "127.0.0.1,localhost",
        "no_proxy": "127.0.0.1,localhost",
        "PYTHONUNBUFFERED": "1",
    }


@dataclass(frozen=True)
class RunPlace:
    """Which run a job is: workspace, experiment, its own id and that of the run at the top."""

    workspace: Workspace
    experiment_name: str
    run_id: str
    root_run_id: str


def _program(step: Step, directory: Path) -> dict[str, str]:
    """What a step runs; raises a 400 for a script that its snapshot does not have."""
    command, script = step.parameters.get("Command"), step.parameters.get("Script")
    if command:
        return {"command": command}
    if not script:
        raise bad_request(f"Step '{step.name}' names no script.")
    if not (directory / script).is_file():
        raise bad_request(f"Step '{step.name}': its snapshot has no file '{script}'.")
    return {"script": script}


class Job:
    """Runs the script of one step; `cancel` may come at any moment."""

    def __init__(self, emulator: Emulator, launcher: Launcher, place: RunPlace, step: Step) -> None:
        self._emulator = emulator
        self._launcher = launcher
        self._place = place
        self._workspace = place.workspace
        self.run_id = place.run_id
        self._step = step
        self._process: StepProcess | None = None
        self._cancel = asyncio.Event()

    @property
    def is_canceled(self) -> bool:
        """Whether `cancel` was called."""
        return self._cancel.is_set()

    async def cancel(self) -> None:
        """End the process group; `execute` then returns."""
        self._cancel.set()
        if self._process:
            await self._process.terminate()

    async def execute(self, inputs: dict[str, Document], outputs: dict[str, Document]) -> StepFailure | None:
        """Run to the end, with the places of the data by port; None when it succeeded."""
        directory = self._emulator.state.work / self.run_id
        try:
            return await self._execute(directory, inputs, outputs)
        except ApiError as error:
            return StepFailure(error.code, error.message)
        except OSError as error:
            fault = storage_faults.of_files(error, f"the files of step '{self._step.name}'", directory.parent)
            if fault is None:
                raise
            return StepFailure(fault.code, fault.message)
        finally:
            await asyncio.to_thread(shutil.rmtree, directory, ignore_errors=True)

    async def _execute(
        self, directory: Path, inputs: dict[str, Document], outputs: dict[str, Document]
    ) -> StepFailure | None:
        command = await asyncio.to_thread(self._prepare, directory, inputs, outputs)
        history.set_status(self._emulator.store, self._workspace, self.run_id, "Running")
        if self._cancel.is_set():
            return StepFailure("Canceled", "The run was canceled before the step started.")
        self._process = self._launcher.launch(command)
        if self._cancel.is_set():
            await self._process.terminate()
        limit = arguments.time_limit(self._step)
        code: int | None = None
        try:
            code = await asyncio.wait_for(self._process.wait(), limit)
        except TimeoutError:
            await self._process.terminate()
        finally:
            await asyncio.to_thread(self._emulator.redactor.end, command.log)
        await asyncio.to_thread(self._collect, directory)
        if code is None and not self._cancel.is_set():
            return StepFailure("UserError", f"The step '{self._step.name}' timed out after {limit:g} s.")
        return self._judge(code or 0, command.log)

    def _prepare(
        self, directory: Path, input_places: dict[str, Document], output_places: dict[str, Document]
    ) -> StepCommand:
        step, emulator = self._step, self._emulator
        directory.mkdir(parents=True)
        snapshots.extract(emulator.store, emulator.files, self._workspace, step.module["StorageId"], directory)
        program = _program(step, directory)
        spots = Spots(directory, step)
        inputs = place_inputs(emulator.store, emulator.files, self._workspace, input_places, spots)
        outputs = link_outputs(emulator.store, emulator.files, self._workspace, output_places, spots)
        run = emulator.store.require(self._workspace.id, "run", self.run_id)
        log = artifact_file(emulator.files, self._workspace, run, DRIVER_LOG)
        log.parent.mkdir(parents=True, exist_ok=True)
        log.touch(mode=0o600)
        environment = step.run_configuration.get("environment") or {}
        sentences = differences(environment)
        warn(emulator.store, emulator.files, self._workspace, self.run_id, sentences, log=DRIVER_LOG)
        words = arguments.command_line(step, {**inputs, **outputs})
        definition = {
            **program,
            "arguments": words,
            "target": step.parameters.get("Target"),
            "environment": {"name": environment.get("name"), "version": environment.get("version")},
        }
        emulator.store.update(self._workspace.id, "run", self.run_id, lambda r: r.update(runDefinition=definition))
        variables = self._variables(run, inputs, outputs)
        emulator.redactor.begin(log)
        return StepCommand(program, words, directory, variables, log)

    def _variables(self, run: Document, inputs: dict[str, str], outputs: dict[str, str]) -> Mapping[str, str]:
        token, expiry = self._emulator.tokens.bearer(Principal("run", self._workspace.id, self.run_id))
        identity = arguments.RunIdentity(
            self._workspace,
            self._place.experiment_name,
            run["experimentId"],
            self.run_id,
            self._place.root_run_id,
            token,
            expiry,
        )
        return {
            **base_variables(self._emulator.state, self._emulator.info),
            **arguments.data_variables(self._step, inputs, outputs),
            **arguments.run_variables(identity, self._emulator.addresses.http),
        }

    def _collect(self, directory: Path) -> None:
        """Move what the script left in outputs/ and logs/ to the run's artifacts, whatever its exit code.

        Links are left alone: what they lead to is not the run's, and moving it would take it from its owner.
        """
        run = self._emulator.store.require(self._workspace.id, "run", self.run_id)
        for folder in COLLECTED:
            top = directory / folder
            for path in [] if top.is_symlink() else sorted(top.rglob("*")):
                if path.is_file() and not path.is_symlink():
                    if folder != "outputs":
                        self._emulator.redactor.scrub(path)
                    name = path.relative_to(directory).as_posix()
                    target = artifact_file(self._emulator.files, self._workspace, run, name)
                    target.parent.mkdir(parents=True, exist_ok=True)
                    path.replace(target)

    def _judge(self, code: int, log: Path) -> StepFailure | None:
        if self._cancel.is_set():
            return StepFailure("Canceled", "The run was canceled.")
        if code == 0:
            return None
        if code == EOF_CODE:
            return StepFailure("ServiceError", "The process that runs steps was lost.")
        shown = f"exit code {code}" if code > 0 else f"killed by signal {-code}"
        tail = last_lines(log, LOG_TAIL_LINES, LOG_TAIL_BYTES)
        return StepFailure("UserError", f"User program failed: step '{self._step.name}', {shown}.\n{tail}")
