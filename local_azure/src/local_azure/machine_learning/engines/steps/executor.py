"""Starts and cancels all pipeline and script runs of a server, and recovers them after a kill."""

from __future__ import annotations

import asyncio
import logging
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path

from local_azure.machine_learning.domain.access.addresses import Addresses
from local_azure.machine_learning.domain.pipelines import pipeline_runs, script_runs
from local_azure.machine_learning.domain.runs import run_records
from local_azure.machine_learning.domain.workspace.redaction import Redactor
from local_azure.machine_learning.domain.workspace.workspaces import Workspace, Workspaces
from local_azure.machine_learning.engines.steps.job import MakeJob
from local_azure.machine_learning.engines.steps.launcher import Launcher
from local_azure.machine_learning.engines.steps.pipeline_run import PipelineRunTask
from local_azure.machine_learning.engines.steps.run_log import scrub_logs
from local_azure.machine_learning.engines.steps.script_run import ScriptRunTask
from local_azure.machine_learning.engines.steps.step_run import StepRun
from local_azure.machine_learning.storage.files import BlobFiles
from local_azure.machine_learning.storage.store import Document, Store

LOG = logging.getLogger("local_azure")
STOP_SECONDS = 10
# How long a start waits for recovery: removing secrets from the logs of cut-off runs takes a second per 28 MB.
RECOVERY_SECONDS = 5.0
SERVER_LOST = "The server was stopped while this run was in progress."


class Executor:
    """All runs of a server; belongs to the event loop in which it is created. work: folder of the running steps."""

    def __init__(
        self,
        *,
        store: Store,
        files: BlobFiles,
        workspaces: Workspaces,
        redactor: Redactor,
        addresses: Addresses,
        launcher: Launcher,
        make_job: MakeJob,
        work: Path,
    ) -> None:
        self._store = store
        self._files = files
        self._workspaces = workspaces
        self._redactor = redactor
        self._addresses = addresses
        self._launcher = launcher
        self._make_job = make_job
        self._work = work
        self._runs: dict[str, PipelineRunTask | ScriptRunTask] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._loop = asyncio.get_running_loop()

    async def start(self) -> None:
        """Fail the runs that a killed server cut off and start those that were only queued."""
        left_open = await asyncio.to_thread(self._left_open)
        recovery = asyncio.create_task(asyncio.to_thread(self._recover, left_open))
        self._tasks.add(recovery)
        recovery.add_done_callback(self._tasks.discard)
        await asyncio.wait({recovery}, timeout=RECOVERY_SECONDS)

    async def stop(self) -> None:
        """End running steps; their runs are failed with the reason, not left open."""
        await self._launcher.stop()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=STOP_SECONDS)

    # What planes and the scheduler call, from any thread.

    def prepare(self) -> None:
        """Import what steps import before one is submitted; returns at once."""
        self._loop.call_soon_threadsafe(self._launcher.prepare)

    def submit(self, workspace: Workspace, run_id: str) -> None:
        """Start a pipeline run that is in the store."""
        run = pipeline_runs.require(self._store, workspace.id, run_id)
        self._start_pipeline(workspace, run)

    def submit_script(self, workspace: Workspace, run_id: str) -> None:
        """Start a run of one script that is in the store."""
        document = script_runs.require(self._store, workspace.id, run_id)
        self._start_script(workspace, document)

    def cancel(self, run_id: str) -> None:
        """Cancel a run, or one step of a run, if it is in progress.

        A step that is canceled counts as one that failed (assumed).
        """
        self._loop.call_soon_threadsafe(self._cancel_now, run_id)

    def _start_pipeline(self, workspace: Workspace, run: Document) -> None:
        task = PipelineRunTask(
            store=self._store,
            files=self._files,
            addresses=self._addresses,
            make_job=self._make_job,
            workspace=workspace,
            run=run,
        )
        self._loop.call_soon_threadsafe(self._go, run["Id"], task)

    def _start_script(self, workspace: Workspace, document: Document) -> None:
        root = run_records.require(self._store, workspace.id, document["runId"])["rootRunId"]
        task = ScriptRunTask(self._store, self._make_job, workspace, document, root)
        self._loop.call_soon_threadsafe(self._go, document["runId"], task)

    # In the event loop.

    def _go(self, run_id: str, run: PipelineRunTask | ScriptRunTask) -> None:
        self._runs[run_id] = run
        task = asyncio.create_task(run.run())
        self._tasks.add(task)

        def ended(finished: asyncio.Task[None]) -> None:
            self._tasks.discard(finished)
            self._runs.pop(run_id, None)

        task.add_done_callback(ended)

    def _cancel_now(self, run_id: str) -> None:
        active = self._runs.get(run_id) or self._step_of(run_id)
        if active is not None:
            task = asyncio.create_task(active.cancel())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    def _step_of(self, run_id: str) -> StepRun | None:
        pipelines = [run for run in self._runs.values() if isinstance(run, PipelineRunTask)]
        return next(filter(None, (pipeline.step_of(run_id) for pipeline in pipelines)), None)

    # After a start.

    def _left_open(self) -> list[Callable[[], None]]:
        """Return a recovery call for each run that the last server left open; later runs are not among them."""
        for left_over in self._work.iterdir():
            shutil.rmtree(left_over, ignore_errors=True)
        recover = self._recover_one
        found: list[Callable[[], None]] = []
        for workspace in self._workspaces.all():
            for run in pipeline_runs.open_runs(self._store, workspace.id):
                found.append(partial(recover, self._recover_pipeline, pipeline_runs.close_broken, workspace, run))
            for document in script_runs.open_runs(self._store, workspace.id):
                found.append(partial(recover, self._recover_script, script_runs.close_broken, workspace, document))
        return found

    def _recover(self, left_open: list[Callable[[], None]]) -> None:
        for recover in left_open:
            recover()

    def _recover_one(
        self,
        recover: Callable[[Workspace, Document], None],
        close: Callable[[Store, str, Document, str], None],
        workspace: Workspace,
        document: Document,
    ) -> None:
        """Recover one run; a broken one is logged and closed, so that the others are still recovered."""
        try:
            recover(workspace, document)
        except Exception:
            LOG.exception("run %s of workspace %s cannot be recovered; it is closed", _id(document), workspace.name)
            try:
                close(self._store, workspace.id, document, SERVER_LOST)
            except Exception:
                LOG.exception("run %s cannot be closed; the next start tries again", _id(document))

    def _scrub(self, workspace: Workspace, run_id: str) -> None:
        """Remove secrets from the logs of a run; a failure is logged."""
        try:
            scrub_logs(self._store, self._files, self._redactor, workspace, run_id)
        except Exception:
            LOG.exception("the logs of run %s cannot be cleaned", run_id)

    def _recover_pipeline(self, workspace: Workspace, run: Document) -> None:
        if not pipeline_runs.is_running(run):
            self._start_pipeline(workspace, run)
            return
        self._scrub(workspace, run["Id"])
        pipeline_runs.fail_cut_off(self._store, workspace.id, run, SERVER_LOST)

    def _recover_script(self, workspace: Workspace, document: Document) -> None:
        if script_runs.is_queued(self._store, workspace.id, document):
            self._start_script(workspace, document)
            return
        self._scrub(workspace, document["runId"])
        script_runs.fail_cut_off(self._store, workspace.id, document, SERVER_LOST)


def _id(document: Document) -> object:
    return document.get("Id") or document.get("runId")
