"""Runs of Azure Pipelines YAML: the list, one run, its logs and files, and the answer to its approvals."""

from __future__ import annotations

from collections.abc import Hashable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from starlette.responses import Response

from local_azure.machine_learning.errors import ApiError, bad_request, conflict, not_found
from local_azure.pipelines.run.builds.answers import settle
from local_azure.pipelines.run.builds.evidence import CHANGED, Evidence
from local_azure.pipelines.run.builds.record import MOST_COMMENT_CHARACTERS, Decision, local_person
from local_azure.studio.pages.live import live_updates
from local_azure.studio.pages.run_files import foreign_file
from local_azure.studio.pages.visit import Section, Visit, address, key_of
from local_azure.studio.reading import logs, origins, pipeline_run_files, pipeline_runs
from local_azure.studio.reading.file_names import is_readable
from local_azure.studio.reading.pipeline_runs import WAITING, Part, PipelineRun
from local_azure.studio.reading.shown_file import ShownFile, shown_file
from local_azure.studio.views import previews
from local_azure.studio.views.charts import bar
from local_azure.studio.views.formats import duration, seconds_between
from local_azure.studio.views.graphs import Node, draw
from local_azure.studio.views.statuses import status

PAGES = Section()
ON_A_PAGE = 30
FAILURE_LINES = 25
SHOWN_CARDS = 20
MOST_SUMMARY_BYTES = 1024 * 1024
_STEP_BYTES = 512 * 1024
_ARTIFACTS = "artifacts/"
MOST_LINKED = 20  # artifacts beside a question
_ONE = "/builds/{number}"
Document = dict[str, Any]


class Refused(NamedTuple):
    """An answer that is not recorded, because the evidence has changed since it was shown."""

    approval_id: str
    comment: str


@dataclass(frozen=True)
class Question:
    """An open approval with its cards, the artifacts that it is about, and the SHA-256 of all that it is about.

    refused: why the last answer is not recorded; its comment is offered again.
    """

    cards: list[ShownFile]
    files: list[str]
    evidence: str
    refused: str
    comment: str


@PAGES.get("/builds")
def builds(visit: Visit) -> Response:
    """The newest runs; those that wait for somebody first."""
    root = visit.parts.state.pipeline_runs
    found = list(pipeline_runs.newest(root, ON_A_PAGE + 1, visit.number("before")))
    shown = found[:ON_A_PAGE]
    return visit.page(
        "builds.html.j2",
        waiting=pipeline_runs.waiting(root),
        runs=shown,
        older=address("builds", before=str(shown[-1].number)) if len(found) > ON_A_PAGE else "",
    )


def _run(visit: Visit) -> PipelineRun:
    return pipeline_runs.require(visit.parts.state.pipeline_runs, visit.part("number"))


@PAGES.get(_ONE)
def build(visit: Visit) -> Response:
    """One run on one page: questions first, then errors, then everything else."""
    return _page(visit, _run(visit))


def _page(visit: Visit, run: PipelineRun, refused: Refused | None = None) -> Response:
    """Show a run, and the answer that was not recorded."""
    # Before the cards are read: a change in between must refuse the answer, too.
    evidence = pipeline_run_files.evidence(run) if run.is_live else {}
    result = pipeline_run_files.result_of(run)
    names, is_cut = pipeline_run_files.documents(run)
    documents = _documents(visit, run, names)
    questions = {key: _question(documents, found, key, refused) for key, found in evidence.items()}
    closed = [one for one in run.approvals if one.id not in questions]
    shown_then = {one.id: _cards(documents, pipeline_run_files.shown_with(run, one)) for one in closed}
    in_place = [question.cards for question in questions.values()] + list(shown_then.values())
    with_approval = {card.name for cards in in_place for card in cards}
    return visit.page(
        "build.html.j2",
        409 if refused else 200,
        run=run,
        questions=questions,
        shown_then=shown_then,
        is_refused=refused is not None,
        seconds=run.seconds,
        documents=[shown for shown in documents if shown.name not in with_approval],
        is_cut=is_cut,
        failures=_failures(run, visit),
        issues=result.get("issues") or [],
        tags=run.tags,
        graph=_graph(run.stages, address("builds", str(run.number))),
        timeline=_timeline(run),
        summaries=[_summary(path) for path in pipeline_run_files.summaries(run)],
        artifacts=pipeline_run_files.kept_files(run, "artifacts").names,
        uploads=pipeline_run_files.kept_files(run, "files").names,
        made=_made(visit, run),
        most_comment=MOST_COMMENT_CHARACTERS,
    )


def _made(visit: Visit, run: PipelineRun) -> dict[str, list[tuple[str, Document]]]:
    """Return the runs, models and services that a build has made, each with the workspace of its address."""
    made, known = origins.made_by(visit.parts, run.number), visit.parts.workspaces.all()

    def placed(found: list[origins.Placed]) -> list[tuple[str, Document]]:
        return [(key_of(place, known), one) for place, one in found]

    return {"runs": placed(made.runs), "models": placed(made.models), "services": placed(made.services)}


def _question(documents: list[ShownFile], evidence: Evidence, approval_id: str, refused: Refused | None) -> Question:
    cards = _cards(documents, evidence.files)
    shown = {card.name for card in cards}
    names = [name.removeprefix(_ARTIFACTS) for name in evidence.files if name.startswith(_ARTIFACTS)]
    files = [name for name in names if name not in shown and is_readable(name)][:MOST_LINKED]
    if refused is None or refused.approval_id != approval_id:
        return Question(cards, files, evidence.sha256, refused="", comment="")
    return Question(cards, files, evidence.sha256, refused=f"{CHANGED}, then answer again.", comment=refused.comment)


def _cards(documents: list[ShownFile], files: tuple[str, ...]) -> list[ShownFile]:
    """Return the approval cards among these files of a run."""
    cards = [shown for shown in documents if shown.document_kind == "approval_card"]
    return [card for card in cards if f"{_ARTIFACTS}{card.name}" in files]


def _documents(visit: Visit, run: PipelineRun, names: list[str]) -> list[ShownFile]:
    """Return the documents that a project has handed over and the studio can show: cards and boards."""
    found = []
    for name in names:
        with suppress(ApiError, OSError):  # what cannot be read must not hide the question
            found.append(_shown(visit, run, "artifacts", name))
    return [shown for shown in found if shown.document_kind][:SHOWN_CARDS]


def _shown(visit: Visit, run: PipelineRun, kind: str, name: str) -> ShownFile:
    raw = address("builds", str(run.number), "raw", kind, path=name)
    return shown_file(name, pipeline_run_files.file_of(run, kind, name), visit.parts.redactor, raw)


def _failures(run: PipelineRun, visit: Visit) -> list[tuple[Part, Part | None, list[logs.Line]]]:
    """Return each failed job with its failed step and the end of that step's output."""
    found = []
    for job in [job for stage in run.stages for job in stage.parts if job.status.lower() == "failed"]:
        step = next((step for step in job.parts if step.status.lower() == "failed"), None)
        path = pipeline_run_files.log_of(run, job.label)
        lines = pipeline_run_files.section(path, step.title, _STEP_BYTES) if step else []
        shown = [logs.line_of(text) for text in lines[-FAILURE_LINES:]]
        found.append((job, step, shown or logs.tail(path, visit.parts.redactor, FAILURE_LINES)))
    return found


def _graph(stages: list[Part], base: str) -> object:
    nodes = [
        Node(
            key=stage.label,
            title=stage.title,
            status=status(stage.status),
            waits_for=stage.waits_for,
            note="" if stage.status == WAITING else _took(stage),
            address=f"{base}#stage-{stage.label}",
        )
        for stage in stages
    ]
    return draw(nodes, "Stages of this run and what each waits for")


def _took(part: Part) -> str:
    return duration(seconds_between(part.start, part.end)) if part.start and part.status.lower() != "skipped" else ""


def _timeline(run: PipelineRun) -> list[tuple[Part, str, object]]:
    """Return each stage with its bar, on the scale of the whole run."""
    begun = [stage for stage in run.stages if stage.start and stage.status.lower() != "skipped"]
    if not begun:
        return []
    origin = min(stage.start for stage in begun)
    whole = max(seconds_between(origin, stage.end) or 0.0 for stage in begun)
    rows: list[tuple[Part, str, object]] = []
    for stage in begun:
        start, end = seconds_between(origin, stage.start) or 0.0, seconds_between(origin, stage.end) or 0.0
        rows.append((stage, _took(stage), bar(start, end, whole, status(stage.status).tone)))
    return rows


def _summary(path: Path) -> tuple[str, object]:
    with path.open("rb") as stream:
        text = stream.read(MOST_SUMMARY_BYTES).decode(errors="replace")
    heading = next((line.lstrip("# ") for line in text.splitlines() if line.startswith("#")), "")
    return heading or path.name.partition("-")[2] or path.name, previews.markdown(text)


@PAGES.get(_ONE + "/log/{label}")
def log(visit: Visit) -> Response:
    """The log of a job, or of one of its steps."""
    run, label = _run(visit), visit.part("label")
    path = pipeline_run_files.log_of(run, label)
    wanted, title = visit.query("q"), visit.query("step")
    hits, is_all = logs.search(path, visit.parts.redactor, wanted)
    window = logs.read_window(path, visit.parts.redactor, visit.number("end"))
    if title:
        texts = pipeline_run_files.section(path, title, _STEP_BYTES)
        if not texts and window.size > logs.SEARCHED_BYTES:
            texts = ["This step has written nothing into the last 32 MiB of the log of the job."]
        window = logs.Window([logs.line_of(text) for text in texts], 0, window.size, window.size)
    job = next((part for stage in run.stages for part in stage.parts if part.label == label), None)
    return visit.page(
        "build_log.html.j2",
        run=run,
        label=label,
        job=job,
        shown_part=next((step for step in job.parts if step.title == title), job) if job else None,
        step=title,
        wanted=wanted,
        hits=hits,
        most_hits=logs.MOST_HITS,
        is_all=is_all,
        window=window,
        events=address("builds", str(run.number), "events") if run.is_live else "",
    )


@PAGES.get(_ONE + "/log/{label}/raw")
def raw_log(visit: Visit) -> Response:
    """The log of a job as a file."""
    path = pipeline_run_files.log_of(_run(visit), visit.part("label"))
    if not path.is_file():
        raise not_found("Log", visit.part("label")[:80], "The job has written none.")
    return foreign_file(visit, path.name, path)


@PAGES.get(_ONE + "/files/{kind}")
def files(visit: Visit) -> Response:
    """Artifacts or uploaded files, and a preview of one."""
    run, kind, name = _run(visit), visit.part("kind"), visit.file_name("path")
    if kind not in ("artifacts", "files"):
        raise not_found("Folder", kind[:40])
    return visit.page(
        "files.html.j2",
        heading="Artifacts" if kind == "artifacts" else "Uploaded files",
        title=f"{run.name} {run.build.get('buildNumber', run.number)}",
        above=[
            (address("builds"), "Pipeline runs"),
            (address("builds", str(run.number)), f"{run.name} {run.title}"),
        ],
        listed=pipeline_run_files.kept_files(run, kind, visit.file_name("after")),
        begins_after=visit.file_name("after"),
        listing=address("builds", str(run.number), "files", kind),
        file=_shown(visit, run, kind, name) if name else None,
    )


@PAGES.get(_ONE + "/raw/{kind}")
def raw(visit: Visit) -> Response:
    """The bytes of one of these files."""
    run, name = _run(visit), visit.file_name("path")
    return foreign_file(visit, name, pipeline_run_files.file_of(run, visit.part("kind"), name))


@PAGES.get(_ONE + "/events")
def events(visit: Visit) -> Response:
    """Live updates of a run."""
    root, number = visit.parts.state.pipeline_runs, visit.part("number")
    _run(visit)

    def state() -> Hashable | None:
        run = pipeline_runs.require(root, number)
        if not run.is_live:
            return None
        logged = sum(path.stat().st_size for path in (run.folder / "logs").glob("*.log"))
        steps = sum(len(job.parts) for stage in run.stages for job in stage.parts)
        return (logged, steps, *(stage.status for stage in run.stages), *(one.status for one in run.approvals))

    return live_updates(state, visit.site.stopping)


@PAGES.post(_ONE + "/approvals/{approval_id}")
def answer(visit: Visit) -> Response:
    """Approve or reject; the first answer counts."""
    run, comment = _run(visit), visit.field("comment").strip()
    asked = next((one for one in run.approvals if one.id == visit.part("approval_id")), None)
    if asked is None:
        raise not_found("Approval", visit.part("approval_id")[:40])
    if visit.field("answer") not in ("approve", "reject"):
        raise bad_request("Choose Approve or Reject.")
    is_yes = visit.field("answer") == "approve"
    if not is_yes and not comment:
        raise bad_request("A rejection needs a comment, so that the requester and the record know the reason.")
    if not asked.is_open or not run.is_live:
        raise conflict(f"This approval is closed: {asked.status}{f' by {asked.person}' if asked.person else ''}.")
    if visit.field("evidence") != pipeline_run_files.evidence(run)[asked.id].sha256:
        return _page(visit, run, Refused(asked.id, comment))
    given = Decision(is_yes, local_person(), comment, visit.field("evidence"))
    counted = settle(run.folder, asked.id, given)
    if counted != given:
        word = "approved" if counted.approved else "rejected"
        raise conflict(f"{counted.person} was faster: {word}. Your answer and its comment are not recorded.")
    return visit.see(address("builds", str(run.number)))
