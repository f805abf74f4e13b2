"""Datastores: those that come with the workspace, and whatever a client registers.

SDK callers: `ws.get_default_datastore`, `ws.datastores`, `Datastore.get`, `Datastore.register_*`, `unregister`,
`set_as_default`; rslex asks before each use of data.
"""

from __future__ import annotations

from local_azure.machine_learning.domain.access.addresses import STORAGE_ACCOUNT, SignedAddresses
from local_azure.machine_learning.domain.access.denials import Denials
from local_azure.machine_learning.domain.data import datastores
from local_azure.machine_learning.domain.workspace.workspaces import Workspace
from local_azure.machine_learning.http.call import Call
from local_azure.machine_learning.http.routing import Plane
from local_azure.machine_learning.http.shapes import TAGS, TEXT, Record
from local_azure.machine_learning.storage.files import BlobFiles
from local_azure.machine_learning.storage.store import Document, Store

PLANE = Plane("Datastores")
_BASE = "/datastore/v1.0{W}"
_SECRETS = ("credential", "accountKey", "sasToken", "clientSecret", "password")
_SECTION = Record(
    {
        **dict.fromkeys(_SECRETS, TEXT),
        **dict.fromkeys(("accountName", "containerName", "credentialType", "endpoint", "protocol"), TEXT),
    }
)
_NO_CREDENTIAL = {"credentialType": "None", "credential": None, "sasToken": None, "isSas": False}
# The SDK makes a client of each file share when it lists datastores, and wants a signature to do so.
_NO_SIGNATURE = "sv=2021-08-06&sig=file-shares-are-not-served"
_KINDS_OF_STORAGE = (
    "azureStorageSection", "azureDataLakeSection", "azureSqlDatabaseSection", "azurePostgreSqlSection",
    "azureMySqlSection", "hdfsSection", "dbfsSection", "glusterFsSection", "customSection",
)  # fmt: skip
_DATASTORE = Record({"name": TEXT, "dataStoreType": TEXT, "tags": TAGS, **dict.fromkeys(_KINDS_OF_STORAGE, _SECTION)})


def _section(signed: SignedAddresses, workspace: Workspace, container: str, *, is_share: bool) -> Document:
    """Storage section that a client can reach this server with, signed for the whole container; a share has none."""
    signature = _NO_SIGNATURE if is_share else signed.signatures.query(container)
    is_default = container == workspace.blobstore_container
    return {
        "accountName": STORAGE_ACCOUNT,
        "containerName": container,
        "endpoint": signed.addresses.storage_endpoint,
        "protocol": "https",
        "credentialType": "Sas",
        "credential": signature,
        "sasToken": signature,
        "isSas": True,
        "accountKey": None,
        "blobCacheTimeout": None,
        "subscriptionId": workspace.subscription if is_default else None,
        "resourceGroup": workspace.resource_group if is_default else None,
        "areWorkspaceManagedIdentitiesAllowed": False,
        "serviceDataAccessAuthIdentity": "WorkspaceSystemAssignedIdentity" if is_default else "None",
    }


def _answer(call: Call, store: Store, signed: SignedAddresses, denials: Denials, name: str) -> Document:
    document = datastores.require(store, call.workspace, name)
    container = datastores.local_container(call.workspace, document)
    is_share = document["name"] in (datastores.FILESTORE, datastores.WORKING_DIRECTORY)
    if container or is_share:
        named = container or document["azureStorageSection"]["containerName"]
        document["azureStorageSection"] = _section(signed, call.workspace, named, is_share=is_share)
        if denials.value("shared-keys") is not None:
            document["azureStorageSection"] |= _NO_CREDENTIAL
    is_default = document["name"] == datastores.default_name(store, call.workspace)
    return {**document, "hasBeenValidated": True, "isDefault": is_default}


@PLANE.route("GET", _BASE + "/default")
def get_default(call: Call, store: Store, signed: SignedAddresses, denials: Denials) -> Document:
    """The default datastore."""
    return _answer(call, store, signed, denials, datastores.default_name(store, call.workspace))


@PLANE.route("PUT", _BASE + "/default/{name}")
def set_default(call: Call, store: Store, *, name: str) -> None:
    """Make another datastore the default."""
    datastores.make_default(store, call.workspace, name)


@PLANE.route("GET", _BASE + "/datastores", recorded=True)
def list_datastores(call: Call, store: Store, signed: SignedAddresses, denials: Denials) -> Document:
    """All datastores, newest first."""
    names = datastores.names(store, call.workspace)
    value = [_answer(call, store, signed, denials, name) for name in names]
    return {"value": value, "continuationToken": None, "nextLink": None}


@PLANE.route("GET", _BASE + "/datastores/{name}")
def get_datastore(call: Call, store: Store, signed: SignedAddresses, denials: Denials, *, name: str) -> Document:
    """One datastore with its credential."""
    return _answer(call, store, signed, denials, name)


@PLANE.route("POST", _BASE + "/datastores", body=_DATASTORE)
def register_datastore(call: Call, store: Store, files: BlobFiles) -> None:
    """Register a datastore; a container of the workspace's own storage account is made."""
    datastores.create_container(files, call.workspace, call.document())
    datastores.register(store, call.workspace, call.document())


@PLANE.route("PUT", _BASE + "/datastores/{name}", body=_DATASTORE)
def update_datastore(call: Call, store: Store, *, name: str) -> None:
    """Replace a registered datastore."""
    datastores.replace(store, call.workspace, name, call.document())


@PLANE.route("DELETE", _BASE + "/datastores/{name}")
def unregister_datastore(call: Call, store: Store, *, name: str) -> None:
    """Forget a registered datastore; its data stays."""
    datastores.unregister(store, call.workspace, name)
