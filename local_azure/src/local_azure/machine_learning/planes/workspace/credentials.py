"""Secrets of the workspace's key vault.

SDK callers: `ws.get_default_keyvault()` with `set_secret(s)`, `get_secret(s)`, `list_secrets`, `delete_secret(s)`,
and `run.get_secret(s)` inside a step.
"""

from __future__ import annotations

from local_azure.machine_learning.domain.workspace import credentials
from local_azure.machine_learning.http.call import Call
from local_azure.machine_learning.http.routing import Plane
from local_azure.machine_learning.http.shapes import TEXT, Items, Record
from local_azure.machine_learning.storage.store import Document, Store

PLANE = Plane("Credentials")
_BASE = "/credential/v2.0{W}/secrets"
_SECRET = Record({"name": TEXT, "value": TEXT, "contentType": TEXT})
_SECRETS = Record({"secrets": Items(_SECRET)})


@PLANE.route("PUT", _BASE, body=_SECRET)
def set_secret(call: Call, store: Store) -> Document:
    """Set one secret; the answer does not repeat the value."""
    return credentials.put(store, call.workspace, [call.document()])[0]


@PLANE.route("PUT", _BASE + ":putbatch", body=_SECRETS)
def set_secrets(call: Call, store: Store) -> Document:
    """Set several secrets, all or none."""
    done = credentials.put(store, call.workspace, call.document().get("secrets") or [])
    return {"secrets": done, "notFoundSecrets": []}


@PLANE.route("POST", _BASE + ":getbatch", body=_SECRETS)
def get_secrets(call: Call, store: Store) -> Document:
    """The secrets that exist, and the names of those that do not."""
    names = [str(asked.get("name")) for asked in call.document().get("secrets") or []]
    found = {name: credentials.get(store, call.workspace, name) for name in names}
    return {
        "secrets": [{**document, "name": name} for name, document in found.items() if document],
        "notFoundSecrets": [name for name, document in found.items() if not document],
    }


@PLANE.route("GET", _BASE)
def list_secrets(call: Call, store: Store) -> Document:
    """Names of all secrets."""
    value = [{"name": name} for name in credentials.names(store, call.workspace)]
    return {"value": value, "continuationToken": None}


@PLANE.route("GET", _BASE + "/{name}")
def get_secret(call: Call, store: Store, *, name: str) -> Document:
    """One secret with its value."""
    return credentials.require(store, call.workspace, name)


@PLANE.route("DELETE", _BASE + "/{name}")
def delete_secret(call: Call, store: Store, *, name: str) -> None:
    """Forget one secret."""
    credentials.delete(store, call.workspace, name)
