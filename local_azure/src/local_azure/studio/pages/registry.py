"""What a workspace keeps: datasets, models, compute, environments."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import Any

from starlette.responses import Response

from local_azure.machine_learning.domain.data import dataset_paths, datasets, datastores
from local_azure.machine_learning.domain.runs import run_records
from local_azure.machine_learning.domain.serving import model_files, models, services
from local_azure.machine_learning.domain.workspace import compute, environments
from local_azure.machine_learning.domain.workspace.workspaces import Workspace
from local_azure.machine_learning.errors import ApiError, not_found
from local_azure.machine_learning.storage.files import files_below
from local_azure.studio.pages.run_files import foreign_file
from local_azure.studio.pages.visit import Section, Visit, address, key_of
from local_azure.studio.reading import measured, origins, pipeline_runs
from local_azure.studio.reading.run_facts import data_read, name_of
from local_azure.studio.reading.shown_file import ShownFile, shown_file
from local_azure.studio.views.previews import pretty, without_secrets

PAGES = Section()
MOST_FILES = 100
MOST_LOOKED_AT = 10_000  # files below a folder, of which a pattern chooses
MOST_USES = 50
REPORT = "report.html"
_W = "/w/{workspace}"
Document = dict[str, Any]


# --- data


@PAGES.get(_W + "/data")
def data(visit: Visit) -> Response:
    """The datasets of a workspace with their latest versions."""
    found, _ = datasets.page(visit.parts.store, visit.workspace.id, None, 1_000)
    return visit.page("data.html.j2", found=found)


@PAGES.get(_W + "/data/{name}")
def data_set(visit: Visit) -> Response:
    """The versions of a dataset; of the chosen one its files, a preview and the runs that read it."""
    workspace, name = visit.workspace, visit.part("name")
    chosen = datasets.require_version(visit.parts.store, workspace.id, name, visit.query("version"))
    saved = datasets.require_saved(visit.parts.store, workspace.id, chosen["savedDatasetId"])
    files, problem = _files_of(visit, workspace, saved)
    return visit.page(
        "data_set.html.j2",
        name=name,
        chosen=chosen,
        versions=datasets.versions(visit.parts.store, workspace.id, name)[::-1],
        files=[label for label, _ in files],
        problem=problem,
        preview=_preview(visit, files, name, chosen["versionId"]),
        uses=_runs_that_read(visit, workspace, chosen["savedDatasetId"]),
    )


def _files_of(visit: Visit, workspace: Workspace, saved: Document) -> tuple[list[tuple[str, Path]], str]:
    """Return names and places of the files of a dataset, and why they cannot be listed."""
    found: list[tuple[str, Path]] = []
    try:
        for source in dataset_paths.sources(workspace, saved):
            base = datastores.readable_path(
                visit.parts.store, visit.parts.files, workspace, source.datastore, source.base
            )
            if base.is_file():
                found.append((source.base, base))
                continue
            labels = ((f"{source.base}/{inside}".strip("/"), base / inside) for inside in files_below(base))
            matching = (pair for pair in islice(labels, MOST_LOOKED_AT) if source.matches(pair[0]))
            found += islice(matching, MOST_FILES - len(found))
    except ApiError as error:
        return found, error.message
    return found[:MOST_FILES], ""


def _preview(visit: Visit, files: list[tuple[str, Path]], name: str, version: str) -> ShownFile | None:
    """Return the preview of the file that the address asks for, else of the first one."""
    wanted = visit.file_name("path")
    for label, path in files:
        if label == wanted or not wanted:
            raw = address("w", visit.part("workspace"), "data", name, "raw", version=version, path=label)
            return shown_file(label, path, visit.parts.redactor, raw)
    return None


@PAGES.get(_W + "/data/{name}/raw")
def raw_data(visit: Visit) -> Response:
    """The bytes of a file of a dataset."""
    workspace, name = visit.workspace, visit.part("name")
    version = datasets.require_version(visit.parts.store, workspace.id, name, visit.query("version"))
    saved = datasets.require_saved(visit.parts.store, workspace.id, version["savedDatasetId"])
    files, _ = _files_of(visit, workspace, saved)
    for label, path in files:
        if label == visit.file_name("path"):
            return foreign_file(visit, label, path)
    raise not_found("File", visit.file_name("path"))


def _runs_that_read(visit: Visit, workspace: Workspace, saved_id: str) -> list[tuple[Document, str]]:
    """Return the newest runs that read a version, with their names."""
    sql = (
        "SELECT id FROM entity WHERE workspace = ? AND kind = 'run' "
        "AND instr(json_extract(doc, '$.inputDatasets'), ?) > 0 ORDER BY seq DESC LIMIT ?"
    )
    rows = visit.parts.store.rows(sql, (workspace.id, saved_id, MOST_USES))
    runs = [run_records.require(visit.parts.store, workspace.id, row["id"]) for row in rows]
    return [(run, name_of(run)) for run in runs]


# --- models


@PAGES.get(_W + "/models")
def all_models(visit: Visit) -> Response:
    """The latest version of each model, and where it serves."""
    workspace = visit.workspace
    found = [model for _, model in models.find(visit.parts.store, workspace, {}, latest_only=True)]
    served = _served(visit)
    return visit.page("models.html.j2", found=[(model, served.get(model["name"], [])) for model in found])


def _served(visit: Visit) -> dict[str, list[tuple[str, str, str]]]:
    """Return, by name of a model, the services of all workspaces that hold one of that name.

    Each as (workspace, service, version); the version is a number of that workspace.
    """
    found: dict[str, list[tuple[str, str, str]]] = {}
    known = visit.parts.workspaces.all()
    for place in known:
        for service in services.find(visit.parts.store, place, {}):
            for model_id in sorted(origins.held(service)):
                name, _, version = model_id.rpartition(":")
                found.setdefault(name, []).append((key_of(place, known), service["name"], version))
    return found


@PAGES.get(_W + "/models/{name}")
def model_versions(visit: Visit) -> Response:
    """The versions of one model; the chosen one in full."""
    workspace, name = visit.workspace, visit.part("name")
    found = [model for _, model in models.find(visit.parts.store, workspace, {"name": name}, latest_only=False)]
    if not found:
        raise not_found("Model", name)
    wanted = visit.query("version") or str(found[0]["version"])
    chosen = next((model for model in found if str(model["version"]) == wanted), None)
    if chosen is None:
        raise not_found("Model", f"{name}:{wanted}")
    files = _model_files(visit, workspace, chosen)
    place, run = origins.run_of(visit.parts, workspace, chosen)
    family = [run, *run_records.children(visit.parts.store, place.id, run["runId"])] if run else []
    known = visit.parts.workspaces.all()
    return visit.page(
        "model.html.j2",
        name=name,
        versions=found,
        chosen=chosen,
        served=[(key_of(each, known), one) for each, one in origins.serving(visit.parts, workspace, chosen)],
        data=data_read(visit.parts, place, family),
        build=pipeline_runs.find(visit.parts.state.pipeline_runs, origins.build_of(chosen)),
        files=sorted(files),
        preview=_model_preview(visit, chosen, files),
        run=run,
        place=key_of(place, known),
        metrics=measured.of_family(visit.parts, place, family),
        pipeline=run["rootRunId"] if run else "",
    )


def _model_files(visit: Visit, workspace: Workspace, model: Document) -> dict[str, Path]:
    """Return the files of a model; none where they are gone."""
    try:
        return model_files.files_of(visit.parts.store, visit.parts.files, workspace, model)
    except ApiError:
        return {}


def _model_preview(visit: Visit, model: Document, files: dict[str, Path]) -> ShownFile | None:
    """Return the preview of the file that the address asks for, else of the report, else of none."""
    report = next((name for name in files if name.rpartition("/")[2] == REPORT), "")
    name = visit.file_name("path") or report
    if not name:
        return None
    if name not in files:
        raise not_found("File", name)
    version = str(model["version"])
    raw = address("w", visit.part("workspace"), "models", model["name"], "raw", version=version, path=name)
    return shown_file(name, files[name], visit.parts.redactor, raw)


@PAGES.get(_W + "/models/{name}/raw")
def raw_model_file(visit: Visit) -> Response:
    """The bytes of a file of a model."""
    workspace, name = visit.workspace, visit.file_name("path")
    model = models.require(visit.parts.store, workspace, f"{visit.part('name')}:{visit.query('version')}")
    files = _model_files(visit, workspace, model)
    if name not in files:
        raise not_found("File", name)
    return foreign_file(visit, name, files[name])


# --- compute and environments


@PAGES.get(_W + "/compute")
def computes(visit: Visit) -> Response:
    """Compute targets and environments, which only name what Azure would provide."""
    workspace = visit.workspace
    return visit.page(
        "compute.html.j2",
        clusters=compute.find_all(visit.parts.store, workspace),
        environments=[
            (each["name"], each["version"], pretty(without_secrets(each)))
            for each in environments.latest_definitions(visit.parts.store, workspace)
        ],
    )
