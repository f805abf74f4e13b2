"""Web services: their state, a form to ask them, their keys on demand, their log."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

from starlette.responses import Response

from local_azure.machine_learning.domain.serving import services
from local_azure.studio.pages.visit import Section, Visit
from local_azure.studio.reading import asked_service
from local_azure.studio.reading.asked_service import Answer

PAGES = Section()
LOG_LINES = 200
_ONE = "/w/{workspace}/services/{name}"
_HEALTHY = "Healthy"
Document = dict[str, Any]


@PAGES.get("/w/{workspace}/services")
def all_services(visit: Visit) -> Response:
    """The services of a workspace."""
    workspace = visit.workspace
    found = services.find(visit.parts.store, workspace, {})
    shown = [services.shown(visit.parts.store, workspace, service, with_models=False) for service in found]
    return visit.page("services.html.j2", found=shown)


@PAGES.get(_ONE)
def service(visit: Visit) -> Response:
    """One service."""
    return _page(visit, _service(visit))


def _service(visit: Visit) -> Document:
    return services.require(visit.parts.store, visit.workspace, visit.part("name"))


def _page(
    visit: Visit, found: Document, *, asked: str | None = None, answer: Answer | None = None, with_keys: bool = False
) -> Response:
    parts, workspace = visit.parts, visit.workspace
    shown = services.shown(parts.store, workspace, found, with_models=True)
    uri = str(found.get("scoringUri") or "")
    is_up = found["state"] == _HEALTHY and bool(uri)
    example = asked_service.example_of(uri) if is_up and asked is None else ""
    log = parts.redactor.text(parts.host.folder(workspace, found["name"]).read_log(LOG_LINES))
    return visit.page(
        "service.html.j2",
        service=shown,
        is_up=is_up,
        request=example if asked is None else asked,
        answer=answer,
        keys=services.keys(parts.store, workspace, found["name"]) if with_keys else {},
        log=log,
    )


@PAGES.post(_ONE + "/ask")
def ask(visit: Visit) -> Response:
    """Send the request of the form to the service."""
    found, asked = _service(visit), visit.field("request")
    begun = time.monotonic()
    try:
        body = asked_service.compact(asked)
    except (ValueError, RecursionError) as error:
        refused = Answer(0, f"The request is not JSON: {error}")
        return _page(visit, found, asked=asked, answer=refused)
    key = found["keys"]["primaryKey"] if found["authEnabled"] else ""
    answer = asked_service.ask(str(found.get("scoringUri") or ""), key, body)
    return _page(visit, found, asked=asked, answer=replace(answer, seconds=time.monotonic() - begun))


@PAGES.post(_ONE + "/keys")
def show_keys(visit: Visit) -> Response:
    """Show the keys once; no page holds them otherwise."""
    return _page(visit, _service(visit), with_keys=True)
