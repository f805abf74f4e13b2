"""One run: what became of it and why, its steps, metrics and lineage, as they are now and as they change."""

from __future__ import annotations

from collections.abc import Hashable
from itertools import chain, islice
from typing import Any

from starlette.responses import Response

from local_azure.machine_learning.domain.data.artifacts import run_paths
from local_azure.machine_learning.domain.runs import run_records
from local_azure.machine_learning.domain.runs.run_files import artifact_file
from local_azure.machine_learning.domain.workspace.workspaces import Workspace
from local_azure.studio.pages.live import live_updates
from local_azure.studio.pages.run_files import above
from local_azure.studio.pages.runs import parameters_of
from local_azure.studio.pages.visit import Section, Visit, address, key_of
from local_azure.studio.reading import logs, measured, pipeline_runs
from local_azure.studio.reading import run_facts as facts
from local_azure.studio.reading.file_names import is_readable
from local_azure.studio.reading.measured import Measured
from local_azure.studio.reading.origins import build_of
from local_azure.studio.reading.run_facts import Step
from local_azure.studio.views.charts import bar
from local_azure.studio.views.formats import parsed, seconds_between
from local_azure.studio.views.graphs import Node, draw
from local_azure.studio.views.metrics import SharedEnds, shared_ends
from local_azure.studio.views.statuses import status

PAGES = Section()
_RUN = "/w/{workspace}/runs/{run_id}"
MOST_STEPS = 200
_SHOWN_FILES = 12
_TAIL_LINES = 15
Document = dict[str, Any]


@PAGES.get(_RUN)
def run_page(visit: Visit) -> Response:
    """One run on one page."""
    parts, workspace = visit.parts, visit.workspace
    run = run_records.require(parts.store, workspace.id, visit.part("run_id"))
    every_step = facts.steps_of(parts, workspace, run)
    steps = every_step[:MOST_STEPS]
    files = _files(visit, workspace, run)
    log = facts.main_log(parts, workspace, run)
    failure = facts.failure_of(parts, workspace, run)
    metrics, step_metrics = measured.of_run(parts, workspace, run), _step_metrics(visit, workspace, steps)
    lineage, known = facts.lineage_of(parts, workspace, run), parts.workspaces.all()
    return visit.page(
        "run.html.j2",
        run=run,
        name=facts.name_of(run),
        status=facts.shown_status(run),
        above=above(visit, workspace, run),
        seconds=seconds_between(run.get("startTimeUtc"), run.get("endTimeUtc")),
        is_live=facts.is_live(run),
        failure=failure,
        failure_name=facts.name_of(failure.run) if failure else "",
        steps=steps,
        more_steps=len(every_step) - len(steps),
        graph=_graph(visit, steps),
        timeline=_timeline(run, steps),
        metrics=metrics,
        step_metrics=step_metrics,
        shared=_shared(metrics, step_metrics),
        files=files[:_SHOWN_FILES],
        has_more_files=len(files) > _SHOWN_FILES,
        log=log,
        tail=logs.tail(artifact_file(parts.files, workspace, run, log), parts.redactor, _TAIL_LINES) if log else [],
        lineage=lineage,
        served=[(key_of(place, known), service) for place, service in lineage.services],
        parameters=parameters_of(run),
        build=pipeline_runs.find(parts.state.pipeline_runs, build_of(run)),
        snapshot=run["properties"].get("ContentSnapshotId", ""),
    )


def _files(visit: Visit, workspace: Workspace, run: Document) -> list[str]:
    """Return the first files, and one more than are shown where there are more."""
    found = filter(is_readable, run_paths(visit.parts.files, workspace, run))
    return list(islice(found, _SHOWN_FILES + 1))


def _graph(visit: Visit, steps: list[Step]) -> object:
    nodes = [
        Node(
            key=step.key,
            title=step.name,
            status=status(step.status),
            waits_for=step.waits_for,
            note=step.took,
            address=address("w", visit.part("workspace"), "runs", step.run_id) if step.run_id else "",
        )
        for step in steps
    ]
    return draw(nodes, "Steps of this run and what each waits for")


def _timeline(run: Document, steps: list[Step]) -> list[tuple[Step, object]]:
    """Return each started step with its bar, on the scale of the whole run."""
    begun = [step for step in steps if step.start and parsed(step.start)]
    if not begun:
        return []
    origin = min(str(run.get("startTimeUtc") or run["createdUtc"]), *(str(step.start) for step in begun))
    whole = max(seconds_between(origin, run.get("endTimeUtc")) or 0, *(_second(origin, step.end) for step in begun))
    return [
        (step, bar(_second(origin, step.start), _second(origin, step.end), whole, status(step.status).tone))
        for step in begun
    ]


def _second(origin: str, moment: str | None) -> float:
    return seconds_between(origin, moment) or 0.0


def _step_metrics(visit: Visit, workspace: Workspace, steps: list[Step]) -> list[tuple[Step, Document]]:
    """Return the steps that have logged single values, with these."""
    begun = [step for step in steps if step.run_id][: measured.MOST_OF_FAMILY]
    found = [(step, measured.scalars(visit.parts, workspace, step.run_id)) for step in begun]
    return [(step, values) for step, values in found if values]


def _shared(metrics: list[Measured], step_metrics: list[tuple[Step, Document]]) -> SharedEnds:
    """Return the single values of a run and its steps whose names end alike."""
    own = [(each.name, each.single) for each in metrics if each.single is not None]
    return shared_ends([*own, *chain.from_iterable(values.items() for _, values in step_metrics)])


@PAGES.get(_RUN + "/events")
def events(visit: Visit) -> Response:
    """Live updates of a run, of its steps and of its log."""
    parts, workspace = visit.parts, visit.workspace
    run_id = visit.part("run_id")
    run_records.require(parts.store, workspace.id, run_id)

    def state() -> Hashable | None:
        run = run_records.require(parts.store, workspace.id, run_id)
        if not facts.is_live(run):
            return None
        below = run_records.children(parts.store, workspace.id, run_id)
        log = facts.main_log(parts, workspace, run)
        path = artifact_file(parts.files, workspace, run, log) if log else None
        size = path.stat().st_size if path and path.is_file() else 0
        return (run["revision"], size, *((child["runId"], child["revision"]) for child in below))

    return live_updates(state, visit.site.stopping)


@PAGES.post(_RUN + "/cancel")
def cancel(visit: Visit) -> Response:
    """Cancel a run, as `run.cancel()` does."""
    run = run_records.require(visit.parts.store, visit.workspace.id, visit.part("run_id"))
    visit.parts.executor.cancel(run["runId"])
    return visit.see(address("w", visit.part("workspace"), "runs", run["runId"]))
