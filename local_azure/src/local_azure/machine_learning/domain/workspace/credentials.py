"""Secrets of the workspace's key vault.

Values are in the store of the state folder, which only its owner can read, and in no log: they travel in bodies,
which nothing logs.
"""

from __future__ import annotations

import re

from local_azure.machine_learning.clock import timestamp
from local_azure.machine_learning.domain.workspace.workspaces import Workspace
from local_azure.machine_learning.errors import bad_request
from local_azure.machine_learning.storage.store import Document, Store

KIND = "secret"
# Source: Key Vault, "Object identifiers".
_NAME = re.compile(r"[0-9a-zA-Z-]{1,127}")
MAX_SECRET_BYTES = 25 * 1024  # bytes; source: Key Vault, "About secrets"


def put(store: Store, workspace: Workspace, posted: list[Document]) -> list[Document]:
    """Set secrets, all or none; the documents come back without their values."""
    with store.transaction():
        return [_put(store, workspace, one) for one in posted]


def _put(store: Store, workspace: Workspace, posted: Document) -> Document:
    name, value = str(posted.get("name") or ""), posted.get("value")
    if not _NAME.fullmatch(name):
        raise bad_request(f"'{name}' is not a secret name: only letters, digits and '-' are allowed, 127 at most.")
    if not isinstance(value, str) or len(value.encode()) > MAX_SECRET_BYTES:
        raise bad_request(f"The value of the secret '{name}' must be a text of at most {MAX_SECRET_BYTES} bytes.")
    now = timestamp()
    known = get(store, workspace, name) or {"name": name, "createdTime": now}
    document = {
        "name": known["name"],
        "value": value,
        "contentType": posted.get("contentType"),
        "createdTime": known["createdTime"],
        "modifiedTime": now,
    }
    store.put(workspace.id, KIND, name.lower(), document)
    return {**document, "value": None}


def get(store: Store, workspace: Workspace, name: str) -> Document | None:
    """One secret with its value, or None."""
    return store.get(workspace.id, KIND, name.lower())


def require(store: Store, workspace: Workspace, name: str) -> Document:
    """One secret with its value; raises a 404."""
    return store.require(workspace.id, KIND, name.lower(), "Secret")


def names(store: Store, workspace: Workspace) -> list[str]:
    """Names of all secrets."""
    return [document["name"] for document in store.find(workspace.id, KIND)]


def delete(store: Store, workspace: Workspace, name: str) -> None:
    """Forget one secret; raises a 404."""
    require(store, workspace, name)
    store.delete(workspace.id, KIND, name.lower())
