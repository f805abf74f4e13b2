"""Published pipelines, endpoints and schedules, and the form that submits a run of them."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from local_azure.machine_learning.clock import utc_now
from local_azure.machine_learning.domain.pipelines import endpoints, graphs, pipeline_runs, published, schedules
from local_azure.machine_learning.domain.pipelines.entities import is_active
from local_azure.machine_learning.domain.workspace.workspaces import Workspace
from local_azure.machine_learning.engines.schedules import recurrence
from local_azure.machine_learning.errors import ApiError
from local_azure.studio.pages.visit import Section, Visit, address
from local_azure.studio.reading.run_facts import short_id
from local_azure.studio.views.formats import parsed
from local_azure.studio.views.graphs import Node, draw
from local_azure.studio.views.statuses import Status

PAGES = Section()
SHOWN_RUNS = 20
_W = "/w/{workspace}"
_PLAIN = Status("", "soft", "")
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
            "title": _title(pipelines.get(entry["PipelineId"]) or {}) or entry["PipelineId"],
            "is_default": entry["Version"] == endpoint["DefaultVersion"],
        }
        for entry in reversed(endpoint["PipelineVersionList"])
    ]


def _title(pipeline: Document) -> str:
    version = pipeline.get("Version")
    return f"{pipeline.get('Name', '')}{f', version {version}' if version else ''}"


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
        runs=[
            (run, run["Description"] or f"run {short_id(run['Id'])}")
            for run in pipeline_runs.of_pipeline(store, workspace.id, found["Id"])[:SHOWN_RUNS]
        ],
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
    titles = {pipeline["Id"]: _title(pipeline) for pipeline in published.newest_first(store, workspace.id)}
    for schedule in schedules.newest_first(store, workspace.id):
        fired = schedules.started_runs(store, workspace.id, schedule["Id"], limit=1)
        following = visit.parts.scheduler.next_time(workspace, schedule["Id"]) if is_active(schedule) else None
        title = titles.get(schedule.get("PipelineId"), "")
        rows.append((schedule, title, is_active(schedule), fired[0] if fired else None, following, rhythm(schedule)))
    late = {found.schedule["Id"]: found for found in visit.parts.scheduler.late(workspace)}
    return visit.page("schedules.html.j2", rows=rows, late=late)


def rhythm(schedule: Document) -> str:
    """Return when a schedule fires, in words."""
    trigger = schedule.get("DataStoreTriggerInfo")
    if trigger:
        where = f"{trigger.get('DataStoreName')}/{trigger.get('PathOnDataStore') or ''}"
        return f"on changed blobs of {where}, looked at every {trigger['PollingInterval']} min"
    found = recurrence.parse(schedule["Recurrence"], parsed(schedule["CreatedDate"]) or utc_now())
    unit = found.frequency.lower()
    every = f"every {unit}" if found.interval == 1 else f"every {found.interval} {unit}s"
    if unit in ("minute", "hour"):
        return every
    if unit == "week":
        every += f" on {', '.join(recurrence.WEEK_DAYS[day] for day in sorted(found.week_days))}"
    if unit == "month":
        every += f" on day {found.anchor.day}"
    return f"{every} at {', '.join(f'{time:%H:%M}' for time in found.times)} {found.anchor:%Z}"
