"""Tokens that the server gives out and later recognises: bearer tokens and shared access signatures.

The SDK verifies neither; the server does, in constant time. Both are signed with a key that lives as long as the
server process, so nothing that an earlier server gave out is valid.
"""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import hmac
import json
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlencode

TENANT = "00000000-0000-0000-0000-0000000000aa"
USER = "local-user"
# Who made something, as models, services and runs say it.
CREATED_BY = {"userObjectId": USER, "userTenantId": TENANT, "userName": "Local User"}
LIFETIME_SECONDS = 24 * 3600

Scope = Literal["user", "run"]


@dataclass(frozen=True)
class Principal:
    """Who calls: the person at the laptop, or a step with the token of its run."""

    scope: Scope
    workspace_id: str = ""
    run_id: str = ""


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _decode(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


class Tokens:
    """Signs and checks with one key a server start."""

    def __init__(self, key: bytes | None = None) -> None:
        self._key = key or secrets.token_bytes(32)

    def _sign(self, *words: str) -> bytes:
        # As JSON, because words that are merely joined can be cut at other places: a blob's name may hold anything.
        return hmac.new(self._key, json.dumps(words).encode(), hashlib.sha256).digest()

    def bearer(self, principal: Principal) -> tuple[str, int]:
        """A JWT in form (three parts, `exp` and `tid`), and its expiry in epoch seconds."""
        expiry = int(time.time()) + LIFETIME_SECONDS
        claims = {
            "tid": TENANT,
            "oid": USER,
            "name": "Local User",
            "upn": "local@localhost",
            "exp": expiry,
            "scp": principal.scope,
            "wsid": principal.workspace_id,
            "rid": principal.run_id,
        }
        head = (
            _encode(json.dumps({"alg": "HS256", "typ": "JWT"}).encode()) + "." + _encode(json.dumps(claims).encode())
        )
        return head + "." + _encode(self._sign("bearer", head)), expiry

    def recognise(self, token: str) -> Principal | None:
        """The caller behind a bearer token, or None when it is not ours or has expired."""
        head, _, signature = token.rpartition(".")
        try:
            if not hmac.compare_digest(_decode(signature), self._sign("bearer", head)):
                return None
            claims = json.loads(_decode(head.partition(".")[2]))
        except ValueError:
            return None
        if claims["exp"] < time.time():
            return None
        return Principal(claims["scp"], claims["wsid"], claims["rid"])

    def signed_query(self, container: str, blob: str = "", permissions: str = "rcwdl") -> str:
        """Query of a shared access signature for one blob, or for a whole container when `blob` is empty.

        Azure's string to sign has more fields; only client and server of this program ever compare it.
        """
        expiry = (dt.datetime.now(dt.UTC) + dt.timedelta(seconds=LIFETIME_SECONDS)).strftime("%Y-%m-%dT%H:%M:%SZ")
        kind = "b" if blob else "c"
        signature = base64.b64encode(self._sign("sas", kind, permissions, expiry, container, blob))
        return urlencode({"sv": "2020-08-04", "sr": kind, "se": expiry, "sp": permissions, "sig": signature.decode()})

    def signature_allows(self, query: Mapping[str, str], container: str, blob: str, permission: str) -> bool:
        """Whether a request's query carries a valid signature for this blob with this permission letter."""
        kind, permissions, expiry = query.get("sr", ""), query.get("sp", ""), query.get("se", "")
        signed = "" if kind == "c" else blob
        expected = base64.b64encode(self._sign("sas", kind, permissions, expiry, container, signed))
        if not hmac.compare_digest(query.get("sig", "").encode(), expected):
            return False
        now = dt.datetime.now(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        return permission in permissions and expiry > now
