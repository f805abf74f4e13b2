"""Published pipelines, endpoints and schedules, and the form that submits a run of them."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from local_azure.machine_learning.domain.pipelines import endpoints, graphs, pipeline_runs, published, schedules
from local_azure.machine_learning.domain.pipelines.entities import is_active
from local_azure.machine_learning.domain.workspace.workspaces import Workspace
from local_azure.machine_learning.errors import ApiError
from local_azure.studio.pages.visit import Section, Visit, address
from local_azure.studio.views.graphs import Node, draw
from local_azure.studio.views.statuses import Status

PAGES = Section()
SHOWN_RUNS = 20
_W = "/w/{workspace}"
_PLAIN = Status("step", "soft", "•")
Document = dict[str, Any]


@PAGES.get(_W + "/pipelines")
def pipelines(visit: Visit) -> Response:
    """Endpoints with their versions, and all published pipelines."""
    store, workspace = visit.parts.store, visit.workspace
    found = published.newest_first(store, workspace.id)
    names = {pipeline["Id"]: pipeline for pipeline in found}
    return visit.page(
        "pipelines.html.j2",
        endpoints=[
            (endpoint, _versions(endpoint, names)) for endpoint in endpoints.newest_first(store, workspace.id)
        ],
        pipelines=[(pipeline, is_active(pipeline)) for pipeline in found],
    )


def _versions(endpoint: Document, pipelines: dict[str, Document]) -> list[Document]:
    """Return the versions of an endpoint, the newest first."""
    return [
        {
            "number": entry["Version"],
            "id": entry["PipelineId"],
            "version": (pipelines.get(entry["PipelineId"]) or {}).get("Version") or "",
            "is_default": entry["Version"] == endpoint["DefaultVersion"],
        }
        for entry in reversed(endpoint["PipelineVersionList"])
    ]


@PAGES.get(_W + "/pipelines/{pipeline_id}")
def pipeline(visit: Visit) -> Response:
    """One published pipeline: its steps, parameters, runs, and the form to submit it."""
    store, workspace = visit.parts.store, visit.workspace
    found = published.require(store, workspace.id, visit.part("pipeline_id"))
    behind = [each for each in endpoints.newest_first(store, workspace.id) if _holds(each, found["Id"])]
    return visit.page(
        "pipeline.html.j2",
        pipeline=found,
        is_active=is_active(found),
        graph=_graph(visit, workspace, found),
        endpoints=behind,
        experiment=_experiment(visit, workspace, found),
        runs=pipeline_runs.of_pipeline(store, workspace.id, found["Id"])[:SHOWN_RUNS],
    )


def _holds(endpoint: Document, pipeline_id: str) -> bool:
    return any(entry["PipelineId"] == pipeline_id for entry in endpoint["PipelineVersionList"])


def _experiment(visit: Visit, workspace: Workspace, pipeline: Document) -> str:
    """Return the experiment that a run would belong to: that of the last one."""
    before = pipeline_runs.of_pipeline(visit.parts.store, workspace.id, pipeline["Id"])
    return str(before[0]["RunHistoryExperimentName"] if before else pipeline["Name"].replace(" ", "-"))


def _graph(visit: Visit, workspace: Workspace, pipeline: Document) -> object:
    try:
        plan, _ = graphs.plan_of_run(visit.parts.store, workspace.id, pipeline)
    except ApiError:
        return ""
    nodes = [Node(key, step.name, _PLAIN, tuple(sorted(step.waits_for))) for key, step in plan.steps.items()]
    return draw(nodes, "Steps of this pipeline")


@PAGES.post(_W + "/pipelines/{pipeline_id}/submit")
def submit(visit: Visit) -> Response:
    """Start a run of a published pipeline with the values of the form."""
    store, workspace = visit.parts.store, visit.workspace
    known = published.require(store, workspace.id, visit.part("pipeline_id"))["ParameterAssignments"]
    asked = {
        "ExperimentName": visit.field("experiment").strip() or None,
        "ParameterAssignments": {name: visit.field(f"parameter:{name}") for name in known},
        "RunSource": "Studio",
    }
    run = published.new_run(store, workspace.id, visit.part("pipeline_id"), asked)
    pipeline_runs.record(store, workspace.id, run)
    visit.parts.executor.submit(workspace, run["Id"])
    return visit.see(address("w", visit.part("workspace"), "runs", run["Id"]))


@PAGES.get(_W + "/schedules")
def all_schedules(visit: Visit) -> Response:
    """Schedules with their last and next firing."""
    store, workspace = visit.parts.store, visit.workspace
    rows = []
    for schedule in schedules.newest_first(store, workspace.id):
        fired = schedules.started_runs(store, workspace.id, schedule["Id"], limit=1)
        following = visit.parts.scheduler.next_time(workspace, schedule["Id"]) if is_active(schedule) else None
        rows.append((schedule, is_active(schedule), fired[0] if fired else None, following, _rhythm(schedule)))
    return visit.page("schedules.html.j2", rows=rows)


def _rhythm(schedule: Document) -> str:
    """Return when a schedule fires, in words."""
    trigger, recurrence = schedule.get("DataStoreTriggerInfo"), schedule.get("Recurrence") or {}
    if trigger:
        where = f"{trigger.get('DataStoreName')}/{trigger.get('PathOnDataStore') or ''}"
        return f"on changed blobs of {where}, looked at every {trigger['PollingInterval']} min"
    interval, unit = recurrence.get("Interval", 1), str(recurrence.get("Frequency", "")).lower()
    days = (recurrence.get("Schedule") or {}).get("WeekDays") or []
    on = f" on {', '.join(map(str, days))}" if days else ""
    return f"every {interval} {unit}{'s' if interval != 1 else ''}{on}"
