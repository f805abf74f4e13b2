"""Small blobs of a workspace's default datastore: create once, read, list.

The client is the one that the SDK ships, with the datastore's own credential: an account key or a shared access
signature.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from azure_ml.errors import AzureMlError
from azure_ml.workspace import Workspace

MAX_BLOB_BYTES = 256 * 1024
"""Of a blob that is read at once; what this project writes has a few kB."""
TIMES: dict[str, int] = {"connection_timeout": 10, "read_timeout": 30}
"""Seconds of one call; the client's own read timeout is 22 hours."""
_READERS = 16


@dataclass(frozen=True)
class BlobVersion:
    """The content of a blob and its ETag."""

    content: bytes
    etag: str


@dataclass(frozen=True)
class Blobs:
    """The container of a default datastore."""

    sdk: Any = field(repr=False, compare=False)
    workspace: str
    before_change: Callable[[], None] = field(repr=False, compare=False)
    """Called before each change; raises where the change must not be made."""

    def create(self, name: str, content: bytes) -> bool:
        """Create a blob in one atomic step (If-None-Match: *); False when there is one of that name."""
        from azure.core.exceptions import ResourceExistsError

        self.before_change()
        try:
            self.sdk.get_blob_client(name).upload_blob(content, overwrite=False, **TIMES)
        except ResourceExistsError:
            return False
        return True

    def replace(self, name: str, content: bytes, etag: str) -> bool:
        """Replace the content of a blob in one atomic step (If-Match); False when it has another one by now."""
        from azure.core import MatchConditions
        from azure.core.exceptions import ResourceModifiedError, ResourceNotFoundError

        self.before_change()
        unchanged: dict[str, Any] = {"etag": etag, "match_condition": MatchConditions.IfNotModified}
        try:
            self.sdk.get_blob_client(name).upload_blob(content, overwrite=True, **unchanged, **TIMES)
        except (ResourceModifiedError, ResourceNotFoundError):
            return False
        return True

    def read(self, name: str) -> bytes | None:
        """The content of a blob; None when there is none. Raises: AzureMlError above a cap."""
        found = self.read_version(name)
        return None if found is None else found.content

    def read_version(self, name: str) -> BlobVersion | None:
        """The content of a blob, and what names it; None when there is none. Raises: AzureMlError above a cap."""
        from azure.core.exceptions import ResourceNotFoundError

        try:
            found = self.sdk.get_blob_client(name).download_blob(offset=0, length=MAX_BLOB_BYTES + 1, **TIMES)
            content: bytes = found.readall()
        except ResourceNotFoundError:
            return None
        if len(content) > MAX_BLOB_BYTES:
            raise AzureMlError(
                f"the blob {name} of workspace {self.workspace} is too large",
                expected=f"at most {MAX_BLOB_BYTES} bytes",
                todo="find out who wrote it: this project writes only a few kB",
            )
        return BlobVersion(content, str(found.properties.etag))

    def read_all(self, names: Iterable[str]) -> list[bytes | None]:
        """The contents of several blobs, in the order of their names, as `read`."""
        with ThreadPoolExecutor(_READERS) as pool:
            return list(pool.map(self.read, names))

    def download(self, name: str, etag: str, target: Path) -> bool:
        """Write the content that a blob had when it was listed to a file; False when it has another one now."""
        from azure.core import MatchConditions
        from azure.core.exceptions import ResourceModifiedError, ResourceNotFoundError

        unchanged: dict[str, Any] = {"etag": etag, "match_condition": MatchConditions.IfNotModified}
        try:
            found = self.sdk.get_blob_client(name).download_blob(**unchanged, **TIMES)
            with target.open("wb") as file:
                found.readinto(file)
        except (ResourceModifiedError, ResourceNotFoundError):
            return False
        return str(found.properties.etag).strip('"') == etag.strip('"')

    def listed(self, prefix: str, most: int) -> list[Any]:
        """The SDK's descriptions of the blobs that begin so. Raises: AzureMlError above a number."""
        found = list(islice(self.sdk.list_blobs(name_starts_with=prefix, **TIMES), most + 1))
        if len(found) > most:
            raise AzureMlError(
                f"more than {most} blobs lie below {prefix} in workspace {self.workspace}",
                todo="move old blobs elsewhere, then repeat the command",
            )
        return found

    def names(self, prefix: str) -> list[str]:
        """Names of the blobs that begin so, sorted."""
        return sorted(str(blob.name) for blob in self.sdk.list_blobs(name_starts_with=prefix, **TIMES))


def open_blobs(workspace: Workspace) -> Blobs:
    """The container of a workspace's default datastore. Raises: AzureMlError when no shared key opens it."""
    from azureml._vendor.azure_storage.blob import BlobServiceClient, ExponentialRetry

    datastore = workspace.sdk.get_default_datastore()
    credential: Any = datastore.sas_token or datastore.account_key
    if not credential:
        raise AzureMlError(
            f"the default datastore {datastore.name} of workspace {workspace.name} has no credential",
            found="identity-based access: the storage account forbids shared keys",
            expected="an account key, or a shared access signature to read, create, write, delete and list",
            todo="allow shared keys on the storage account, or give the datastore a signature (docs/production.md)",
        )
    # The datastore's own client waits 15 seconds before it repeats a call, as long as a lease lives.
    repeats = ExponentialRetry(initial_backoff=1, increment_base=2, retry_total=3, random_jitter_range=1)
    service = BlobServiceClient(datastore.blob_service.url, credential=credential, retry_policy=repeats)
    container = service.get_container_client(datastore.container_name)
    return Blobs(container, workspace.name, workspace.calls)
