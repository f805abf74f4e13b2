"""Secrets in the addresses where clients sign in, and the principal that each of them identifies.

The SDK sends no secret to a managed identity endpoint or to the list of clouds, so the secret is part of the address.
The server's start token identifies the person at the laptop. Each step has its own secret, which identifies its run:
whatever sign-in method a script uses, it gets a token for that run and its workspace only.
"""

from __future__ import annotations

import hmac
import secrets
import threading

from local_azure.machine_learning.domain.access.tokens import Principal
from local_azure.machine_learning.errors import ApiError

_PERSON = Principal("user")


class SignInSecrets:
    """Issues and recognizes secrets, from any thread. start_token: the secret of the person at the laptop."""

    def __init__(self, start_token: str) -> None:
        self._start_token = start_token
        self._issued: dict[str, Principal] = {}
        self._guard = threading.Lock()

    def issue(self, principal: Principal) -> str:
        """Issue a new secret for a principal, in lower case because MSAL lowercases addresses."""
        secret = secrets.token_hex(32)
        with self._guard:
            self._issued[secret] = principal
        return secret

    def revoke(self, secret: str) -> None:
        """Stop accepting a secret."""
        with self._guard:
            self._issued.pop(secret, None)

    def principal(self, secret: str) -> Principal:
        """Return the principal of a secret; raises a 401 for an unknown one."""
        if hmac.compare_digest(secret.encode(), self._start_token.encode()):
            return _PERSON
        with self._guard:
            found = self._issued.get(secret)  # 256 random bits: the time of a lookup reveals nothing
        if found is None:
            raise ApiError(
                401, "AuthenticationFailed", "This address belongs to an earlier server start, or its step has ended."
            )
        return found
