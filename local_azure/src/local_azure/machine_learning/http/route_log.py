"""Which routes were reached and by what client: evidence for COVERAGE.md, kept where a variable names a file."""

from __future__ import annotations

import os
from pathlib import Path

from local_azure.machine_learning.http.routing import Route

VARIABLE = "LOCAL_AZURE_ROUTE_LOG"


class RouteLog:
    """A file with one line for each route and client; nothing at all without a file."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._known: set[str] = set()

    @classmethod
    def of_environment(cls) -> RouteLog:
        """The log that this process's environment asks for."""
        name = os.environ.get(VARIABLE)
        return cls(Path(name) if name else None)

    def note(self, route: Route, user_agent: str) -> None:
        """Add a route that has been answered."""
        if self._path is None:
            return
        line = f"{route.method} {route.path} {user_agent.partition(' ')[0] or '-'}\n"
        if line not in self._known:
            self._known.add(line)
            with self._path.open("a", encoding="utf-8") as stream:
                stream.write(line)


def reached(log: Path, *, without: str) -> set[tuple[str, str]]:
    """(method, path) of each route that clients other than the one called `without` reached."""
    lines = (line.split(" ") for line in log.read_text(encoding="utf-8").splitlines())
    return {(method, path) for method, path, agent in lines if agent != without}
