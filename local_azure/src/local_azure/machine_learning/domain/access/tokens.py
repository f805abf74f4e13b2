"""Bearer tokens: JSON Web Tokens that the server gives out and later recognizes.

They are signed with a key that lives as long as the server process, so nothing that an earlier server gave out is
valid. The SDK verifies no signature; it reads two claims, `exp` (azureml.core.authentication, dataprep) and `tid`
(azureml._base_sdk_common.common).
"""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass
from typing import Literal

import jwt

TENANT = "00000000-0000-0000-0000-0000000000aa"
USER = "local-user"
# The creator of an object, as models, services and runs show it.
CREATED_BY = {
    **dict.fromkeys(
        ("userPuId", "userIdp", "userAltSecId", "userIss", "upn", "clientApplicationId", "applicationACR")
    ),
    "userObjectId": USER,
    "userTenantId": TENANT,
    "userName": "Local User",
}
LIFETIME_SECONDS = 24 * 3600
_ALGORITHM = "HS256"  # the only one that is accepted; PyJWT compares signatures in constant time

Scope = Literal["user", "run"]


@dataclass(frozen=True)
class Principal:
    """Who calls: the person at the laptop, or a step with the token of its run."""

    scope: Scope
    workspace_id: str = ""
    run_id: str = ""


class Tokens:
    """Signs and checks bearer tokens with a key that is new at each server start."""

    def __init__(self) -> None:
        self._key = secrets.token_bytes(32)

    def bearer(self, principal: Principal, end: int | None = None) -> tuple[str, int]:
        """A token, and its expiry in epoch seconds. end: when it must have expired at the latest."""
        expiry = int(time.time()) + LIFETIME_SECONDS
        expiry = expiry if end is None else min(expiry, end)
        claims = {
            "tid": TENANT,
            "exp": expiry,
            "scp": principal.scope,
            "wsid": principal.workspace_id,
            "rid": principal.run_id,
        }
        return jwt.encode(claims, self._key, _ALGORITHM), expiry

    def recognize(self, token: str) -> Principal | None:
        """The caller behind a token, or None when it is not ours or has expired."""
        required = ["exp", "scp", "wsid", "rid"]
        try:
            claims = jwt.decode(token, self._key, [_ALGORITHM], options={"require": required})
        except jwt.InvalidTokenError:
            return None
        return Principal(claims["scp"], claims["wsid"], claims["rid"])
