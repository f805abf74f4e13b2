"""Brings web services up, watches them, and keeps their documents and operations true.

All of it runs in the server's event loop. Planes call `deploy`, `end` and `wait_for` and never touch a process.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import shutil
import socket
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from local_azure.machine_learning.clock import new_id, utc_now
from local_azure.machine_learning.engines.services.records import Records
from local_azure.machine_learning.engines.services.release import ReleaseError, ServiceFolder, prepare
from local_azure.machine_learning.errors import ApiError
from local_azure.machine_learning.http.listeners import LOOPBACK, listen
from local_azure.machine_learning.processes.forking import EOF_CODE
from local_azure.machine_learning.processes.forking.client import ChildCommand, ChildProcess, ForkingClient
from local_azure.machine_learning.storage import storage_faults
from local_azure.machine_learning.storage.full_disk import until_kept

if TYPE_CHECKING:
    from local_azure.machine_learning.domain.workspaces import Workspace
    from local_azure.machine_learning.emulator import Emulator

LOG = logging.getLogger("local_azure")
READY_SECONDS = 300
RESTART_PAUSES = (0.1, 0.5, 1.0)  # one a crash; a service that crashes once more within the window has failed
CRASH_WINDOW_SECONDS = 60
CRASH_LINES = 40
RETRY_SECONDS = 0.02
ROOM_SECONDS = 1.0  # between attempts to bring a service back on a full disk
ROOM_BYTES = 1024**2  # with less no process can be blamed for ending: it may have been unable to write its log
# Nothing of azureml_inference_server_http.server itself: it reads the environment when it is imported.
PRELOADED = (
    "gunicorn.arbiter", "gunicorn.workers.gthread", "flask", "pydantic_settings",
    "azure.monitor.opentelemetry.exporter", "opentelemetry.sdk._logs.export", "opentelemetry.sdk.trace.export",
    "inference_schema.schema_util", "numpy", "local_azure.machine_learning.processes.scoring.application",
)  # fmt: skip
PRELOADED_LATER = ("pandas", "sklearn.linear_model", "sklearn.ensemble", "sklearn.pipeline")
# No proxies, no telemetry settings, nothing of the user's shell that a container would not have.
_INHERITED = ("PATH", "LANG", "LC_ALL", "TZ", "PYTHONPATH")
_BACKLOG = 128


class StartError(Exception):
    """A service did not come up; the message is for the user."""


@dataclass
class _Instance:
    """One service while the server runs. Its listener stays open across restarts: callers wait instead of failing."""

    workspace: Workspace
    name: str
    folder: ServiceFolder
    listener: socket.socket
    process: ChildProcess | None = None
    is_up: bool = False  # its worker has answered
    task: asyncio.Task[None] | None = None
    crashes: list[float] = field(default_factory=list)

    @property
    def port(self) -> int:
        return int(self.listener.getsockname()[1])

    @property
    def scoring_uri(self) -> str:
        return f"http://{LOOPBACK}:{self.port}/score"


class ServiceHost:
    """Starts, watches and stops the processes of web services."""

    def __init__(self, emulator: Emulator) -> None:
        self._emulator = emulator
        self._records = Records(emulator.store)
        inherited = {name: os.environ[name] for name in _INHERITED if name in os.environ}
        self._warm = ForkingClient(inherited, PRELOADED, PRELOADED_LATER)
        self._instances: dict[tuple[str, str], _Instance] = {}
        self._finished: dict[str, asyncio.Event] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._publishing = threading.Lock()

    # --- life of the server

    async def start(self) -> None:
        """Listen on the ports of services that were up or coming up, and bring them back in the background."""
        self._loop = asyncio.get_running_loop()
        self._warm.ensure()
        for workspace in self._emulator.workspaces.all():
            for service in self._records.unfinished(workspace.id):
                self._begin(
                    workspace, service["name"], self._records.running_operation(workspace.id, service["name"])
                )

    async def stop(self) -> None:
        """Stop the processes; the services themselves stay registered.

        One that has answered may finish what it is asked; one that is still coming up has nobody to finish for.
        """
        tasks = [instance.task for instance in self._instances.values() if instance.task]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        up = [instance.process for instance in self._instances.values() if instance.process and instance.is_up]
        await asyncio.gather(*(self._warm.stop(process) for process in up))
        await self._warm.close()
        for instance in self._instances.values():
            instance.listener.close()

    # --- what planes call, from any thread

    def folder(self, workspace: Workspace, name: str) -> ServiceFolder:
        """Where the files of a service are."""
        return ServiceFolder(self._emulator.state.services / workspace.id / name)

    def deploy(self, workspace: Workspace, name: str, operation_id: str) -> None:
        """Bring the service's document to life, replacing what runs under its name; returns at once."""
        self._started_loop().call_soon_threadsafe(self._begin, workspace, name, operation_id)

    def end(self, workspace: Workspace, name: str) -> None:
        """Stop a service and remove its files; returns when it has gone."""
        asyncio.run_coroutine_threadsafe(self._end(workspace, name), self._started_loop()).result()

    def publish_keys(self, workspace: Workspace, name: str) -> None:
        """Hand the keys and the authentication switch to the running service, which sees them at once."""
        with self._publishing:
            self.folder(workspace, name).write_keys(self._records.service(workspace.id, name))

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
            listener = _listen(self._records.last_port(workspace.id, name))
            instance = _Instance(workspace, name, self.folder(workspace, name), listener)
            self._instances[key] = instance
        if operation_id:
            self._finished[operation_id] = asyncio.Event()
        before, instance.task = instance.task, None
        instance.task = asyncio.get_running_loop().create_task(self._live(instance, operation_id, before))

    async def _end(self, workspace: Workspace, name: str) -> None:
        instance = self._instances.pop((workspace.id, name), None)
        if instance:
            await _cancelled(instance.task)
            if instance.process:
                await self._warm.stop(instance.process)
            instance.listener.close()
        await asyncio.to_thread(shutil.rmtree, self.folder(workspace, name).root, ignore_errors=True)

    async def _live(self, instance: _Instance, operation_id: str | None, before: asyncio.Task[None] | None) -> None:
        """The whole life of one release: deploy, then watch."""
        await _cancelled(before)
        try:
            launch = await self._deploy(instance, operation_id)
            alive = launch is not None
            while launch and alive and instance.process:
                code = await asyncio.shield(instance.process.ended)
                alive = await self._restart(instance, launch, code)
        except asyncio.CancelledError:
            raise
        except Exception as error:
            LOG.exception("the web service %s failed", instance.name)
            await self._fail(instance, operation_id, f"local_azure failed: {error}")

    async def _deploy(self, instance: _Instance, operation_id: str | None) -> ChildCommand | None:
        """Returns None, with the failure recorded, when the service does not come up."""
        try:
            launch = await self._laid_out(instance, operation_id)
            await self._tell(instance, operation_id, "Starting the service.")
            await self._bring_up(instance, operation_id, launch)
        except (ReleaseError, StartError) as failure:
            await self._fail(instance, operation_id, str(failure))
            return None
        instance.folder.remove_releases(keep=launch.directory)
        await until_kept(
            lambda: self._records.succeed(instance.workspace.id, instance.name, operation_id, instance.scoring_uri)
        )
        self._finish(operation_id)
        return launch

    async def _laid_out(self, instance: _Instance, operation_id: str | None) -> ChildCommand:
        """Lay out the files of a service; one that comes back waits until there is room for them."""
        told = False
        while True:
            try:
                return await self._prepare(instance, operation_id)
            except (OSError, ApiError) as error:
                if not storage_faults.is_full(error):
                    raise
            answer = storage_faults.insufficient(f"the web service '{instance.name}'", instance.folder.root.parent)
            instance.folder.remove_releases()  # also the half of one that did not fit
            if operation_id:
                raise ReleaseError(answer.message)
            if not told:
                await self._tell_of_delay(instance, answer)
            told = True
            await asyncio.sleep(ROOM_SECONDS)

    async def _prepare(self, instance: _Instance, operation_id: str | None) -> ChildCommand:
        service = await asyncio.to_thread(self._records.service, instance.workspace.id, instance.name)
        number = (operation_id or new_id())[:8]
        await self._tell(instance, operation_id, "Preparing the files of the service.")
        launch = await asyncio.to_thread(
            prepare, self._emulator, instance.workspace, service, instance.folder, number
        )
        if instance.process:
            await self._warm.stop(instance.process)
        await asyncio.to_thread(self.publish_keys, instance.workspace, instance.name)
        instance.folder.clear_log()
        return launch

    async def _tell_of_delay(self, instance: _Instance, answer: ApiError) -> None:
        """Say, in the log and in the service's document where that has room, why the service is not back yet."""
        LOG.warning("the web service %s waits: %s", instance.name, answer.message)
        message = f"{answer.message} The service comes back by itself then."
        with contextlib.suppress(ApiError):
            await asyncio.to_thread(
                self._records.delay, instance.workspace.id, instance.name, code=answer.code, message=message
            )

    async def _bring_up(self, instance: _Instance, operation_id: str | None, launch: ChildCommand) -> None:
        """Start the process; a service that comes back is started again as one that has crashed."""
        try:
            await self._start_process(instance, launch)
        except StartError:
            if not await self._again(instance, launch, returns=operation_id is None):
                raise

    async def _start_process(self, instance: _Instance, launch: ChildCommand) -> None:
        """Start a process and wait until its worker answers; the listening socket holds our request until then."""
        instance.is_up = False
        process = instance.process = self._warm.start(launch, instance.listener)
        probe = asyncio.create_task(_answers(instance.port))
        events: set[asyncio.Future[Any]] = {probe, process.ended}
        try:
            await asyncio.wait(events, timeout=READY_SECONDS, return_when=asyncio.FIRST_COMPLETED)
            if process.ended.done():
                raise StartError(_crash_text(process.ended.result()))
            if not probe.done():
                raise StartError(f"The service did not answer within {READY_SECONDS} s.")
            instance.is_up = True
        finally:
            probe.cancel()

    async def _restart(self, instance: _Instance, launch: ChildCommand, code: int) -> bool:
        """Start a service again that ended by itself; False, with the failure recorded, when it keeps ending."""
        LOG.warning("the web service %s ended by itself (code %s); starting it again", instance.name, code)
        if await self._again(instance, launch):
            return True
        await self._fail(instance, None, f"{_crash_text(code)} Starting it again did not help.")
        return False

    async def _again(self, instance: _Instance, launch: ChildCommand, *, returns: bool = True) -> bool:
        """Start a process in place of one that ended; False when it has ended too often.

        A process that was lost with its parent, or that may have been unable to write, is started again without a
        limit. returns: whether the service has been up before; a new one gets no other attempts.
        """
        while instance.process:
            code = await self._warm.stop(instance.process)
            is_blamed = code != EOF_CODE and storage_faults.free_bytes(instance.folder.root) >= ROOM_BYTES
            now = asyncio.get_running_loop().time()
            instance.crashes = [moment for moment in instance.crashes if now - moment < CRASH_WINDOW_SECONDS]
            if is_blamed and (not returns or len(instance.crashes) == len(RESTART_PAUSES)):
                return False
            await asyncio.sleep(RESTART_PAUSES[min(len(instance.crashes), len(RESTART_PAUSES) - 1)])
            if is_blamed:
                instance.crashes.append(now)
            with contextlib.suppress(StartError):
                await self._start_process(instance, launch)
                return True
        return False

    async def _tell(self, instance: _Instance, operation_id: str | None, line: str) -> None:
        if operation_id:
            moment = utc_now().strftime("%Y%m%d%H%M%S")
            await asyncio.to_thread(self._records.add_line, instance.workspace.id, operation_id, f"{moment}|{line}")

    async def _fail(self, instance: _Instance, operation_id: str | None, message: str) -> None:
        self._instances.pop((instance.workspace.id, instance.name), None)
        if instance.process:
            await self._warm.stop(instance.process)
        instance.listener.close()
        log = await asyncio.to_thread(self._crash_log, instance)
        await until_kept(
            lambda: self._records.fail(instance.workspace.id, instance.name, operation_id, message=message, log=log)
        )
        self._finish(operation_id)

    def _crash_log(self, instance: _Instance) -> str:
        return self._emulator.redactor.text(instance.folder.read_log(CRASH_LINES))

    def _finish(self, operation_id: str | None) -> None:
        event = self._finished.pop(operation_id or "", None)
        if event:
            event.set()


def _crash_text(code: int) -> str:
    how = f"exit code {code}" if code >= 0 else f"signal {-code}"
    return (
        f"Your container application crashed ({how}). This may be caused by errors in your scoring file's init() "
        "function. Its log says more: service.get_logs()."
    )


async def _cancelled(task: asyncio.Task[None] | None) -> None:
    if task:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def _listen(remembered: int) -> socket.socket:
    """On the remembered port where it is still free, else on any."""
    listener = listen((remembered, 0), _BACKLOG)
    if listener is None:
        raise OSError(f"There is no free port on {LOOPBACK}.")
    return listener


async def _answers(port: int) -> None:
    """Return when the service answers `GET /` with 200; a worker that dies meanwhile is asked again."""
    status = b""
    while b" 200 " not in status:
        with contextlib.suppress(OSError):
            reader, writer = await asyncio.open_connection(LOOPBACK, port)
            try:
                writer.write(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
                status = await reader.readline()
            finally:
                writer.close()
        if not status:
            await asyncio.sleep(RETRY_SECONDS)
