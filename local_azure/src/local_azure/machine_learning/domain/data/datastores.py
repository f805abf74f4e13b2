"""Datastores: those that come with the workspace, and whatever a client registers.

Data is served for containers of the workspace's own storage account. Blob containers of other accounts are read from
web data (`--web-data`), and never written. Everything else that is registered is kept and returned, and refused when
a step or a dataset needs its bytes.
"""

from __future__ import annotations

import re
from pathlib import Path

from local_azure.machine_learning.domain.access.addresses import STORAGE_ACCOUNT
from local_azure.machine_learning.domain.workspace.workspaces import Workspace
from local_azure.machine_learning.errors import ApiError, bad_request, not_found, not_implemented
from local_azure.machine_learning.storage.files import BlobFiles
from local_azure.machine_learning.storage.store import Document, Store
from local_azure.machine_learning.storage.web_files import name_of, name_parts

BLOBSTORE = "workspaceblobstore"
ARTIFACTSTORE = "workspaceartifactstore"
FILESTORE = "workspacefilestore"
WORKING_DIRECTORY = "workspaceworkingdirectory"
SYSTEM_NAMES = (WORKING_DIRECTORY, ARTIFACTSTORE, FILESTORE, BLOBSTORE)  # newest first
_KIND = "datastore"
_ID_DIGITS = 12
_PUBLIC_STORAGE = {"endpoint": "core.windows.net", "protocol": "https"}
_DEFAULT_KIND = "default_datastore"
# Source: SDK, Datastore.register_azure_blob_container.
_NAME = re.compile(r"[a-z0-9_]{1,255}")


def _own_containers(workspace: Workspace) -> dict[str, str]:
    return {BLOBSTORE: workspace.blobstore_container, ARTIFACTSTORE: workspace.artifact_container}


def _file_shares(workspace: Workspace) -> dict[str, str]:
    """Two more that every workspace of the service has; what they would hold is refused where it is asked for."""
    return {FILESTORE: f"azureml-filestore-{workspace.id}", WORKING_DIRECTORY: f"code-{workspace.id}"}


def require(store: Store, workspace: Workspace, name: str) -> Document:
    """Document of a datastore as it is stored, and of the workspace's own ones as it would be; raises a 404."""
    key = name.lower()
    if key in SYSTEM_NAMES:
        shares = _file_shares(workspace)
        own = {**_own_containers(workspace), **shares}[key]
        section = {"accountName": STORAGE_ACCOUNT, "containerName": own}
        kind = "AzureFile" if key in shares else "AzureBlob"
        return {"name": key, "dataStoreType": kind, "tags": None, "azureStorageSection": section}
    document = store.get(workspace.id, _KIND, key)
    if document is None:
        raise not_found("Datastore", name, f"Register it first, or use '{BLOBSTORE}'.")
    return document


def names(store: Store, workspace: Workspace) -> list[str]:
    """Names of all datastores, newest first: the registered ones, then those that came with the workspace."""
    registered = store.find(workspace.id, _KIND, newest_first=True)
    return [*(document["name"] for document in registered), *SYSTEM_NAMES]


def local_container(workspace: Workspace, datastore: Document) -> str | None:
    """Container of this server that a datastore stands for, or None for storage elsewhere."""
    section = datastore.get("azureStorageSection") or {}
    container: str | None = section.get("containerName")
    ours = datastore.get("dataStoreType") == "AzureBlob" and section.get("accountName") == STORAGE_ACCOUNT
    if not ours or not container or container in _own_containers(workspace).values():
        return container if ours else None
    # Another container of the workspace's account: a name of this server's form that no other workspace can have.
    prefix = f"azureml-{workspace.id.replace('-', '')[:_ID_DIGITS]}-"
    return prefix + container.removeprefix(prefix)


def create_container(files: BlobFiles, workspace: Workspace, datastore: Document) -> None:
    """Make the container of a datastore that a client has registered, where it is one of this server."""
    container = local_container(workspace, datastore)
    if container:
        files.container(container).mkdir(parents=True, exist_ok=True)


def local_path(store: Store, files: BlobFiles, workspace: Workspace, datastore: str, relative: str) -> Path:
    """Path on this disk of a path of a datastore; creates nothing.

    Raises a 404 for an unknown datastore, a 400 for a path that leaves it, and NotImplemented for storage elsewhere.
    """
    container = local_container(workspace, require(store, workspace, datastore))
    if container is None:
        what = f"reading or writing data of the datastore '{datastore}', which is outside of this workspace"
        raise not_implemented(what)
    inside = relative.strip("/")
    return files.path(container, inside) if inside else files.container(container)


def foreign_container(store: Store, workspace: Workspace, datastore: str) -> str | None:
    """Name among web data of the blob container of another account, or None for any other datastore; raises a 404."""
    document = require(store, workspace, datastore)
    section = document.get("azureStorageSection") or {}
    account, container = section.get("accountName"), section.get("containerName")
    if document.get("dataStoreType") != "AzureBlob" or account == STORAGE_ACCOUNT or not (account and container):
        return None
    suffix = section.get("endpoint") or _PUBLIC_STORAGE["endpoint"]
    return name_of(f"https://{account}.blob.{suffix}/{container}")


def readable_path(store: Store, files: BlobFiles, workspace: Workspace, datastore: str, relative: str) -> Path:
    """Path on this disk to read from; raises what `local_path` raises, and a 400 for web data that is not there."""
    foreign = foreign_container(store, workspace, datastore)
    if foreign is None:
        return local_path(store, files, workspace, datastore, relative)
    return files.web.require("/".join((foreign, *name_parts(relative))))


def default_name(store: Store, workspace: Workspace) -> str:
    """Name of the default datastore."""
    found = store.get(workspace.id, _DEFAULT_KIND, "")
    return str(found["name"]) if found else BLOBSTORE


def make_default(store: Store, workspace: Workspace, name: str) -> None:
    """Make another datastore the default; raises a 404."""
    store.put(workspace.id, _DEFAULT_KIND, "", {"name": require(store, workspace, name)["name"]})


def _checked(posted: Document) -> Document:
    """A datastore that a client posts; its credential is also where the SDK reads it."""
    name = str(posted.get("name") or "").lower()
    if not _NAME.fullmatch(name):
        raise bad_request(f"'{name}' is not a datastore name: only letters, digits and '_' are allowed.")
    if name in SYSTEM_NAMES:
        raise bad_request(f"The datastore '{name}' belongs to the workspace and cannot be replaced.")
    section = posted.get("azureStorageSection")
    if section:
        kind, credential = section.get("credentialType"), section.get("credential")
        section["accountKey"] = credential if kind == "AccountKey" else None
        section["sasToken"] = credential if kind == "Sas" else None
        section["isSas"] = kind == "Sas"
        # A client may leave these to the service, and its data engine then wants them back.
        section.update({key: section.get(key) or value for key, value in _PUBLIC_STORAGE.items()})
    return {**posted, "name": name, "tags": posted.get("tags") or {}}


def register(store: Store, workspace: Workspace, posted: Document) -> str:
    """Register; the message for a taken name is the one after which the SDK's `overwrite=True` updates.

    Returns the name.
    """
    document = _checked(posted)
    name = str(document["name"])
    try:
        store.insert(workspace.id, _KIND, name, document)
    except ApiError as error:
        raise bad_request(f"Another datastore with the same name already exists: '{name}'.") from error
    return name


def replace(store: Store, workspace: Workspace, name: str, posted: Document) -> None:
    """Replace a registered datastore; raises a 404."""
    document = _checked(posted)
    if document["name"] != name.lower():
        raise bad_request(f"The body names '{document['name']}', the address '{name}'.")
    with store.transaction():
        store.require(workspace.id, _KIND, name.lower(), "Datastore")
        store.put(workspace.id, _KIND, name.lower(), document)


def unregister(store: Store, workspace: Workspace, name: str) -> None:
    """Forget a registered datastore; its data stays. Raises a 404."""
    key = require(store, workspace, name)["name"]
    if key in SYSTEM_NAMES:
        raise bad_request(f"The datastore '{name}' belongs to the workspace and cannot be unregistered.")
    if key == default_name(store, workspace):
        raise bad_request(f"'{name}' is the default datastore. Make another one the default first.")
    store.delete(workspace.id, _KIND, key)
