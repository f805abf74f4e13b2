"""Makes the studio of one server."""

from __future__ import annotations

import threading
from collections.abc import Callable

from starlette.types import ASGIApp, Receive, Scope, Send

from local_azure.machine_learning.server import Parts
from local_azure.studio.access.gate import Gate
from local_azure.studio.access.projects import Projects


class StudioApplication:
    """The studio as the server sees it. Pages and templates are imported when somebody first asks for one."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._stopping = threading.Event()
        self._cancel_queued: Callable[[], None] | None = None
        self._projects = Projects()
        self._gate = Gate(parts, self._projects, self._load)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._gate(scope, receive, send)

    def stop(self) -> None:
        """Let live updates and the pipelines that were queued here end."""
        self._stopping.set()
        if self._cancel_queued is not None:
            self._cancel_queued()

    def _load(self) -> ASGIApp:
        from local_azure.studio.pages.queueing import cancel_all
        from local_azure.studio.site import make_pages

        self._cancel_queued = cancel_all
        return make_pages(self._parts, self._projects, self._stopping)


def make_studio(parts: Parts) -> StudioApplication:
    """Make the studio of a server from the server's own objects."""
    return StudioApplication(parts)
