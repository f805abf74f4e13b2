"""The process of one step: its folder, its data, its log, and how it ended."""

from __future__ import annotations

import asyncio
import logging
import shutil
from collections.abc import Callable
from pathlib import Path

from local_azure.machine_learning.domain.access.addresses import Addresses
from local_azure.machine_learning.domain.access.sign_in import SignInSecrets
from local_azure.machine_learning.domain.access.tokens import Principal, Tokens
from local_azure.machine_learning.domain.data import snapshots
from local_azure.machine_learning.domain.pipelines.modules import PARALLEL
from local_azure.machine_learning.domain.pipelines.plan import Step
from local_azure.machine_learning.domain.runs import run_records
from local_azure.machine_learning.domain.runs.run_documents import Failure, Run
from local_azure.machine_learning.domain.runs.run_files import DRIVER_LOG, warn
from local_azure.machine_learning.domain.runs.statuses import RunStatus
from local_azure.machine_learning.domain.workspace import environments
from local_azure.machine_learning.domain.workspace.environment_check import differences
from local_azure.machine_learning.domain.workspace.redaction import Redactor, last_lines
from local_azure.machine_learning.engines.steps import arguments, run_log
from local_azure.machine_learning.engines.steps.arguments import RunIdentity
from local_azure.machine_learning.engines.steps.data_locations import Locations
from local_azure.machine_learning.engines.steps.launcher import ENTRY, PARALLEL_ENTRY, Launcher
from local_azure.machine_learning.engines.steps.mounts import Mounts
from local_azure.machine_learning.errors import ApiError, bad_request
from local_azure.machine_learning.processes.forking import EOF_CODE
from local_azure.machine_learning.processes.forking.client import ChildCommand, ChildProcess
from local_azure.machine_learning.storage import storage_faults
from local_azure.machine_learning.storage.files import BlobFiles
from local_azure.machine_learning.storage.store import Document, Store

LOG = logging.getLogger("local_azure")
MakeJob = Callable[[RunIdentity, Step], "Job"]


def failure_of(error: Exception, run_id: str, what: str) -> Failure:
    """Tell the user why a run (what: step, script or pipeline) failed; a fault of this program is logged."""
    if isinstance(error, ApiError):
        return Failure(error.code, error.message)
    LOG.error("%s run %s broke", what, run_id, exc_info=error)
    return Failure("ServiceError", f"local_azure failed while it ran this {what}; see its log.")


def _program(step: Step, directory: Path) -> dict[str, str]:
    """Return what a step runs; raises a 400 for a script that its snapshot does not have."""
    if step.module.get("StepType") == PARALLEL:
        return {"parallel": step.name}
    command, script = step.parameters.get("Command"), step.parameters.get("Script")
    if command:
        return {"command": command}
    if not script:
        raise bad_request(f"Step '{step.name}' names no script.")
    if not (directory / script).is_file():
        raise bad_request(f"Step '{step.name}': its snapshot has no file '{script}'.")
    return {"script": script}


class Job:
    """Runs the script of one step; `cancel` may come at any moment.

    work: folder of the running steps. is_canceled: whether `cancel` was called.
    """

    def __init__(
        self,
        identity: RunIdentity,
        step: Step,
        *,
        store: Store,
        files: BlobFiles,
        redactor: Redactor,
        tokens: Tokens,
        sign_in: SignInSecrets,
        addresses: Addresses,
        launcher: Launcher,
        work: Path,
    ) -> None:
        self._store = store
        self._files = files
        self._redactor = redactor
        self._tokens = tokens
        self._sign_in = sign_in
        self._secret = ""
        self._addresses = addresses
        self._launcher = launcher
        self._directory = work / identity.run_id
        self._identity = identity
        self._workspace = identity.workspace
        self._step = step
        self._process: ChildProcess | None = None
        self._log: tuple[Path, ...] = ()
        self.is_canceled = False

    async def cancel(self) -> None:
        """End the process group; `execute` then returns."""
        self.is_canceled = True
        if self._process:
            await self._launcher.terminate(self._process)

    async def execute(self, inputs: Locations, outputs: Locations) -> Failure | None:
        """Run to the end; None when the step succeeded. Raises an ApiError where it cannot be run."""
        try:
            return await self._execute(inputs, outputs)
        except OSError as error:
            what = f"the files of step '{self._step.name}'"
            raise storage_faults.of_files(error, what, self._directory.parent) or error from error
        finally:
            await asyncio.to_thread(shutil.rmtree, self._directory, ignore_errors=True)

    async def _execute(self, inputs: Locations, outputs: Locations) -> Failure | None:
        command = await asyncio.to_thread(self._prepare, inputs, outputs)
        try:
            if self.is_canceled:
                return Failure("Canceled", "The run was canceled before the step started.")
            code = await self._run(command)
        finally:
            self._sign_in.revoke(self._secret)
            await asyncio.to_thread(self._redactor.end, self._log)
        return await asyncio.to_thread(self._conclude, code, command.log)

    async def _run(self, command: ChildCommand) -> int | None:
        """Run the process to its end; returns its exit code, None when it timed out."""
        self._process = self._launcher.launch(command)
        try:
            return await asyncio.wait_for(asyncio.shield(self._process.ended), arguments.time_limit(self._step))
        except TimeoutError:
            await self._launcher.terminate(self._process)
            return None

    def _prepare(self, inputs: Locations, outputs: Locations) -> ChildCommand:
        """Lay out folder, data and log, and move the run to running."""
        step, directory = self._step, self._directory
        directory.mkdir(parents=True)
        snapshots.extract(self._store, self._files, self._workspace, step.module["StorageId"], directory)
        program = _program(step, directory)
        mounts = Mounts(self._store, self._files, self._workspace, directory, step)
        read, written = mounts.inputs(inputs), mounts.outputs(outputs)
        run = run_records.require(self._store, self._workspace.id, self._identity.run_id)
        self._log = run_log.create_log(self._files, self._workspace, run)
        environment = step.run_configuration.get("environment") or {}
        warn(self._store, self._files, self._workspace, run["runId"], differences(environment), log=DRIVER_LOG)
        words = arguments.command_line(step, {**read, **written})
        definition: Document = {
            **program,
            "arguments": words,
            "target": step.parameters.get("Target"),
        }
        with self._store.transaction():
            ran = environments.version_that_ran(self._store, self._workspace, environment)
            name, version = ran or (environment.get("name"), environment.get("version"))
            definition["environment"] = {"name": name, "version": version}
            run_records.update(
                self._store, self._workspace.id, run["runId"], lambda r: r.update(runDefinition=definition)
            )
            run_records.set_status(self._store, self._workspace.id, run["runId"], RunStatus.RUNNING)
        variables = self._variables(run, read, written)
        self._redactor.begin(self._log, self._secret)
        entry = PARALLEL_ENTRY if "parallel" in program else ENTRY
        return ChildCommand(entry, directory, self._log[0], variables, {**program, "arguments": words})

    def _variables(self, run: Run, inputs: dict[str, str], outputs: dict[str, str]) -> dict[str, str]:
        itself = Principal("run", self._workspace.id, run["runId"])
        token, expiry = self._tokens.bearer(itself)
        self._secret = self._sign_in.issue(itself)
        return {
            **self._launcher.variables,
            **arguments.data_variables(self._step, inputs, outputs),
            **arguments.run_variables(self._identity, run["experimentId"], token, expiry, self._addresses.http),
            **arguments.sign_in_variables(self._addresses, self._secret),
        }

    def _conclude(self, code: int | None, log: Path) -> Failure | None:
        """Collect the files of the step and tell how it ended. code: of its process, None when it timed out."""
        run = run_records.require(self._store, self._workspace.id, self._identity.run_id)
        run_log.collect_files(self._files, self._redactor, self._workspace, run, self._directory)
        if self.is_canceled:
            return Failure("Canceled", "The run was canceled.")
        if code is None:
            limit = arguments.time_limit(self._step)
            return Failure("UserError", f"The step '{self._step.name}' timed out after {limit:g} s.")
        if code == 0:
            return None
        if code == EOF_CODE:
            return Failure("ServiceError", "The process that runs steps was lost.")
        shown = f"exit code {code}" if code > 0 else f"killed by signal {-code}"
        tail = last_lines(log, run_log.TAIL_LINES, run_log.TAIL_BYTES)
        command = f"python -m local_azure runs log {self._identity.run_id}"
        message = f"User program failed: step '{self._step.name}', {shown}. Its log: {command}\n{tail}"
        return Failure("UserError", message)
