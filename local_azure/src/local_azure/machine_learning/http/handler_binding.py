"""Gives route handlers what they declare.

A handler is a plain function whose annotated parameters say what it uses:

    @PLANE.route("GET", "/models{W}/{model_id}")
    def get_model(call: Call, store: Store, *, model_id: str) -> Document: ...

`Call` is the request, a parameter named like a part of the path is that part, and every other parameter is the one
object of that class which the composition root (server.py) provides. A handler leaves out what it does not use. All
of it is decided once, before the server answers: what no one provides stops the start, with the names of handler and
parameter.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any, get_type_hints

from starlette.concurrency import run_in_threadpool

from local_azure.machine_learning.http.call import Call
from local_azure.machine_learning.http.routing import Route


class HandlerError(Exception):
    """A handler declares what no one provides."""


class Handlers:
    """The handlers of a list of routes, with everything but the request filled in."""

    def __init__(self, routes: Iterable[Route], provided: Iterable[object]) -> None:
        by_class = {type(one): one for one in provided}
        self._bound = {route.key: _Bound(route, by_class) for route in routes}

    async def answer(self, route: Route, call: Call, parts: Mapping[str, str]) -> Any:
        """Return what the handler returns. Plain functions run in a thread, because they may wait for the disk."""
        bound = self._bound[route.key]
        handler = bound.of_request(call, parts)
        if bound.is_coroutine:
            return await handler()
        return await run_in_threadpool(handler)


class _Bound:
    """The handler of one route."""

    def __init__(self, route: Route, provided: Mapping[type, object]) -> None:
        self.is_coroutine = inspect.iscoroutinefunction(route.handler)
        self._call_names: list[str] = []
        self._part_names: list[str] = []
        given: dict[str, object] = {}
        hints = get_type_hints(route.handler)
        parts = route.parts()
        for name, parameter in inspect.signature(route.handler).parameters.items():
            kind: Any = hints.get(name)
            if name in parts:
                self._part_names.append(name)
            elif kind is Call:
                self._call_names.append(name)
            elif kind in provided:
                given[name] = provided[kind]
            elif parameter.default is inspect.Parameter.empty:
                raise _unknown(route, name, kind)
        self._handler = partial(route.handler, **given)

    def of_request(self, call: Call, parts: Mapping[str, str]) -> Callable[[], Any]:
        """The handler with all of its arguments."""
        own = {name: parts[name] for name in self._part_names}
        return partial(self._handler, **dict.fromkeys(self._call_names, call), **own)


def _unknown(route: Route, name: str, kind: Any) -> HandlerError:
    handler = f"{route.handler.__module__}.{route.handler.__qualname__}"
    return HandlerError(
        f"{handler} ({route.method} {route.path}): nothing is provided for its parameter '{name}' of type "
        f"{getattr(kind, '__name__', kind)}, and the path has no such part."
    )
