"""One request for a page, and the lists of routes that handlers register in."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlencode

import jinja2
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from local_azure.machine_learning.domain.workspace.coordinates import WORKSPACE_NAME
from local_azure.machine_learning.domain.workspace.workspaces import Workspace
from local_azure.machine_learning.errors import not_found
from local_azure.machine_learning.server import Parts
from local_azure.pipelines.run.builds.record import local_person
from local_azure.studio.access.projects import Projects

ROOT = "/studio"
_MOST_DIGITS = 18
# They turn the text behind them around, so that a name could make a page say something else.
_TURNING = re.compile("[\u202a-\u202e\u2066-\u2069]")


@dataclass(frozen=True)
class Site:
    """What all pages share."""

    parts: Parts
    templates: jinja2.Environment
    stopping: threading.Event
    projects: Projects


@dataclass
class Visit:
    """A signed-in request. `form` holds the fields of a POST whose origin and token the gate has checked."""

    request: Request
    site: Site
    form: Mapping[str, list[str]] = field(default_factory=dict)

    @property
    def parts(self) -> Parts:
        """The objects of the server."""
        return self.site.parts

    @property
    def workspace(self) -> Workspace:
        """The workspace that the address names; raises a 404."""
        name = self.part("workspace")
        found = [one for one in self.parts.workspaces.all() if key_of(one, self.parts.workspaces.all()) == name]
        if not found:
            raise not_found("Workspace", name)
        return found[0]

    def part(self, name: str) -> str:
        """A named part of the address."""
        return str(self.request.path_params[name])

    def query(self, name: str, default: str = "") -> str:
        """A parameter of the query, without blanks around it."""
        return self.request.query_params.get(name, default).strip()

    def file_name(self, name: str) -> str:
        """A parameter that names a file, as it is."""
        return self.request.query_params.get(name, "")

    def number(self, name: str) -> int | None:
        """A whole number of the query; None without one that counts anything here."""
        given = self.query(name)
        return int(given) if given.isascii() and given.isdigit() and len(given) <= _MOST_DIGITS else None

    def queries(self, name: str) -> list[str]:
        """All values of a parameter of the query."""
        return self.request.query_params.getlist(name)

    def field(self, name: str) -> str:
        """A field of the form."""
        return self.form.get(name, [""])[0]

    def page(self, template: str, http_status: int = 200, **values: Any) -> HTMLResponse:
        """Render a template."""
        known = self.parts.workspaces.all()
        session = self.request.scope.get("studio.session")  # none: a static file that is not there
        own = self.request.path_params.get("workspace")
        chosen = own or next((key_of(one, known) for one in known if one.name == WORKSPACE_NAME), "")
        text = self.site.templates.get_template(template).render(
            **values,
            csrf=session.csrf if session else "",
            here=self.request.url.path,
            person=local_person() if session else "",
            chosen_workspace=chosen,
            workspaces=[key_of(one, known) for one in known],
            w=f"{ROOT}/w/{quote(chosen, safe='')}",
        )
        # Half of a surrogate pair, which JSON of others may hold, cannot be sent.
        return HTMLResponse(_TURNING.sub("\ufffd", text).encode(errors="replace"), http_status)

    def see(self, address: str) -> Response:
        """Lead to another page after a change."""
        return RedirectResponse(address, 303)


def key_of(workspace: Workspace, known: list[Workspace]) -> str:
    """Return how addresses name a workspace: its name, with its id where others have the same name."""
    same = [one for one in known if one.name.lower() == workspace.name.lower()]
    return workspace.name if len(same) == 1 else f"{workspace.name}~{workspace.id[:8]}"


def address(*parts: str, **query: str | list[str]) -> str:
    """Return the address of a page from unencoded parts."""
    path = "/".join([ROOT, *(quote(part, safe="", errors="replace") for part in parts)])
    given = {name: value for name, value in query.items() if value}
    return f"{path}?{urlencode(given, doseq=True, errors='replace')}" if given else path


Handler = Callable[[Visit], Response]


class Section:
    """Routes of one subject. Handlers are plain functions and run in a thread."""

    def __init__(self) -> None:
        self.routes: list[Route] = []

    def get(self, path: str) -> Callable[[Handler], Handler]:
        """Register a page."""
        return self._register(path, "GET")

    def post(self, path: str) -> Callable[[Handler], Handler]:
        """Register a change."""
        return self._register(path, "POST")

    def _register(self, path: str, method: str) -> Callable[[Handler], Handler]:
        def register(handler: Handler) -> Handler:
            def endpoint(request: Request) -> Response:
                form = request.scope.get("studio.form", {})
                return handler(Visit(request, request.app.state.site, form))

            self.routes.append(Route(ROOT + path, endpoint, methods=[method]))
            return handler

        return register
