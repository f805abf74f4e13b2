"""Walks submitted graphs: what is ready runs, side by side where it can; what failed stops or is gone around."""

from __future__ import annotations

import asyncio
import logging
import shutil
from typing import TYPE_CHECKING

from local_azure.machine_learning.clock import timestamp
from local_azure.machine_learning.domain.pipelines.graph import Plan, build_plan
from local_azure.machine_learning.domain.workspaces import Workspace
from local_azure.machine_learning.engines.steps.data_places import InputResolver
from local_azure.machine_learning.engines.steps.job import StepFailure, base_variables
from local_azure.machine_learning.engines.steps.launcher import Launcher
from local_azure.machine_learning.engines.steps.run_log import artifact_file
from local_azure.machine_learning.engines.steps.script_run import ScriptRunTask
from local_azure.machine_learning.engines.steps.step_run import FAILED, RUNNING, StepRun
from local_azure.machine_learning.errors import ApiError
from local_azure.machine_learning.planes.pipelines.modules import GRAPH, MODULE
from local_azure.machine_learning.planes.pipelines.runs import (
    CLOSED,
    DRIVER_LOG,
    NODE,
    OPEN,
    PIPELINE_RUN,
    RUN_CANCELED,
    RUN_FAILED,
    RUN_FINISHED,
    RUN_RUNNING,
)
from local_azure.machine_learning.planes.runs import history
from local_azure.machine_learning.planes.runs.execution import SCRIPT_RUN
from local_azure.machine_learning.storage.full_disk import until_kept
from local_azure.machine_learning.storage.store import Document

if TYPE_CHECKING:
    from local_azure.machine_learning.emulator import Emulator

LOG = logging.getLogger("local_azure")
_WORDS = {RUN_FAILED: "Failed", RUN_FINISHED: "Completed", RUN_CANCELED: "Canceled"}
STOP_SECONDS = 10
SOME_FAILED = "Pipeline has some failed steps. See child run or execution logs for more details."
SERVER_LOST = "The server was stopped while this run was going on."


class PipelineRunTask:
    """One pipeline run on its way."""

    def __init__(self, emulator: Emulator, launcher: Launcher, workspace: Workspace, run: Document) -> None:
        self._emulator = emulator
        self._launcher = launcher
        self._workspace = workspace
        self._run = run
        self._canceled = False
        self._steps: dict[str, StepRun] = {}

    async def run(self) -> None:
        """Run to a final status; a fault of the graph fails the run with its sentence."""
        try:
            plan, interface = self._plan()
            self._set_running()
            failed = await self._walk(plan, interface)
            outcome = RUN_CANCELED if self._canceled else RUN_FAILED if failed else RUN_FINISHED
            message = SOME_FAILED if failed else None
        except ApiError as error:
            outcome, message = RUN_FAILED, error.message
        except Exception:
            LOG.exception("pipeline run %s broke", self._run["Id"])
            outcome, message = RUN_FAILED, "local_azure failed while it ran this pipeline; see its log."
        await until_kept(lambda: self._finish(outcome, message))

    async def cancel(self) -> None:
        """Start nothing more and end the running steps; finished ones stay as they are."""
        self._canceled = True
        await asyncio.gather(*(step.cancel() for step in self._steps.values()))

    def step_of(self, run_id: str) -> StepRun | None:
        """The running step that is this run, or None."""
        return next((step for step in self._steps.values() if step.run_id == run_id), None)

    def _plan(self) -> tuple[Plan, Document]:
        store, workspace_id = self._emulator.store, self._workspace.id
        stored = store.require(workspace_id, GRAPH, self._run["GraphId"])
        ids = {node["ModuleId"] for node in stored["graph"].get("ModuleNodes") or []}
        modules = {module_id: store.require(workspace_id, MODULE, module_id) for module_id in ids}
        return build_plan(stored["graph"], modules, self._run["ParameterAssignments"]), stored["interface"]

    def _set_running(self) -> None:
        self._run["Status"]["StatusCode"] = RUN_RUNNING
        with self._emulator.store.transaction():
            self._save(OPEN)
            history.set_status(self._emulator.store, self._workspace, self._run["Id"], "Running")

    def _save(self, openness: str) -> None:
        self._emulator.store.put(
            self._workspace.id,
            PIPELINE_RUN,
            self._run["Id"],
            self._run,
            name=self._run["PipelineId"] or "",
            parent=openness,
        )

    def _finish(self, code: str, message: str | None) -> None:
        self._run["Status"] |= {"StatusCode": code, "StatusDetail": message, "EndTime": timestamp()}
        self._run["HasErrors"] = code == RUN_FAILED
        error: Document | None = None
        if code == RUN_FAILED:
            error = {"error": {"code": "UserError", "message": message, "details": []}}
        with self._emulator.store.transaction():
            self._save(CLOSED)
            history.set_status(self._emulator.store, self._workspace, self._run["Id"], _WORDS[code], error)

    async def _walk(self, plan: Plan, interface: Document) -> bool:
        """Run the steps; True when one of them failed. What waits for a failed step gets no run."""
        inputs = InputResolver(self._emulator, self._workspace, self._run, plan, interface)
        waiting = dict(plan.steps)
        succeeded: set[str] = set()
        running: dict[asyncio.Task[bool], str] = {}
        failed = False
        go_on = self._run.get("ContinueRunOnStepFailure", False)
        while True:
            if not self._canceled and (go_on or not failed):
                for node_id in [n for n, step in waiting.items() if step.waits_for <= succeeded]:
                    step_run = StepRun(self._emulator, self._launcher, inputs, waiting.pop(node_id), self._run)
                    self._steps[node_id] = step_run
                    running[asyncio.create_task(step_run.run())] = node_id
            if not running:
                return failed
            done, _ = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                node_id = running.pop(task)
                del self._steps[node_id]
                if task.result():
                    succeeded.add(node_id)
                else:
                    failed = True


class Executor:
    """All pipeline runs of a server."""

    def __init__(self, emulator: Emulator) -> None:
        self._emulator = emulator
        self._launcher = Launcher(base_variables(emulator.state, emulator.info))
        self._runs: dict[str, PipelineRunTask | ScriptRunTask] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._loop = asyncio.get_running_loop()

    async def start(self) -> None:
        """Fail what a killed server cut off, take up what it had only queued, and warm up."""
        self._launcher.start()
        for left_over in self._emulator.state.work.iterdir():
            shutil.rmtree(left_over, ignore_errors=True)
        for workspace in self._emulator.workspaces.all():
            for run in self._emulator.store.find(workspace.id, PIPELINE_RUN, parent=OPEN):
                if run["Status"]["StatusCode"] == RUN_RUNNING:
                    self._fail_cut_off(workspace, run)
                else:
                    self._begin(workspace, run)
            for document in self._emulator.store.find(workspace.id, SCRIPT_RUN, parent=OPEN):
                script_run = ScriptRunTask(self._emulator, self._launcher, workspace, document)
                if script_run.was_started():
                    self._clean_logs(workspace, document["runId"])
                    history.fail_family(self._emulator.store, workspace, document["runId"], SERVER_LOST)
                    script_run.finish(StepFailure("ServiceError", SERVER_LOST))
                else:
                    self._begin_script(workspace, document)

    async def stop(self) -> None:
        """End running steps; their runs are failed with the reason, not left open."""
        await self._launcher.stop()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=STOP_SECONDS)

    def submit(self, workspace: Workspace, run_id: str) -> None:
        """Take up a run that is in the store; may be called from any thread."""
        run = self._emulator.store.require(workspace.id, PIPELINE_RUN, run_id)
        self._loop.call_soon_threadsafe(self._begin, workspace, run)

    def submit_script(self, workspace: Workspace, run_id: str) -> None:
        """Take up a run of one script that is in the store; may be called from any thread."""
        document = self._emulator.store.require(workspace.id, SCRIPT_RUN, run_id)
        self._loop.call_soon_threadsafe(self._begin_script, workspace, document)

    def cancel(self, run_id: str) -> None:
        """Cancel a run, or one step of a run, if it is going on; may be called from any thread.

        A step that is canceled counts as one that failed (assumed).
        """
        self._loop.call_soon_threadsafe(self._cancel_now, run_id)

    def _begin(self, workspace: Workspace, run: Document) -> None:
        self._go(run["Id"], PipelineRunTask(self._emulator, self._launcher, workspace, run))

    def _begin_script(self, workspace: Workspace, document: Document) -> None:
        self._go(document["runId"], ScriptRunTask(self._emulator, self._launcher, workspace, document))

    def _go(self, run_id: str, task_of_run: PipelineRunTask | ScriptRunTask) -> None:
        self._runs[run_id] = task_of_run
        task = asyncio.create_task(task_of_run.run())
        self._tasks.add(task)

        def ended(finished: asyncio.Task[None]) -> None:
            self._tasks.discard(finished)
            self._runs.pop(run_id, None)

        task.add_done_callback(ended)

    def _cancel_now(self, run_id: str) -> None:
        going_on = self._runs.get(run_id) or self._step_of(run_id)
        if going_on is not None:
            task = asyncio.create_task(going_on.cancel())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    def _step_of(self, run_id: str) -> StepRun | None:
        pipelines = [task for task in self._runs.values() if isinstance(task, PipelineRunTask)]
        return next(filter(None, (pipeline.step_of(run_id) for pipeline in pipelines)), None)

    def _fail_cut_off(self, workspace: Workspace, run: Document) -> None:
        """A run that was going on when its server died: it and its running steps failed, with that reason."""
        store = self._emulator.store
        self._clean_logs(workspace, run["Id"])
        with store.transaction():
            for node in store.find(workspace.id, NODE, parent=run["Id"]):
                if node["StatusCode"] == RUNNING:
                    node |= {"StatusCode": FAILED, "EndTime": timestamp(), "StatusDetail": SERVER_LOST}
                    store.put(workspace.id, NODE, f"{run['Id']}/{node['NodeId']}", node, parent=run["Id"])
            run["Status"] |= {"StatusCode": RUN_FAILED, "StatusDetail": SERVER_LOST, "EndTime": timestamp()}
            run["HasErrors"] = True
            store.put(workspace.id, PIPELINE_RUN, run["Id"], run, name=run["PipelineId"] or "", parent=CLOSED)
            history.fail_family(self._emulator.store, workspace, run["Id"], SERVER_LOST)

    def _clean_logs(self, workspace: Workspace, run_id: str) -> None:
        """No secret stays in the logs of a run that was cut off, and of the runs below it."""
        store = self._emulator.store
        for run in [store.require(workspace.id, "run", run_id), *store.find(workspace.id, "run", parent=run_id)]:
            self._emulator.redactor.scrub(artifact_file(self._emulator.files, workspace, run, DRIVER_LOG))
