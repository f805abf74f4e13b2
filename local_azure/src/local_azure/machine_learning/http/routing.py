"""Routes of the planes: declared by decorators, matched as the SDK writes them.

Clients send `//` and trailing `/` here and there and differ in case: the path is normalized once and matched in any
case. Each route declares who may call it and the evidence for it; COVERAGE.md is made from this table.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from local_azure.machine_learning.http.shapes import Shape

# "public": no token. "user": the person's token only. "any": also a step's run token, for its own workspace.
# "own": the same where the path names no workspace; the handler shows a run what is of its own workspace.
# "signature": a shared access signature in the query, checked by the blob plane itself.
Access = Literal["public", "user", "any", "own", "signature"]
# "driven": a test of ours drives it with the real client. "sdk-source": read in the SDK. "assumed": our guess.
Evidence = Literal["driven", "sdk-source", "assumed"]
Handler = Callable[..., Any]
H = TypeVar("H", bound=Handler)

_WORKSPACE = (
    r"/subscriptions/(?P<subscription>[^/]+)/resourceGroups/(?P<resource_group>[^/]+)"
    r"/providers/Microsoft\.MachineLearningServices/workspaces/(?P<workspace_name>[^/]+)"
)


@dataclass(frozen=True)
class Route:
    """One method and path. `streams`: the handler reads the request itself (blobs), else it gets parsed JSON.

    body: the form that the JSON must have. lenient_numbers: NaN and Infinity are taken, as texts.
    recorded: a test compares its answer with one of the real service.
    """

    plane: str
    method: str
    path: str
    handler: Handler
    access: Access
    evidence: Evidence
    streams: bool
    body: Shape | None = None
    lenient_numbers: bool = False
    recorded: bool = False

    @property
    def key(self) -> tuple[str, str]:
        """What tells a route from all others."""
        return self.method, self.path

    def parts(self) -> set[str]:
        """Names of the parts of the path that the handler gets."""
        return {piece.partition(":")[0] for piece in re.findall(r"\{([^}]+)\}", self.path)} - {"W"}

    def regex(self) -> re.Pattern[str]:
        """The path as a pattern: `{W}` is a workspace, `{name}` one segment, `{name:path}` the rest."""
        pattern = ""
        for piece in re.split(r"(\{[^}]+\})", self.path):
            if piece == "{W}":
                pattern += _WORKSPACE
            elif piece.startswith("{"):
                name, _, kind = piece[1:-1].partition(":")
                pattern += f"(?P<{name}>{'.+' if kind == 'path' else '[^/]+'})"
            else:
                pattern += re.escape(piece)
        return re.compile(pattern, re.IGNORECASE)


class Plane:
    """A list of routes under one heading of COVERAGE.md."""

    def __init__(self, name: str, *, access: Access = "any") -> None:
        self.name = name
        self._access = access
        self.routes: list[Route] = []

    def route(
        self,
        methods: str,
        path: str,
        *,
        access: Access | None = None,
        evidence: Evidence = "driven",
        streams: bool = False,
        body: Shape | None = None,
        lenient_numbers: bool = False,
        recorded: bool = False,
    ) -> Callable[[H], H]:
        """Register a handler for methods such as "GET|HEAD". `handler_binding.py` says what it gets."""

        def register(handler: H) -> H:
            for method in methods.split("|"):
                chosen = access or self._access
                self.routes.append(
                    Route(
                        self.name,
                        method,
                        path,
                        handler,
                        chosen,
                        evidence,
                        streams,
                        body,
                        lenient_numbers,
                        recorded,
                    )
                )
            return handler

        return register


def normalize(path: str) -> str:
    """Collapse repeated slashes and drop a trailing one."""
    return re.sub("/{2,}", "/", path).rstrip("/") or "/"


class Router:
    """Finds the route of a request; first match in the order of declaration."""

    def __init__(self, routes: Iterable[Route]) -> None:
        self._routes: dict[str, list[tuple[re.Pattern[str], Route]]] = defaultdict(list)
        for route in routes:
            self._routes[route.method].append((route.regex(), route))

    def match(self, method: str, path: str) -> tuple[Route, dict[str, str]] | None:
        """The route and the named parts of a normalised path, or None."""
        for regex, route in self._routes[method]:
            found = regex.fullmatch(path)
            if found:
                return route, found.groupdict()
        return None
