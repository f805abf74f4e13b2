"""Datastores: the workspace's two own ones, and whatever a client registers.

SDK callers: `ws.get_default_datastore`, `ws.datastores`, `Datastore.get`, `Datastore.register_*`, `unregister`,
`set_as_default`; rslex asks before each use of data. Data is served for the workspace's own containers only: what is
registered for other storage accounts is kept and returned, and refused when a step or a data set needs its bytes.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from local_azure.machine_learning.domain.access.addresses import STORAGE_ACCOUNT, Addresses
from local_azure.machine_learning.domain.access.tokens import Tokens
from local_azure.machine_learning.errors import ApiError, bad_request, not_found, not_implemented
from local_azure.machine_learning.http.call import Call
from local_azure.machine_learning.http.routing import Plane
from local_azure.machine_learning.storage.files import BlobFiles
from local_azure.machine_learning.storage.store import Store

if TYPE_CHECKING:
    from local_azure.machine_learning.domain.workspaces import Workspace

PLANE = Plane("Datastores")
BLOBSTORE = "workspaceblobstore"
ARTIFACTSTORE = "workspaceartifactstore"
_KIND = "datastore"
_DEFAULT_KIND = "default_datastore"
_BASE = "/datastore/v1.0{W}"
# Source: SDK, Datastore.register_azure_blob_container.
_NAME = re.compile(r"[a-z0-9_]{1,255}")


def _own_containers(workspace: Workspace) -> dict[str, str]:
    return {BLOBSTORE: workspace.blobstore_container, ARTIFACTSTORE: workspace.artifact_container}


def _section(tokens: Tokens, addresses: Addresses, container: str) -> dict[str, Any]:
    """Storage section that a client can reach this server with, signed for the whole container."""
    signature = tokens.signed_query(container)
    return {
        "accountName": STORAGE_ACCOUNT,
        "containerName": container,
        "endpoint": addresses.storage_endpoint,
        "protocol": "https",
        "credentialType": "Sas",
        "credential": signature,
        "sasToken": signature,
        "isSas": True,
        "accountKey": None,
        "blobCacheTimeout": None,
        "subscriptionId": None,
        "resourceGroup": None,
        "areWorkspaceManagedIdentitiesAllowed": False,
        "serviceDataAccessAuthIdentity": "None",
    }


def _local_container(workspace: Workspace, document: dict[str, Any]) -> str | None:
    """Container of this server that a stored datastore stands for, or None for storage elsewhere."""
    section = document.get("azureStorageSection") or {}
    container = section.get("containerName")
    ours = document.get("dataStoreType") == "AzureBlob" and section.get("accountName") == STORAGE_ACCOUNT
    return container if ours and container in _own_containers(workspace).values() else None


def _find(store: Store, workspace: Workspace, name: str) -> dict[str, Any] | None:
    """Document of a datastore as it is stored, and of the workspace's own ones as it would be."""
    key = name.lower()
    own = _own_containers(workspace).get(key)
    if own:
        section = {"accountName": STORAGE_ACCOUNT, "containerName": own}
        return {"name": key, "dataStoreType": "AzureBlob", "tags": {}, "azureStorageSection": section}
    return store.get(workspace.id, _KIND, key)


def _default_name(call: Call, store: Store) -> str:
    found = store.get(call.ws, _DEFAULT_KIND, "")
    return str(found["name"]) if found else BLOBSTORE


def _answer(call: Call, store: Store, tokens: Tokens, addresses: Addresses, name: str) -> dict[str, Any]:
    document = _find(store, call.workspace, name)
    if document is None:
        raise not_found("Datastore", name, "Register it first, or use 'workspaceblobstore'.")
    container = _local_container(call.workspace, document)
    if container:
        document["azureStorageSection"] = _section(tokens, addresses, container)
    return {**document, "hasBeenValidated": True, "isDefault": document["name"] == _default_name(call, store)}


def local_path(store: Store, files: BlobFiles, workspace: Workspace, datastore: str, relative: str) -> Path:
    """Place of a path of a datastore on this disk; creates nothing.

    Raises a 404 for an unknown datastore, a 400 for a path that leaves it, and NotImplemented for storage elsewhere.
    """
    document = _find(store, workspace, datastore)
    if document is None:
        raise not_found("Datastore", datastore)
    container = _local_container(workspace, document)
    if container is None:
        what = f"reading or writing data of the datastore '{datastore}', which lies outside of this workspace"
        raise not_implemented(what)
    inside = relative.strip("/")
    return files.path(container, inside) if inside else files.container(container)


def _posted(call: Call) -> dict[str, Any]:
    """The datastore in the body; its credential also stands where the SDK reads it."""
    document = call.document()
    name = str(document.get("name") or "").lower()
    if not _NAME.fullmatch(name):
        raise bad_request(f"'{name}' is not a datastore name: only letters, digits and '_' are allowed.")
    if name in _own_containers(call.workspace):
        raise bad_request(f"The datastore '{name}' belongs to the workspace and cannot be replaced.")
    section = document.get("azureStorageSection")
    if section:
        kind, credential = section.get("credentialType"), section.get("credential")
        section["accountKey"] = credential if kind == "AccountKey" else None
        section["sasToken"] = credential if kind == "Sas" else None
        section["isSas"] = kind == "Sas"
    return {**document, "name": name, "tags": document.get("tags") or {}}


@PLANE.route("GET", _BASE + "/default")
def get_default(call: Call, store: Store, tokens: Tokens, addresses: Addresses) -> dict[str, Any]:
    """The default datastore."""
    return _answer(call, store, tokens, addresses, _default_name(call, store))


@PLANE.route("PUT", _BASE + "/default/{name}")
def set_default(call: Call, store: Store, tokens: Tokens, addresses: Addresses, *, name: str) -> None:
    """Make another datastore the default."""
    document = _answer(call, store, tokens, addresses, name)
    store.put(call.ws, _DEFAULT_KIND, "", {"name": document["name"]})


@PLANE.route("GET", _BASE + "/datastores")
def list_datastores(call: Call, store: Store, tokens: Tokens, addresses: Addresses) -> dict[str, Any]:
    """The workspace's own datastores, then the registered ones."""
    names = [*_own_containers(call.workspace), *(doc["name"] for doc in store.find(call.ws, _KIND))]
    return {
        "value": [_answer(call, store, tokens, addresses, name) for name in names],
        "continuationToken": None,
        "nextLink": None,
    }


@PLANE.route("GET", _BASE + "/datastores/{name}")
def get_datastore(call: Call, store: Store, tokens: Tokens, addresses: Addresses, *, name: str) -> dict[str, Any]:
    """One datastore with its credential."""
    return _answer(call, store, tokens, addresses, name)


@PLANE.route("POST", _BASE + "/datastores")
def register_datastore(call: Call, store: Store, tokens: Tokens, addresses: Addresses) -> dict[str, Any]:
    """Register; the message for a taken name is the one after which the SDK's `overwrite=True` updates."""
    document = _posted(call)
    try:
        store.insert(call.ws, _KIND, document["name"], document)
    except ApiError as error:
        message = f"Another datastore with the same name already exists: '{document['name']}'."
        raise bad_request(message) from error
    return _answer(call, store, tokens, addresses, document["name"])


@PLANE.route("PUT", _BASE + "/datastores/{name}")
def update_datastore(call: Call, store: Store, tokens: Tokens, addresses: Addresses, *, name: str) -> dict[str, Any]:
    """Replace a registered datastore."""
    document = _posted(call)
    if document["name"] != name.lower():
        raise bad_request(f"The body names '{document['name']}', the address '{name}'.")
    with store.transaction():
        store.require(call.ws, _KIND, name.lower(), "Datastore")
        store.put(call.ws, _KIND, name.lower(), document)
    return _answer(call, store, tokens, addresses, name)


@PLANE.route("DELETE", _BASE + "/datastores/{name}")
def unregister_datastore(call: Call, store: Store, tokens: Tokens, addresses: Addresses, *, name: str) -> None:
    """Forget a registered datastore; its data stays."""
    document = _answer(call, store, tokens, addresses, name)
    if document["name"] in _own_containers(call.workspace):
        raise bad_request(f"The datastore '{name}' belongs to the workspace and cannot be unregistered.")
    if document["isDefault"]:
        raise bad_request(f"'{name}' is the default datastore. Make another one the default first.")
    store.delete(call.ws, _KIND, document["name"])
