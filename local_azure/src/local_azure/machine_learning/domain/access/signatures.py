"""Shared access signatures: permission for one blob or one container, in the query of its address.

Azure's string to sign has more fields; only client and server of this program ever compare it. As with tokens, the
key lives as long as the server process.
"""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import hmac
import json
import secrets
from collections.abc import Mapping
from urllib.parse import urlencode

LIFETIME = dt.timedelta(days=1)
_TIME = "%Y-%m-%dT%H:%M:%SZ"


class Signatures:
    """Signs and checks with one key a server start."""

    def __init__(self) -> None:
        self._key = secrets.token_bytes(32)

    def query(self, container: str, blob: str = "", permissions: str = "rcwdl") -> str:
        """Query of an address of one blob, or of a whole container when `blob` is empty."""
        expiry = (dt.datetime.now(dt.UTC) + LIFETIME).strftime(_TIME)
        kind = "b" if blob else "c"
        signature = self._sign(kind, permissions, expiry, container, blob)
        return urlencode({"sv": "2020-08-04", "sr": kind, "se": expiry, "sp": permissions, "sig": signature})

    def allows(self, query: Mapping[str, str], container: str, blob: str, permission: str) -> bool:
        """Whether a request's query carries a valid signature for this blob with this permission letter."""
        kind, permissions, expiry = query.get("sr", ""), query.get("sp", ""), query.get("se", "")
        expected = self._sign(kind, permissions, expiry, container, "" if kind == "c" else blob)
        if not hmac.compare_digest(query.get("sig", "").encode(), expected.encode()):
            return False
        return permission in permissions and expiry > dt.datetime.now(dt.UTC).strftime(_TIME)

    def _sign(self, *words: str) -> str:
        # As JSON, because words that are merely joined can be cut at other places: a blob's name may hold anything.
        digest = hmac.new(self._key, json.dumps(words).encode(), hashlib.sha256).digest()
        return base64.b64encode(digest).decode()
