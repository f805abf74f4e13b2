"""WSGI wrapper around the scoring app of azureml-inference-server-http: key check, host check, one call at a time.

In Azure the keys are checked by a container in front; here the check sits in the service's own process, which saves
a network hop. The keys are in a 0600 file that is read again when it changes, so a new key counts at once.
"""

from __future__ import annotations

import hmac
import json
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from tempfile import SpooledTemporaryFile
from typing import IO, Any

Environ = dict[str, Any]
StartResponse = Callable[..., Any]
WsgiApp = Callable[[Environ, StartResponse], Iterable[bytes]]

_LOOPBACK = frozenset({"127.0.0.1", "localhost"})
# Health and description are for everybody. Whatever else a path looks like, the server may take it for /score: it
# merges slashes, for instance.
OPEN_PATHS = frozenset({"/", "/swagger.json"})
_PREFLIGHT_PATH = "/swagger.json"
BODY_BYTES = 100 * 1024**2
_BYTES_IN_MEMORY = 1024**2
_PIECE = 64 * 1024


class KeyGuard:
    """`keys_file` holds {"authEnabled": bool, "keys": [primary, secondary]}."""

    def __init__(self, app: WsgiApp, keys_file: Path) -> None:
        self._app = app
        self._file = keys_file
        self._version: tuple[int, int] | None = None
        self._auth_enabled = True
        self._keys: list[bytes] = []
        # Azure's server has one synchronous worker: run() is never entered twice at a time. Ours has threads so that
        # connections can be kept alive, and must not let scripts meet a concurrency that they do not know from there.
        self._one_at_a_time = threading.Lock()

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        if environ.get("HTTP_HOST", "").partition(":")[0] not in _LOOPBACK:
            return _refuse(start_response, "421 Misdirected Request", "This service answers for 127.0.0.1 only.")
        if environ["PATH_INFO"] in OPEN_PATHS:
            return self._app(environ, start_response)
        if not self._allowed(environ.get("HTTP_AUTHORIZATION", "")):
            if environ["REQUEST_METHOD"] == "OPTIONS":
                # A browser asks so before it sends a key. The server would hand the request to a script that reads
                # raw requests; at this path it answers itself, with the headers of the service.
                return self._app({**environ, "PATH_INFO": _PREFLIGHT_PATH}, start_response)
            message = "A key of this service is required: 'Authorization: Bearer <primary or secondary key>'."
            return _refuse(start_response, "401 Unauthorized", message)
        return self._answer(environ, start_response)

    def _answer(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Read the body before the one-at-a-time lock: a slow sender delays no other."""
        with SpooledTemporaryFile(_BYTES_IN_MEMORY) as body:
            refusal = _receive(environ, body)
            if refusal:
                return _refuse(start_response, *refusal)
            body.seek(0)
            with self._one_at_a_time:
                # The server's answers are whole, not generated while they are sent.
                return self._app({**environ, "wsgi.input": body}, start_response)

    def _allowed(self, authorization: str) -> bool:
        self._read()
        if not self._auth_enabled:
            return True
        scheme, _, offered = authorization.partition(" ")
        # WSGI hands headers over as latin-1 text; both keys are compared, whichever fits.
        fits = [hmac.compare_digest(offered.strip().encode("latin-1"), key) for key in self._keys]
        return scheme.lower() == "bearer" and any(fits)

    def _read(self) -> None:
        status = self._file.stat()
        version = (status.st_ino, status.st_mtime_ns)
        if version != self._version:
            document = json.loads(self._file.read_text(encoding="utf-8"))
            self._auth_enabled = document["authEnabled"]
            self._keys = [key.encode() for key in document["keys"]]
            self._version = version


def _receive(environ: Environ, body: IO[bytes]) -> tuple[str, str] | None:
    """Write the body of a request to a file; status and message when it is too long, too slow or not whole."""
    too_long = ("413 Content Too Large", f"The body of a request may have {BODY_BYTES} bytes.")
    length = int(environ.get("CONTENT_LENGTH") or 0)
    if length > BODY_BYTES:
        return too_long
    try:
        while piece := environ["wsgi.input"].read(_PIECE):
            body.write(piece)
            if body.tell() > BODY_BYTES:
                return too_long
    except TimeoutError:
        return "408 Request Timeout", "The body of the request came too slowly."
    if body.tell() < length:
        return "400 Bad Request", f"The body of the request has {body.tell()} of {length} bytes."
    return None


def _refuse(start_response: StartResponse, status: str, message: str) -> list[bytes]:
    body = json.dumps({"message": message}).encode()
    start_response(status, [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
    return [body]
