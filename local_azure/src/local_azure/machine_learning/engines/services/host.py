"""Brings web services up, watches them, and keeps their documents and operations true.

All of it runs in the server's event loop; what waits for the disk runs in threads. Planes call `deploy`, `end` and
`wait_for` and never touch a process.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import shutil
import threading
from pathlib import Path

from local_azure.machine_learning.clock import new_id, utc_now
from local_azure.machine_learning.domain.serving import operations, services
from local_azure.machine_learning.domain.workspace.redaction import Redactor
from local_azure.machine_learning.domain.workspace.workspaces import Workspace, Workspaces
from local_azure.machine_learning.engines.services.folder import DeploymentError, ServiceFolder
from local_azure.machine_learning.engines.services.instance import Instance
from local_azure.machine_learning.engines.services.release import prepare
from local_azure.machine_learning.errors import ApiError
from local_azure.machine_learning.processes.forking.client import ChildCommand, ForkingClient
from local_azure.machine_learning.storage import storage_faults
from local_azure.machine_learning.storage.files import BlobFiles
from local_azure.machine_learning.storage.storage_faults import until_kept
from local_azure.machine_learning.storage.store import Document, Store

LOG = logging.getLogger("local_azure")
CRASH_LINES = 40
ROOM_SECONDS = 1.0  # between attempts to bring a service back on a full disk
# Nothing of azureml_inference_server_http.server itself: it reads the environment when it is imported.
PRELOADED = (
    "gunicorn.arbiter", "gunicorn.workers.gthread", "flask", "pydantic_settings",
    "azure.monitor.opentelemetry.exporter", "opentelemetry.sdk._logs.export", "opentelemetry.sdk.trace.export",
    "inference_schema.schema_util", "numpy", "local_azure.machine_learning.processes.scoring.application",
)  # fmt: skip
PRELOADED_LATER = ("pandas", "sklearn.linear_model", "sklearn.ensemble", "sklearn.pipeline")
# No proxies, no telemetry settings, nothing of the user's shell that a container would not have.
_INHERITED = ("PATH", "LANG", "LC_ALL", "TZ", "PYTHONPATH")


class ServiceHost:
    """Starts, watches and stops the processes of web services. folder: where their files are."""

    def __init__(
        self, store: Store, files: BlobFiles, workspaces: Workspaces, redactor: Redactor, folder: Path
    ) -> None:
        self._store = store
        self._files = files
        self._workspaces = workspaces
        self._redactor = redactor
        self._folder = folder
        inherited = {name: os.environ[name] for name in _INHERITED if name in os.environ}
        self._fork_server = ForkingClient(inherited, PRELOADED, PRELOADED_LATER)
        self._instances: dict[tuple[str, str], Instance] = {}
        self._finished: dict[str, asyncio.Event] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._publishing = threading.Lock()

    # --- life of the server

    async def start(self) -> None:
        """Listen on the ports of services that were up or coming up, and bring them back in the background."""
        self._loop = asyncio.get_running_loop()
        for workspace in self._workspaces.all():
            for service in services.unfinished(self._store, workspace):
                self._bring_back(workspace, service)

    def _bring_back(self, workspace: Workspace, service: Document) -> None:
        """Begin with one service; a broken document is reported and keeps no other service from coming back."""
        try:
            name = service["name"]
            self._begin(workspace, name, operations.running(self._store, workspace, name))
        except Exception:
            LOG.exception("the web service %s cannot be brought back", service.get("name"))

    async def stop(self) -> None:
        """Stop the processes; the services themselves stay registered."""
        tasks = [instance.task for instance in self._instances.values() if instance.task]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.gather(*(instance.stop_after_requests() for instance in self._instances.values()))
        await self._fork_server.close()
        for instance in self._instances.values():
            instance.close()

    # --- what planes call, from any thread

    def folder(self, workspace: Workspace, name: str) -> ServiceFolder:
        """Where the files of a service are."""
        return ServiceFolder(self._folder / workspace.id / name)

    def prepare(self) -> None:
        """Import what services import before one is deployed; returns at once."""
        self._started_loop().call_soon_threadsafe(self._fork_server.prepare)

    def deploy(self, workspace: Workspace, name: str, operation_id: str) -> None:
        """Bring the service's document to life, replacing what runs under its name; returns at once."""
        self._started_loop().call_soon_threadsafe(self._begin, workspace, name, operation_id)

    def end(self, workspace: Workspace, name: str) -> None:
        """Stop a service and remove its files; returns when it has gone."""
        asyncio.run_coroutine_threadsafe(self._end(workspace, name), self._started_loop()).result()

    def publish_keys(self, workspace: Workspace, name: str) -> None:
        """Hand the keys and the authentication switch to the running service, which sees them at once."""
        with self._publishing:
            self.folder(workspace, name).write_keys(services.require(self._store, workspace, name))

    async def wait_for(self, operation_id: str, seconds: float) -> None:
        """Return when an operation has finished, or after that time."""
        event = self._finished.get(operation_id)
        if event:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(event.wait(), seconds)

    def _started_loop(self) -> asyncio.AbstractEventLoop:
        if self._loop is None:
            raise RuntimeError("The host of the web services has not been started.")
        return self._loop

    # --- one service

    def _begin(self, workspace: Workspace, name: str, operation_id: str | None) -> None:
        key = (workspace.id, name)
        instance = self._instances.get(key)
        if instance is None:
            port = services.last_port(self._store, workspace, name)
            instance = Instance(self._fork_server, workspace, name, self.folder(workspace, name), port)
            self._instances[key] = instance
        if operation_id:
            self._finished[operation_id] = asyncio.Event()
        before = instance.task
        instance.task = asyncio.get_running_loop().create_task(self._live(instance, operation_id, before))

    async def _end(self, workspace: Workspace, name: str) -> None:
        instance = self._instances.pop((workspace.id, name), None)
        if instance:
            await _cancelled(instance.task)
            await instance.stop_process()
            instance.close()
        await asyncio.to_thread(shutil.rmtree, self.folder(workspace, name).root, ignore_errors=True)

    async def _live(self, instance: Instance, operation_id: str | None, before: asyncio.Task[None] | None) -> None:
        """The whole life of one release: deploy, then watch."""
        await _cancelled(before)
        try:
            await instance.take_port()
            launch = await self._deploy(instance, operation_id)
            operation_id = None  # it has succeeded, whatever becomes of the service
            await instance.keep_alive(launch)
        except DeploymentError as failure:
            await self._fail(instance, operation_id, str(failure))
        except Exception as error:
            LOG.exception("the web service %s failed", instance.name)
            await self._fail(instance, operation_id, f"local_azure failed: {error}")

    async def _deploy(self, instance: Instance, operation_id: str | None) -> ChildCommand:
        """Lay out the files and start the process; raises DeploymentError when the service does not start."""
        if operation_id:
            launch = await self._lay_out_new(instance, operation_id)
        else:
            launch = await self._lay_out_again(instance)
        await instance.bring_up(launch, returns=operation_id is None)
        await asyncio.to_thread(instance.folder.remove_releases, keep=launch.directory)
        await until_kept(
            lambda: services.succeed(
                self._store, instance.workspace, instance.name, operation_id, instance.scoring_uri
            )
        )
        self._finish(operation_id)
        return launch

    async def _lay_out_new(self, instance: Instance, operation_id: str) -> ChildCommand:
        """Lay out the files of a deployment; raises DeploymentError, also where there is no room for them."""
        await self._tell(instance, operation_id, "Preparing the files of the service.")
        try:
            launch = await self._lay_out(instance, operation_id[:8])
        except (OSError, ApiError) as error:
            if not storage_faults.is_full(error):
                raise
            raise DeploymentError(await asyncio.to_thread(self._without_room, instance)) from error
        await self._tell(instance, operation_id, "Starting the service.")
        return launch

    async def _lay_out_again(self, instance: Instance) -> ChildCommand:
        """Lay out the files of a service that comes back; wait until there is room for them."""
        is_told = False
        while True:
            try:
                return await self._lay_out(instance, new_id()[:8])
            except (OSError, ApiError) as error:
                if not storage_faults.is_full(error):
                    raise
            reason = await asyncio.to_thread(self._without_room, instance)
            if not is_told:
                LOG.warning("the web service %s waits: %s", instance.name, reason)
                with contextlib.suppress(ApiError):
                    await asyncio.to_thread(self._record_delay, instance, reason)
            is_told = True
            await asyncio.sleep(ROOM_SECONDS)

    async def _lay_out(self, instance: Instance, number: str) -> ChildCommand:
        launch = await asyncio.to_thread(self._prepare, instance, number)
        await instance.stop_process()
        await asyncio.to_thread(self._clear, instance)
        return launch

    def _without_room(self, instance: Instance) -> str:
        """Remove the half of a release that did not fit, and return the sentence for the user."""
        answer = storage_faults.insufficient(f"the web service '{instance.name}'", instance.folder.root.parent)
        instance.folder.remove_releases()
        return answer.message

    def _record_delay(self, instance: Instance, reason: str) -> None:
        message = f"{reason} The service comes back by itself then."
        services.delay(self._store, instance.workspace, instance.name, message)

    def _prepare(self, instance: Instance, number: str) -> ChildCommand:
        service = services.require(self._store, instance.workspace, instance.name)
        return prepare(self._store, self._files, instance.workspace, service, instance.folder, number=number)

    def _clear(self, instance: Instance) -> None:
        """Keys and an empty log for the process that is about to start."""
        self.publish_keys(instance.workspace, instance.name)
        instance.folder.clear_log()

    async def _fail(self, instance: Instance, operation_id: str | None, message: str) -> None:
        self._instances.pop((instance.workspace.id, instance.name), None)
        await instance.stop_process()
        instance.close()
        await until_kept(lambda: self._record_failure(instance, operation_id, message))
        self._finish(operation_id)

    def _record_failure(self, instance: Instance, operation_id: str | None, message: str) -> None:
        log = self._redactor.text(instance.folder.read_log(CRASH_LINES))
        services.fail(self._store, instance.workspace, instance.name, operation_id, message=message, log=log)

    async def _tell(self, instance: Instance, operation_id: str | None, line: str) -> None:
        if operation_id:
            moment = utc_now().strftime("%Y%m%d%H%M%S")
            await asyncio.to_thread(
                operations.add_line, self._store, instance.workspace, operation_id, f"{moment}|{line}"
            )

    def _finish(self, operation_id: str | None) -> None:
        event = self._finished.pop(operation_id or "", None)
        if event:
            event.set()


async def _cancelled(task: asyncio.Task[None] | None) -> None:
    if task:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
