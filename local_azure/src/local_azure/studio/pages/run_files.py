"""Files of a run: its logs with search, its artifacts and its code with previews, and the bytes themselves."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from starlette.responses import Response, StreamingResponse

from local_azure.machine_learning.domain.data import snapshots
from local_azure.machine_learning.domain.data.artifacts import run_artifact, run_paths
from local_azure.machine_learning.domain.data.blobs import content
from local_azure.machine_learning.domain.runs import experiments, run_records
from local_azure.machine_learning.domain.runs.run_files import artifact_file
from local_azure.machine_learning.domain.workspace.workspaces import Workspace
from local_azure.machine_learning.errors import not_found
from local_azure.studio.access import headers
from local_azure.studio.pages.visit import Section, Visit, address
from local_azure.studio.reading import logs
from local_azure.studio.reading import run_facts as facts
from local_azure.studio.reading.file_names import listed
from local_azure.studio.reading.shown_file import shown_file
from local_azure.studio.views.previews import media_type

PAGES = Section()
_RUN = "/w/{workspace}/runs/{run_id}"
Document = dict[str, Any]


def _run(visit: Visit) -> Document:
    return run_records.require(visit.parts.store, visit.workspace.id, visit.part("run_id"))


def above(visit: Visit, workspace: Workspace, run: Document, *, itself: bool = False) -> list[tuple[str, str]]:
    """Return addresses and names of the pages above a run, the outermost first; itself: above a page of its files."""
    key, store = visit.part("workspace"), visit.parts.store
    experiment = experiments.by_id(store, workspace.id, run["experimentId"])["name"]
    found = [(address("w", key, "runs", run["runId"]), facts.name_of(run))] if itself else []
    while run.get("parentRunId"):
        run = run_records.require(store, workspace.id, run["parentRunId"])
        found.insert(0, (address("w", key, "runs", run["runId"]), facts.name_of(run)))
    outer = [(address("w", key, "runs"), "Runs"), (address("w", key, "runs", experiment=experiment), experiment)]
    return outer + found


@PAGES.get(_RUN + "/log")
def log(visit: Visit) -> Response:
    """A window of a log from its end, or the lines of it that hold a text."""
    parts, workspace, run = visit.parts, visit.workspace, _run(visit)
    names = facts.log_names(parts, workspace, run)
    name = visit.query("name") or next(iter(names), "")
    if name and name not in names:
        raise not_found("Log", name)
    path = artifact_file(parts.files, workspace, run, name) if name else Path("/nonexistent")
    wanted = visit.query("q")
    hits, is_all = logs.search(path, parts.redactor, wanted)
    return visit.page(
        "log.html.j2",
        run=run,
        title=facts.name_of(run),
        status=facts.shown_status(run),
        above=above(visit, workspace, run, itself=True),
        names=names,
        name=name,
        wanted=wanted,
        hits=hits,
        most_hits=logs.MOST_HITS,
        is_all=is_all,
        window=logs.read_window(path, parts.redactor, visit.number("end")),
        raw=address("w", visit.part("workspace"), "runs", run["runId"], "raw", path=name) if name else "",
        events=address("w", visit.part("workspace"), "runs", run["runId"], "events") if facts.is_live(run) else "",
    )


@PAGES.get(_RUN + "/files")
def files(visit: Visit) -> Response:
    """The artifacts of a run, and a preview of one."""
    run, workspace = _run(visit), visit.workspace
    name, after = visit.file_name("path"), visit.file_name("after")
    here = ("w", visit.part("workspace"), "runs", run["runId"])
    file = None
    if name:
        path = run_artifact(run, name).require_file(visit.parts.files, workspace)
        file = shown_file(name, path, visit.parts.redactor, address(*here, "raw", path=name))
    return visit.page(
        "files.html.j2",
        heading="Artifacts",
        title=facts.name_of(run),
        above=above(visit, workspace, run, itself=True),
        listed=listed(run_paths(visit.parts.files, workspace, run, after=after)),
        begins_after=after,
        listing=address(*here, "files"),
        file=file,
    )


@PAGES.get(_RUN + "/code")
def code(visit: Visit) -> Response:
    """The files of the snapshot that a run was made from, and a preview of one."""
    run, workspace = _run(visit), visit.workspace
    snapshot = str(run["properties"].get("ContentSnapshotId") or "")
    if not snapshot:
        raise not_found("Snapshot", "of this run", "Only runs of scripts have one.")
    found = snapshots.files_of(visit.parts.store, workspace, snapshot)
    here = ("w", visit.part("workspace"), "runs", run["runId"])
    name, after, file = visit.file_name("path"), visit.file_name("after"), None
    if name:
        if name not in found:
            raise not_found("File", name, "It is not in the snapshot of this run.")
        path = visit.parts.files.path(workspace.artifact_container, found[name]["blob"])
        file = shown_file(name, path, visit.parts.redactor, address(*here, "code", "raw", path=name))
    return visit.page(
        "files.html.j2",
        heading="Code",
        title=facts.name_of(run),
        above=above(visit, workspace, run, itself=True),
        listed=listed(each for each in sorted(found) if each > after),
        begins_after=after,
        listing=address(*here, "code"),
        file=file,
    )


@PAGES.get(_RUN + "/raw")
def raw(visit: Visit) -> Response:
    """The bytes of an artifact."""
    name = visit.file_name("path")
    return foreign_file(visit, name, run_artifact(_run(visit), name).require_file(visit.parts.files, visit.workspace))


@PAGES.get(_RUN + "/code/raw")
def raw_code(visit: Visit) -> Response:
    """The bytes of a file of a snapshot."""
    name, run = visit.file_name("path"), _run(visit)
    found = snapshots.files_of(visit.parts.store, visit.workspace, run["properties"].get("ContentSnapshotId", ""))
    if name not in found:
        raise not_found("File", name)
    return foreign_file(visit, name, visit.parts.files.path(visit.workspace.artifact_container, found[name]["blob"]))


def foreign_file(visit: Visit, name: str, path: Path) -> Response:
    """Answer with a file that others have written, in a sandbox of its own."""
    length = path.stat().st_size
    chunks = content(visit.parts.redactor, path, 0, length)
    sandbox = headers.foreign(visit.request.headers.get("sec-fetch-dest", ""))
    return StreamingResponse(chunks, headers={**sandbox, "Content-Length": str(length)}, media_type=media_type(name))
