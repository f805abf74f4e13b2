"""What a person should look at first: open questions, services that are down, late schedules, what failed lately.

Every part reads a bounded number of records along an index or of folders, so the age of a state folder costs nothing.
"""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import dataclass
from typing import Any

from local_azure.machine_learning.clock import timestamp, utc_now
from local_azure.machine_learning.domain.runs.statuses import RunStatus
from local_azure.machine_learning.domain.serving.service_requests import ServiceState
from local_azure.machine_learning.domain.workspace.workspaces import Workspace
from local_azure.machine_learning.engines.schedules.scheduler import Late
from local_azure.machine_learning.server import Parts
from local_azure.studio.reading import pipeline_run_files, pipeline_runs
from local_azure.studio.reading.pipeline_runs import PipelineRun
from local_azure.studio.reading.run_facts import error_of, failed_part
from local_azure.studio.views.formats import seconds_between

HOURS = 24
MOST_SHOWN = 5  # of each kind of failure
MOST_RUNS = 500  # the newest ones of each workspace, among which failed ones are looked for
MOST_BUILDS = 30
FAILED_RUNS = (
    "SELECT doc FROM (SELECT seq, doc FROM entity WHERE workspace = ? AND kind = 'run' AND parent = '' "
    "ORDER BY seq DESC LIMIT ?) WHERE json_extract(doc, '$.status') = ? "
    "AND json_extract(doc, '$.endTimeUtc') >= ? ORDER BY seq DESC LIMIT ?"
)
"""The inner query reads the end of the index of parents, and no more of it."""
Document = dict[str, Any]
Placed = tuple[Workspace, Document]


@dataclass(frozen=True)
class Attention:
    """What needs a person. failed_runs, failed_builds: of the last 24 hours, the newest first, with their errors."""

    waiting: list[PipelineRun]
    down: list[Placed]
    late: list[tuple[Workspace, Late]]
    failed_builds: list[tuple[PipelineRun, str]]
    failed_runs: list[tuple[Workspace, Document, str]]

    @property
    def is_needed(self) -> bool:
        """Whether there is anything to look at."""
        return bool(self.waiting or self.down or self.late or self.failed_builds or self.failed_runs)


def attention(parts: Parts, builds: list[PipelineRun], services: list[Placed]) -> Attention:
    """Gather it. builds: the newest runs of pipelines; services: those of all workspaces."""
    known = parts.workspaces.all()
    failed = [(workspace, run) for workspace in known for run in _failed_runs(parts, workspace)]
    newest = sorted(failed, key=lambda pair: str(pair[1]["endTimeUtc"]), reverse=True)[:MOST_SHOWN]
    failed_builds = [run for run in builds if _failed_lately(run)][:MOST_SHOWN]
    return Attention(
        waiting=pipeline_runs.waiting(parts.state.pipeline_runs),
        down=[(workspace, service) for workspace, service in services if _is_down(service)],
        late=[(workspace, late) for workspace in known for late in parts.scheduler.late(workspace)],
        failed_builds=[(run, first_line(pipeline_run_files.first_error(run))) for run in failed_builds],
        failed_runs=[(place, run, first_line(error_of(failed_part(parts, place, run)))) for place, run in newest],
    )


def first_line(text: str) -> str:
    """Return the first line of a text that says anything."""
    return next((line.strip() for line in text.splitlines() if line.strip()), "")


def _is_down(service: Document) -> bool:
    is_meant_to_be_up = service.get("state") in (ServiceState.HEALTHY, ServiceState.TRANSITIONING)
    return bool(service.get("error")) or not is_meant_to_be_up


def _failed_lately(run: PipelineRun) -> bool:
    ago = seconds_between(run.build.get("finishTime"), None)
    return run.status == "failed" and ago is not None and ago < HOURS * 3600


def _failed_runs(parts: Parts, workspace: Workspace) -> list[Document]:
    """Return the top-level runs that failed lately."""
    since = timestamp(utc_now() - dt.timedelta(hours=HOURS))
    rows = parts.store.rows(FAILED_RUNS, (workspace.id, MOST_RUNS, RunStatus.FAILED, since, MOST_SHOWN))
    return [json.loads(row["doc"]) for row in rows]
