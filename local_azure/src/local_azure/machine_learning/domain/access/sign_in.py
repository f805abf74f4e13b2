"""Secrets in the addresses where clients sign in, and whom each of them stands for.

The SDK sends no secret of its own to a managed identity or to the list of clouds, so the secret is part of the
address. The token of the server's start stands for the person at the laptop. Each step has a secret of its own, which
stands for its run: whatever way of signing in a script uses, it gets a token of that run, for its own workspace.
"""

from __future__ import annotations

import hmac
import secrets
import threading

from local_azure.machine_learning.domain.access.tokens import Principal
from local_azure.machine_learning.errors import ApiError

_PERSON = Principal("user")


class SignInSecrets:
    """Issues and recognizes secrets, from any thread. start_token: of the person."""

    def __init__(self, start_token: str) -> None:
        self._start_token = start_token
        self._issued: dict[str, Principal] = {}
        self._guard = threading.Lock()

    def issue(self, principal: Principal) -> str:
        """A new secret of a principal; in lower case, because MSAL writes addresses so."""
        secret = secrets.token_hex(32)
        with self._guard:
            self._issued[secret] = principal
        return secret

    def revoke(self, secret: str) -> None:
        """Sign nobody in with a secret any more."""
        with self._guard:
            self._issued.pop(secret, None)

    def principal(self, secret: str) -> Principal:
        """Whom a secret stands for; raises a 401."""
        if hmac.compare_digest(secret.encode(), self._start_token.encode()):
            return _PERSON
        with self._guard:
            found = self._issued.get(secret)  # 256 random bits: how long it takes to miss one tells nothing of others
        if found is None:
            raise ApiError(
                401, "AuthenticationFailed", "This address is not of this server start, or its step ended."
            )
        return found
