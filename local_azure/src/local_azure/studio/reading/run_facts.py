"""The facts that a page shows about one run: its steps, its first failure, the origin of its data and its results."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

from local_azure.machine_learning.domain.data import datasets
from local_azure.machine_learning.domain.pipelines import graphs, nodes, pipeline_runs
from local_azure.machine_learning.domain.runs import run_records
from local_azure.machine_learning.domain.runs.run_files import DRIVER_LOG, STANDARD_LOG, artifact_file, log_paths
from local_azure.machine_learning.domain.runs.statuses import RunStatus
from local_azure.machine_learning.domain.serving import models
from local_azure.machine_learning.domain.workspace.workspaces import Workspace
from local_azure.machine_learning.errors import ApiError
from local_azure.machine_learning.server import Parts
from local_azure.studio.reading import logs
from local_azure.studio.reading.file_names import is_readable
from local_azure.studio.reading.logs import Line
from local_azure.studio.reading.origins import Placed, serving
from local_azure.studio.views.formats import duration, seconds_between

Document = dict[str, Any]
FAILURE_LINES = 20
_RANDOM_ID = re.compile("[0-9a-f]{8}-[0-9a-f-]{27}")
MOST_LOGS = 100  # of each folder of logs


@dataclass(frozen=True)
class Failure:
    """Why a run failed: the innermost run that failed first, its message, the end of its log."""

    run: Document
    message: str
    lines: list[Line]
    log: str


@dataclass(frozen=True)
class Step:
    """A step of a pipeline run, whether it has started or not."""

    key: str
    name: str
    status: str
    waits_for: tuple[str, ...] = ()
    run_id: str = ""
    start: str | None = None
    end: str | None = None

    @property
    def took(self) -> str:
        """How long it took so far; empty before it starts."""
        return duration(seconds_between(self.start, self.end)) if self.start else ""


@dataclass(frozen=True)
class Lineage:
    """What a run read and what was made of it. services: of all workspaces, that hold a model or a copy of it."""

    data: list[Document] = field(default_factory=list)
    models: list[Document] = field(default_factory=list)
    services: list[Placed] = field(default_factory=list)


def name_of(run: Document) -> str:
    """Return what people call a run; one without a name goes by its id."""
    given = run.get("displayName") or run.get("name") or run.get("scriptName")
    return str(given or f"run {short_id(run['runId'])}")


def short_id(run_id: str) -> str:
    """Return as much of an id as people need to tell runs apart: the beginning of a random one."""
    return run_id[:8] if _RANDOM_ID.fullmatch(run_id) else run_id


def is_live(run: Document) -> bool:
    """Tell whether a run may still change."""
    try:
        return not RunStatus(run["status"]).is_final
    except ValueError:
        return False


def is_reused(run: Document) -> bool:
    """Tell whether a step was not run again."""
    return str((run.get("properties") or {}).get("azureml.isreused")).lower() == "true"


def shown_status(run: Document) -> str:
    """Return the status that a badge shows."""
    return "Reused" if is_reused(run) else str(run["status"])


def steps_of(parts: Parts, workspace: Workspace, run: Document) -> list[Step]:
    """Return the steps of a pipeline run in the order of its graph; child runs where a run has no graph."""
    children = run_records.children(parts.store, workspace.id, run["runId"])
    planned = _planned(parts, workspace, run, {child["runId"]: child for child in children})
    known = {step.run_id for step in planned}
    others = [child for child in children if child["runId"] not in known]
    return planned + [_step_of(child, child["runId"], ()) for child in others]


def _planned(parts: Parts, workspace: Workspace, run: Document, children: dict[str, Document]) -> list[Step]:
    try:
        pipeline_run = pipeline_runs.require(parts.store, workspace.id, run["runId"])
        plan, _ = graphs.plan_of_run(parts.store, workspace.id, pipeline_run)
    except ApiError:
        return []
    started = {node["NodeId"]: node for node in nodes.of_run(parts.store, workspace.id, run["runId"])}
    found = []
    for key, step in plan.steps.items():
        child = children.get((started.get(key) or {}).get("RunId", ""))
        waits = tuple(sorted(step.waits_for))
        if child is None:
            word = "NotStarted" if is_live(run) else "Skipped"
            found.append(Step(key, step.name, word, waits))
        else:
            found.append(_step_of(child, key, waits))
    return found


def _step_of(child: Document, key: str, waits_for: tuple[str, ...]) -> Step:
    start = child.get("startTimeUtc") or child.get("createdUtc")
    return Step(key, name_of(child), shown_status(child), waits_for, child["runId"], start, child.get("endTimeUtc"))


def failure_of(parts: Parts, workspace: Workspace, run: Document) -> Failure | None:
    """Return why a run failed, with the end of the log of the step that failed first."""
    if run["status"] != RunStatus.FAILED:
        return None
    part = failed_part(parts, workspace, run)
    message = error_of(part) or f"The status is {part['status']}."
    name = main_log(parts, workspace, part)
    lines = []
    if name:
        path = artifact_file(parts.files, workspace, part, name)
        lines = logs.tail(path, parts.redactor, FAILURE_LINES)
    return Failure(part, message, lines, name)


def error_of(run: Document) -> str:
    """Return the message of the error that a run ended with; empty without one."""
    error = (run.get("error") or {}).get("error") or {}
    return str(error.get("message") or "")


def failed_part(parts: Parts, workspace: Workspace, run: Document) -> Document:
    """Return the innermost run that failed first, or the run itself when nothing below it failed."""
    below = run_records.children(parts.store, workspace.id, run["runId"])
    failed = [child for child in below if child["status"] == RunStatus.FAILED]
    if not failed:
        return run
    return failed_part(parts, workspace, min(failed, key=lambda child: str(child["endTimeUtc"])))


def log_names(parts: Parts, workspace: Workspace, run: Document) -> list[str]:
    """Return the logs of a run; the one that has two names is named once."""
    found = list(log_paths(parts.files, workspace, run, MOST_LOGS))
    names = [name for name in found if is_readable(name) and (name != DRIVER_LOG or STANDARD_LOG not in found)]
    return sorted(names, key=lambda name: (name not in (STANDARD_LOG, DRIVER_LOG), name))


def main_log(parts: Parts, workspace: Workspace, run: Document) -> str:
    """Return the log that a reader wants first; empty where there is none."""
    return next(iter(log_names(parts, workspace, run)), "")


def lineage_of(parts: Parts, workspace: Workspace, run: Document) -> Lineage:
    """Return the data that a run and its steps read, the models registered by them, the services of these."""
    family = [run, *run_records.children(parts.store, workspace.id, run["runId"])]
    ids = {one["runId"] for one in family}
    every = models.find(parts.store, workspace, {}, latest_only=False)
    found = [model for _, model in every if _names_one(model, ids)]
    placed = chain.from_iterable(serving(parts, workspace, model) for model in found)
    served = {(place.id, service["name"]): (place, service) for place, service in placed}
    return Lineage(data_read(parts, workspace, family), found, list(served.values()))


def data_read(parts: Parts, workspace: Workspace, family: list[Document]) -> list[Document]:
    """Return name and version of each dataset that a run or one of its steps read."""
    read = chain.from_iterable(one.get("inputDatasets") or [] for one in family)
    data = [_data_set(parts, workspace, entry) for entry in read]
    named = {(one["name"], one["version"], "" if one["name"] else one["saved"]): one for one in data}
    return list(named.values())


def _names_one(model: Document, run_ids: set[str]) -> bool:
    """Tell whether a model was registered by one of these runs, or says so in a tag or property."""
    told = {**(model.get("kvTags") or {}), **(model.get("properties") or {})}
    return model["runId"] in run_ids or bool(run_ids & {value for value in told.values() if isinstance(value, str)})


def _data_set(parts: Parts, workspace: Workspace, entry: Document) -> Document:
    """Return name and version of a dataset that a run read; both empty for an unregistered one."""
    identifier = entry.get("identifier") or {}
    saved = str(identifier.get("savedId") or "")
    versions = datasets.versions_of_definition(parts.store, workspace.id, saved) if saved else []
    named = versions[0] if versions else {}
    return {"name": named.get("name", ""), "version": named.get("versionId", ""), "saved": saved}
