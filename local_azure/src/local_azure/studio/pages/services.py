"""Web services: their state, a form to ask them, their keys on demand, their log."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any

from starlette.responses import Response

from local_azure.machine_learning.domain.serving import services
from local_azure.machine_learning.domain.workspace.workspaces import Workspace
from local_azure.studio.pages.visit import Section, Visit, key_of
from local_azure.studio.reading import asked_service, origins, pipeline_runs
from local_azure.studio.reading.asked_service import Answer
from local_azure.studio.reading.pipeline_runs import PipelineRun

PAGES = Section()
LOG_LINES = 200
_ONE = "/w/{workspace}/services/{name}"
_HEALTHY = "Healthy"
Document = dict[str, Any]


@PAGES.get("/w/{workspace}/services")
def all_services(visit: Visit) -> Response:
    """The services of a workspace, and those of the others."""
    store, known = visit.parts.store, visit.parts.workspaces.all()

    def of(workspace: Workspace) -> list[tuple[str, Document]]:
        found = services.find(store, workspace, {})
        key = key_of(workspace, known)
        return [(key, services.shown(store, workspace, service, with_models=False)) for service in found]

    own = visit.workspace
    others = [row for workspace in known if workspace.id != own.id for row in of(workspace)]
    return visit.page("services.html.j2", found=of(own), others=others)


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
        origin=_origin(visit, found, shown["models"]),
        also=_also(visit, found, shown["models"]),
        is_up=is_up,
        request=example if asked is None else asked,
        answer=answer,
        keys=services.keys(parts.store, workspace, found["name"]) if with_keys else {},
        log=log,
    )


@dataclass(frozen=True)
class Origin:
    """Where a service comes from, as tags and properties tell it: builds of pipelines, and a run with its workspace.

    deployed_by: of the service; made_by: of its model; named: runs that its tags name, each with the name of the tag,
    its workspace and its build.
    """

    deployed_by: PipelineRun | None
    made_by: PipelineRun | None
    place: str
    run: Document | None
    named: list[tuple[str, str, Document, PipelineRun | None]]


def _origin(visit: Visit, service: Document, held: list[Document]) -> Origin:
    builds, known = visit.parts.state.pipeline_runs, visit.parts.workspaces.all()
    told = next(filter(None, map(origins.build_of, held)), "")
    found = (origins.run_of(visit.parts, visit.workspace, one) for one in held)
    place, run = next((pair for pair in found if pair[1] is not None), (visit.workspace, None))
    deployed_by = pipeline_runs.find(builds, origins.build_of(service))
    named = [
        (name, key_of(there, known), one, pipeline_runs.find(builds, origins.build_of(one)))
        for name, there, one in origins.runs_named(visit.parts, service)
    ]
    return Origin(deployed_by, pipeline_runs.find(builds, told), key_of(place, known), run, named)


def _also(visit: Visit, service: Document, held: list[Document]) -> list[tuple[str, Document]]:
    """Return the other services that hold one of these models or a copy of it, with their workspaces."""
    own, known = visit.workspace, visit.parts.workspaces.all()
    placed = chain.from_iterable(origins.serving(visit.parts, own, model) for model in held)
    others = {(place.id, one["name"]): (key_of(place, known), one) for place, one in placed}
    others.pop((own.id, service["name"]), None)
    return list(others.values())


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
