"""Runs of Azure Pipelines YAML as pages show them: from the record of the build and its course."""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from local_azure.machine_learning.errors import not_found
from local_azure.pipelines.run.builds.answers import answer_of
from local_azure.pipelines.run.builds.progress import read_progress
from local_azure.pipelines.run.builds.record import is_alive, read_record
from local_azure.studio.views.formats import seconds_between
from local_azure.studio.views.statuses import is_notable

WAITING = "waiting for approval"
REJECTED = "rejected"
MOST_RUNS_READ = 200  # the newest ones
_READABLE_TAG = 60  # characters
_REASONS = {"pullRequest": "pull request", "individualCI": "push", "batchedCI": "push"}
Document = dict[str, Any]


@dataclass(frozen=True)
class Approval:
    """One question: whether a stage may deploy to an environment."""

    id: str
    environment: str
    stage: str
    """Its title; `label` is its name."""
    label: str
    status: str
    asked: str
    decided: str
    person: str
    comment: str

    @property
    def is_open(self) -> bool:
        """Whether somebody is still asked."""
        return self.status == "pending"

    @property
    def took(self) -> float | None:
        """Seconds until the answer; None without one."""
        return seconds_between(self.asked, self.decided) if self.decided else None


@dataclass
class Part:
    """A stage, job or step. kind: "stage", "job" or "step". why: it was skipped."""

    label: str
    title: str
    status: str = "notStarted"
    waits_for: tuple[str, ...] = ()
    condition: str = ""
    why: str = ""
    start: str = ""
    end: str = ""
    parts: list[Part] = field(default_factory=list)


@dataclass(frozen=True)
class PipelineRun:
    """One run."""

    folder: Path
    build: Document
    approvals: list[Approval]
    stages: list[Part]
    course: list[Document]

    @property
    def number(self) -> int:
        """Its build id."""
        return int(self.folder.name)

    @property
    def is_live(self) -> bool:
        """Whether it may still change."""
        return bool(self.build.get("status") != "completed")

    @property
    def status(self) -> str:
        """What its badge shows."""
        if self.is_live:
            return WAITING if any(one.is_open for one in self.approvals) else "Running"
        return REJECTED if self._rejection else str(self.build.get("result", "unknown"))

    @property
    def _rejection(self) -> Approval | None:
        """The answer that ended it; None if something else has failed, too."""
        rejected = [one for one in self.approvals if one.status == REJECTED]
        has_failed = any(stage.status == "failed" for stage in self.stages)
        return rejected[0] if rejected and self.build.get("result") == "failed" and not has_failed else None

    @property
    def plan(self) -> Document:
        """What it was queued with; empty for a run of an earlier version."""
        return _plan(self.course)

    @property
    def tests(self) -> list[Document]:
        """The test results that jobs have published."""
        found = [line for line in self.course if isinstance(line.get("tests"), dict)]
        return [{**line["tests"], "label": line.get("label", "")} for line in found]

    @property
    def coverage(self) -> list[Document]:
        """The coverage that jobs have published."""
        return [line["coverage"] for line in self.course if isinstance(line.get("coverage"), dict)]

    @property
    def commit(self) -> str:
        """The commit that it ran; empty outside of a repository."""
        found = str(self.build.get("sourceVersion") or "")
        return found if found.strip("0") else ""

    @property
    def title(self) -> str:
        """What people call it: its build number."""
        return str(self.build.get("buildNumber") or self.number)

    @property
    def branch(self) -> str:
        """The branch that it ran, without the beginning that all have."""
        return str(self.build.get("sourceBranch") or "").removeprefix("refs/heads/")

    @property
    def reason(self) -> str:
        """What started it, in words."""
        given = str(self.build.get("reason") or "")
        return _REASONS.get(given, given)

    @property
    def person(self) -> str:
        """Who started it."""
        found = self.build.get("requestedFor")
        return str(found.get("displayName") or "") if isinstance(found, dict) else ""

    @property
    def started(self) -> str:
        """When it started; while it has not, when it was queued."""
        return str(self.build.get("startTime") or self.build.get("queueTime") or "")

    @property
    def seconds(self) -> float | None:
        """How long it took so far; None where its process died, so that nobody knows when it ended."""
        ended = self.build.get("finishTime")
        return seconds_between(self.started, ended) if ended or self.is_live else None

    @property
    def why(self) -> str:
        """What explains its status: who rejected it and why, which stage failed, whose answer it did not get."""
        if (rejection := self._rejection) is not None:
            return f"by {rejection.person}{f': {rejection.comment}' if rejection.comment else ''}"
        if self.status == "failed":
            return next((f"in {stage.title}" for stage in self.stages if stage.status == "failed"), "")
        asked = [one for one in self.approvals if one.status == "canceled"] if self.status == "canceled" else []
        return f"before {asked[0].environment} was answered" if asked else ""

    @property
    def tags(self) -> list[str]:
        """Its build tags, each once: what deserves attention first, long ones last."""
        given = self.build.get("tags")
        tags = list(dict.fromkeys(map(str, given))) if isinstance(given, list) else []
        return sorted(tags, key=lambda tag: (not is_notable(tag), len(tag) > _READABLE_TAG))

    @property
    def name(self) -> str:
        """The name of the pipeline's file; of a run of an earlier version, that of its definition."""
        if isinstance(self.plan.get("file"), str):
            return Path(self.plan["file"]).name
        return str((self.build.get("definition") or {}).get("name") or "pipeline")

    def part(self, label: str) -> Part:
        """Return a stage or job; raises a 404."""
        for stage in self.stages:
            for part in (stage, *stage.parts):
                if part.label == label:
                    return part
        raise not_found("Job", label, f"Run {self.number} has none of that name.")


def _numbers(root: Path) -> list[int]:
    """Return the numbers of all runs, the newest first."""
    if not root.is_dir():
        return []
    with os.scandir(root) as entries:
        names = [entry.name for entry in entries]
    return sorted((int(name) for name in names if name.isascii() and name.isdigit()), reverse=True)


def newest(root: Path, most: int, before: int | None = None) -> Iterator[PipelineRun]:
    """Yield the newest runs below a folder; those that cannot be read are left out."""
    chosen = [number for number in _numbers(root) if before is None or number < before]
    for number in chosen[:most]:
        run = _read(root / str(number))
        if run is not None:
            yield run


def waiting(root: Path) -> list[PipelineRun]:
    """Return the runs that wait for an approval, the oldest first. Only runs whose process lives are read."""
    alive = [number for number in _numbers(root)[:MOST_RUNS_READ] if is_alive(root / str(number))]
    found = [_read(root / str(number)) for number in alive]
    return [run for run in found if run is not None and run.status == WAITING][::-1]


def find(root: Path, number: str) -> PipelineRun | None:
    """Return one run; None where there is none of that number."""
    return _read(root / number) if number.isascii() and number.isdigit() and len(number) < 10 else None


def require(root: Path, number: str) -> PipelineRun:
    """Return one run; raises a 404."""
    run = find(root, number)
    if run is None:
        raise not_found("Pipeline run", number[:20])
    return run


def _read(folder: Path) -> PipelineRun | None:
    record = read_record(folder)
    if record is None:
        return None
    lines = read_progress(folder)
    records = record["timeline"]["records"]
    stages = _stages(records, lines)
    approvals = [_approval(folder, one, records) for one in record["approvals"]]
    asking = {one.stage for one in approvals if one.is_open}
    rejected = {one.label for one in approvals if one.status == REJECTED}
    for stage in stages:
        if stage.title in asking and stage.status == "inProgress":
            stage.status = WAITING
        elif stage.label in rejected and stage.status == "failed":
            stage.status = REJECTED
    return PipelineRun(folder, record["build"], approvals, stages, lines)


def _plan(course: list[Document]) -> Document:
    return next((line["plan"] for line in course if isinstance(line.get("plan"), dict)), {})


def _approval(folder: Path, found: Document, records: list[Document]) -> Approval:
    by_id = {one.get("id"): one for one in records}
    checkpoint = by_id.get((by_id.get(found["id"]) or {}).get("parentId")) or {}
    stage = by_id.get(checkpoint.get("parentId")) or {}
    step: Document = next(iter(found.get("steps") or []), {})
    status = str(found.get("status", ""))
    answer = answer_of(folder, str(found["id"])) if status == "pending" else None
    if answer is not None:  # given a moment ago; the run has not noticed yet
        status = "approved" if answer.approved else REJECTED
    return Approval(
        id=str(found["id"]),
        environment=str((found.get("resource") or {}).get("name", "")),
        stage=str(stage.get("name", "")),
        label=str(stage.get("identifier", "")),
        status=status,
        asked=str(found.get("createdOn", "")),
        decided=str(step.get("lastModifiedOn", "")),
        person=answer.person if answer else str((step.get("actualApprover") or {}).get("displayName", "")),
        comment=answer.comment if answer else str(step.get("comment", "")),
    )


def _stages(records: list[Document], lines: list[Document]) -> list[Part]:
    """The stages of the record; with the course also their jobs and steps, conditions and reasons."""
    planned = {str(stage.get("name")): stage for stage in _plan(lines).get("stages") or []}
    found = []
    for record in records:
        if record.get("type") != "Stage":
            continue
        label = str(record.get("identifier", ""))
        known = planned.get(label) or {}
        part = Part(
            label=label,
            title=str(record.get("name") or label),
            status=_status_of(record),
            waits_for=tuple(known.get("waits_for") or ()),
            condition=str(known.get("condition") or ""),
            start=str(record.get("startTime") or ""),
            end=str(record.get("finishTime") or ""),
        )
        part.parts = [_planned_job(job) for job in known.get("jobs") or []]
        found.append(part)
    _apply(found, lines)
    return found


def _status_of(record: Document) -> str:
    if record.get("state") == "completed":
        return str(record.get("result") or "unknown")
    return "notStarted" if record.get("state") == "pending" else "inProgress"


def _planned_job(job: Document) -> Part:
    label = str(job.get("label"))
    waits = tuple(job.get("waits_for") or ())
    return Part(label, str(job.get("title") or label), waits_for=waits, condition=str(job.get("condition") or ""))


def _apply(stages: list[Part], lines: list[Document]) -> None:
    """Note the lines of the course at the parts that they tell of."""
    jobs = {job.label: job for stage in stages for job in stage.parts}
    by_name = {stage.label: stage for stage in stages}
    for line in lines:
        if "step" in line:
            _apply_step(jobs.get(str(line["step"])), line)
            continue
        part = by_name.get(str(line.get("stage"))) or jobs.get(str(line.get("job")))
        if part is not None:
            part.why = str(line.get("why") or part.why)
            if "job" in line:
                _note(part, line)


def _apply_step(job: Part | None, line: Document) -> None:
    if job is None:
        return
    if line.get("result") is None:
        job.parts.append(Part(job.label, str(line.get("title") or "step")))
    if job.parts:
        _note(job.parts[-1], line)


def _note(part: Part, line: Document) -> None:
    at = dt.datetime.fromtimestamp(float(line.get("at") or 0), dt.UTC).isoformat()
    if line.get("result") is None:
        part.status, part.start = "inProgress", at
    else:
        part.status, part.end = str(line["result"]), at
