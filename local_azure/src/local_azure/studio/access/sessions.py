"""One-time codes and the sessions that they open; both live as long as this start of the server."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import threading
import time
from dataclasses import dataclass, field

CODE_SECONDS = 600
MOST_CODES = 32  # that nobody has used yet; the oldest one is forgotten
MOST_SESSIONS = 256  # the oldest one ends


@dataclass(frozen=True)
class Session:
    """A browser that has signed in. csrf: what every form of its pages sends back."""

    csrf: str = field(default_factory=lambda: secrets.token_urlsafe(32), repr=False)

    def allows(self, token: str) -> bool:
        """Tell whether a form comes from a page of this session."""
        return hmac.compare_digest(token.encode(), self.csrf.encode())


class Sessions:
    """Codes and sessions are kept as hashes: whoever reads this process's memory dump finds no cookie in it."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._codes: dict[str, float] = {}
        self._sessions: dict[str, Session] = {}

    def new_code(self) -> str:
        """Return a code that opens one session within the next ten minutes."""
        code = secrets.token_urlsafe(32)
        with self._guard:
            self._codes[_digest(code)] = time.monotonic() + CODE_SECONDS
            while len(self._codes) > MOST_CODES:
                del self._codes[next(iter(self._codes))]
        return code

    def open(self, code: str) -> str | None:
        """Use a code up: return the cookie of a new session, None where the code is unknown, used or too old."""
        with self._guard:
            expiry = self._codes.pop(_digest(code), None)
            if expiry is None or expiry < time.monotonic():
                return None
            cookie = secrets.token_urlsafe(32)
            self._sessions[_digest(cookie)] = Session()
            while len(self._sessions) > MOST_SESSIONS:
                del self._sessions[next(iter(self._sessions))]
        return cookie

    def find(self, cookie: str) -> Session | None:
        """Return the session of a cookie."""
        with self._guard:
            return self._sessions.get(_digest(cookie))

    def close(self, cookie: str) -> None:
        """End a session."""
        with self._guard:
            self._sessions.pop(_digest(cookie), None)


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
