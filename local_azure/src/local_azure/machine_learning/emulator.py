"""Everything that handlers share: one object a server process."""

from __future__ import annotations

from local_azure.machine_learning.domain.access.addresses import Addresses, SignedAddresses
from local_azure.machine_learning.domain.access.tokens import Tokens
from local_azure.machine_learning.domain.redaction import Redactor
from local_azure.machine_learning.domain.workspaces import (
    PRODUCTION_NAME,
    RESOURCE_GROUP,
    SUBSCRIPTION,
    WORKSPACE_NAME,
    Workspaces,
)
from local_azure.machine_learning.engines.schedules.scheduler import Scheduler
from local_azure.machine_learning.engines.services.host import ServiceHost
from local_azure.machine_learning.engines.steps.executor import Executor
from local_azure.machine_learning.engines.steps.launcher import Launcher, base_variables
from local_azure.machine_learning.storage.files import BlobFiles
from local_azure.machine_learning.storage.state import ServerInfo, StateFolder
from local_azure.machine_learning.storage.store import Store


class Emulator:
    """Store, files, tokens and the engines (executor of steps, scheduler, host of web services)."""

    def __init__(self, state: StateFolder, info: ServerInfo, schedule_speed: float = 1.0) -> None:
        self.state = state
        self.info = info
        self.addresses = Addresses(info.http_port, info.tls_port)
        self.store = Store(state.database)
        self.files = BlobFiles(state.blobs)
        self.tokens = Tokens()
        self.signed = SignedAddresses(self.addresses, self.tokens)
        self.workspaces = Workspaces(self.store)
        self.redactor = Redactor(self.store, self.workspaces, info.token)
        for name in (WORKSPACE_NAME, PRODUCTION_NAME):
            self.workspaces.ensure(SUBSCRIPTION, RESOURCE_GROUP, name)
        self.executor = Executor(
            store=self.store,
            files=self.files,
            workspaces=self.workspaces,
            redactor=self.redactor,
            tokens=self.tokens,
            addresses=self.addresses,
            launcher=Launcher(base_variables(state, info)),
            work=state.work,
        )
        self.scheduler = Scheduler(
            self.store, self.files, self.workspaces, self.executor.submit, speed=schedule_speed
        )
        self.services = ServiceHost(self.store, self.files, self.workspaces, self.redactor, state.services)

    def provided(self) -> tuple[object, ...]:
        """What route handlers may declare, one object a class."""
        return (
            self.store, self.files, self.tokens, self.addresses, self.signed, self.workspaces, self.redactor,
            self.info, self.executor, self.scheduler, self.services,
        )  # fmt: skip

    async def start(self) -> None:
        """Start the engines; they first set right what a killed server left behind."""
        await self.executor.start()
        await self.services.start()
        await self.scheduler.start()

    async def stop(self) -> None:
        """Stop steps and services and close the store."""
        await self.scheduler.stop()
        await self.services.stop()
        await self.executor.stop()
        self.store.close()
