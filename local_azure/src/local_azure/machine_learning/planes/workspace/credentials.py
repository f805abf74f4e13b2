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

PLANE = Plane("Credentials")
_KIND = "secret"
_BASE = "/credential/v2.0{W}/secrets"
# Source: Key Vault, "Object identifiers".
_NAME = re.compile(r"[0-9a-zA-Z-]{1,127}")
_LARGEST = 25 * 1024  # bytes; source: Key Vault, "About secrets"

Document = dict[str, Any]


def _set(call: Call, posted: Document) -> Document:
    name, value = str(posted.get("name") or ""), posted.get("value")
    if not _NAME.fullmatch(name):
        raise bad_request(f"'{name}' is not a secret name: only letters, digits and '-' are allowed, 127 at most.")
    if not isinstance(value, str) or len(value.encode()) > _LARGEST:
        raise bad_request(f"The value of the secret '{name}' must be a text of at most {_LARGEST} bytes.")
    with call.store.transaction():
        known, now = call.store.get(call.ws, _KIND, name.lower()), timestamp()
        document = {
            "name": known["name"] if known else name,
            "value": value,
            "contentType": posted.get("contentType"),
            "createdTime": known["createdTime"] if known else now,
            "modifiedTime": now,
        }
        call.store.put(call.ws, _KIND, name.lower(), document)
    return {**document, "value": None}


@PLANE.route("PUT", _BASE)
def set_secret(call: Call) -> Document:
    """Set one secret; the answer does not repeat the value."""
    return _set(call, call.document())


@PLANE.route("PUT", _BASE + ":putbatch")
def set_secrets(call: Call) -> Document:
    """Set several secrets, all or none."""
    with call.store.transaction():
        done = [_set(call, posted) for posted in call.document().get("secrets") or []]
    return {"secrets": done, "notFoundSecrets": []}


@PLANE.route("POST", _BASE + ":getbatch")
def get_secrets(call: Call) -> Document:
    """The secrets that exist, and the names of those that do not."""
    names = [str(asked.get("name")) for asked in call.document().get("secrets") or []]
    found = {name: call.store.get(call.ws, _KIND, name.lower()) for name in names}
    return {
        "secrets": [{**document, "name": name} for name, document in found.items() if document],
        "notFoundSecrets": [name for name, document in found.items() if not document],
    }


@PLANE.route("GET", _BASE)
def list_secrets(call: Call) -> Document:
    """Names of all secrets."""
    value = [{"name": document["name"]} for document in call.store.find(call.ws, _KIND)]
    return {"value": value, "continuationToken": None}


@PLANE.route("GET", _BASE + "/{name}")
def get_secret(call: Call, name: str) -> Document:
    """One secret with its value."""
    return call.store.require(call.ws, _KIND, name.lower(), "Secret")


@PLANE.route("DELETE", _BASE + "/{name}")
def delete_secret(call: Call, name: str) -> None:
    """Forget one secret."""
    get_secret(call, name)
    call.store.delete(call.ws, _KIND, name.lower())
