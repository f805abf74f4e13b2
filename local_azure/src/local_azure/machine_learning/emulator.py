"""Everything that handlers share: one object a server process."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote

from local_azure.machine_learning.domain.redaction import Redactor
from local_azure.machine_learning.domain.workspaces import (
    PRODUCTION_NAME,
    RESOURCE_GROUP,
    SUBSCRIPTION,
    WORKSPACE_NAME,
    Workspaces,
)
from local_azure.machine_learning.engines.schedules.scheduler import Scheduler
from local_azure.machine_learning.engines.services import ServiceHost
from local_azure.machine_learning.engines.steps import Executor
from local_azure.machine_learning.http.tokens import Tokens
from local_azure.machine_learning.storage.files import BlobFiles
from local_azure.machine_learning.storage.state import ServerInfo, StateFolder
from local_azure.machine_learning.storage.store import Store

# The SDK splits a storage address at its first two dots and always dials https; with account and "blob" in the
# user-info part of the URL, the host it dials is the loopback address (no DNS, no hosts file, no proxy).
STORAGE_ACCOUNT = "localstore"
STORAGE_SUFFIX = "store"


@dataclass(frozen=True)
class Addresses:
    """Where this server answers."""

    http_port: int
    tls_port: int

    @property
    def http(self) -> str:
        """Base of every JSON plane and of downloads."""
        return f"http://127.0.0.1:{self.http_port}"

    @property
    def tls(self) -> str:
        """Base of ARM."""
        return f"https://127.0.0.1:{self.tls_port}"

    @property
    def storage_endpoint(self) -> str:
        """`endpoint` of a datastore: the client builds https://{account}.blob.{endpoint}."""
        return f"{STORAGE_SUFFIX}@127.0.0.1:{self.tls_port}"


class Emulator:
    """Store, files, tokens and the engines (executor of steps, scheduler, host of web services)."""

    def __init__(self, state: StateFolder, info: ServerInfo, schedule_speed: float = 1.0) -> None:
        self.state = state
        self.info = info
        self.addresses = Addresses(info.http_port, info.tls_port)
        self.store = Store(state.database)
        self.files = BlobFiles(state.blobs)
        self.tokens = Tokens()
        self.workspaces = Workspaces(self.store)
        self.redactor = Redactor(self.store, self.workspaces, info.token)
        for name in (WORKSPACE_NAME, PRODUCTION_NAME):
            self.workspaces.ensure(SUBSCRIPTION, RESOURCE_GROUP, name)
        self.executor = Executor(self)
        self.scheduler = Scheduler(self, schedule_speed)
        self.services = ServiceHost(self)

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

    def upload_address(self, container: str, blob: str) -> str:
        """A signed https address that the SDK can write one blob to (and read it from)."""
        query = self.tokens.signed_query(container, blob)
        authority = f"{STORAGE_ACCOUNT}.blob.{self.addresses.storage_endpoint}"
        return f"https://{authority}/{container}/{quote(blob)}?{query}"

    def download_address(self, container: str, blob: str) -> str:
        """A signed plain address to read one blob from."""
        query = self.tokens.signed_query(container, blob, "r")
        return f"{self.addresses.http}/{container}/{quote(blob)}?{query}"
