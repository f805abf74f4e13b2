"""Secrets of the workspace's key vault.

SDK callers: `ws.get_default_keyvault()` with `set_secret(s)`, `get_secret(s)`, `list_secrets`, `delete_secret(s)`,
and `run.get_secret(s)` inside a step. Values stand in the store of the state folder, which only its owner can read,
and in no log: they travel in bodies, which nothing logs.
"""

from __future__ import annotations

import re
from typing import Any

from local_azure.machine_learning.clock import timestamp
from local_azure.machine_learning.errors import bad_request
from local_azure.machine_learning.http.call import Call
from local_azure.machine_learning.http.routing import Plane
from local_azure.machine_learning.storage.store import Store

PLANE = Plane("Credentials")
_KIND = "secret"
_BASE = "/credential/v2.0{W}/secrets"
# Source: Key Vault, "Object identifiers".
_NAME = re.compile(r"[0-9a-zA-Z-]{1,127}")
_LARGEST = 25 * 1024  # bytes; source: Key Vault, "About secrets"

Document = dict[str, Any]


def _set(call: Call, store: Store, posted: Document) -> Document:
    name, value = str(posted.get("name") or ""), posted.get("value")
    if not _NAME.fullmatch(name):
        raise bad_request(f"'{name}' is not a secret name: only letters, digits and '-' are allowed, 127 at most.")
    if not isinstance(value, str) or len(value.encode()) > _LARGEST:
        raise bad_request(f"The value of the secret '{name}' must be a text of at most {_LARGEST} bytes.")
    with store.transaction():
        known, now = store.get(call.ws, _KIND, name.lower()), timestamp()
        document = {
            "name": known["name"] if known else name,
            "value": value,
            "contentType": posted.get("contentType"),
            "createdTime": known["createdTime"] if known else now,
            "modifiedTime": now,
        }
        store.put(call.ws, _KIND, name.lower(), document)
    return {**document, "value": None}


@PLANE.route("PUT", _BASE)
def set_secret(call: Call, store: Store) -> Document:
    """Set one secret; the answer does not repeat the value."""
    return _set(call, store, call.document())


@PLANE.route("PUT", _BASE + ":putbatch")
def set_secrets(call: Call, store: Store) -> Document:
    """Set several secrets, all or none."""
    with store.transaction():
        done = [_set(call, store, posted) for posted in call.document().get("secrets") or []]
    return {"secrets": done, "notFoundSecrets": []}


@PLANE.route("POST", _BASE + ":getbatch")
def get_secrets(call: Call, store: Store) -> Document:
    """The secrets that exist, and the names of those that do not."""
    names = [str(asked.get("name")) for asked in call.document().get("secrets") or []]
    found = {name: store.get(call.ws, _KIND, name.lower()) for name in names}
    return {
        "secrets": [{**document, "name": name} for name, document in found.items() if document],
        "notFoundSecrets": [name for name, document in found.items() if not document],
    }


@PLANE.route("GET", _BASE)
def list_secrets(call: Call, store: Store) -> Document:
    """Names of all secrets."""
    value = [{"name": document["name"]} for document in store.find(call.ws, _KIND)]
    return {"value": value, "continuationToken": None}


@PLANE.route("GET", _BASE + "/{name}")
def get_secret(call: Call, store: Store, *, name: str) -> Document:
    """One secret with its value."""
    return store.require(call.ws, _KIND, name.lower(), "Secret")


@PLANE.route("DELETE", _BASE + "/{name}")
def delete_secret(call: Call, store: Store, *, name: str) -> None:
    """Forget one secret."""
    get_secret(call, store, name=name)
    store.delete(call.ws, _KIND, name.lower())
