"""The first page: what needs attention, what runs, what has happened last."""

from __future__ import annotations

from starlette.responses import Response

from local_azure.machine_learning.domain.runs.history_queries import Recent
from local_azure.machine_learning.domain.serving import services
from local_azure.studio.pages.runs import rows_of
from local_azure.studio.pages.visit import Section, Visit, address, key_of
from local_azure.studio.reading import pipeline_runs
from local_azure.studio.reading.attention import MOST_BUILDS, attention

PAGES = Section()
SHOWN = 8


@PAGES.get("")
@PAGES.get("/")
def overview(visit: Visit) -> Response:
    """What a person wants to know first."""
    known = visit.parts.workspaces.all()
    runs = [
        (key_of(workspace, known), row)
        for workspace in known
        for _, row in rows_of(visit, workspace.id, Recent(limit=SHOWN))
    ]
    served = [
        (workspace, service) for workspace in known for service in services.find(visit.parts.store, workspace, {})
    ]
    builds = list(pipeline_runs.newest(visit.parts.state.pipeline_runs, MOST_BUILDS))
    return visit.page(
        "overview.html.j2",
        attention=attention(visit.parts, builds, served),
        keys={workspace.id: key_of(workspace, known) for workspace in known},
        builds=builds[:SHOWN],
        runs=sorted(runs, key=lambda pair: str(pair[1].run["createdUtc"]), reverse=True)[:SHOWN],
        services=served,
    )


@PAGES.get("/go")
def go(visit: Visit) -> Response:
    """Lead to the workspace that was chosen at the top of a page."""
    return visit.see(address("w", visit.query("workspace"), "runs"))
