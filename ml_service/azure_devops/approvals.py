"""The approval of a stage of a build, read from Azure DevOps: who said what of it, and when.

The timeline of a build has a record of the type Checkpoint.Approval below the stage that asks; its id is that of the
approval (learn.microsoft.com/rest/api/azure/devops/approvalsandchecks/approvals/query, .../build/timeline/get).
A stage that was run again names the timelines of its earlier attempts.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ml_service.azure_devops.client import AzureDevOps, AzureDevOpsError
from ml_service.errors import FaultError

MAX_COMMENT_CHARACTERS = 2_000
_MAX_NAME_CHARACTERS = 200
MAX_ATTEMPTS = 10
"""Of a stage that was run again: the newest ones are read."""
_MAX_LEVELS = 20
"""Of records of a timeline above one another, which has five."""
_APPROVAL, _STAGE = "Checkpoint.Approval", "Stage"


class Status(StrEnum):
    """How an approval stands; whatever else the service says counts as ended."""

    PENDING = "pending"
    APPROVED = "approved"
    REJECTED = "rejected"
    ENDED = "ended"
    """Nobody has decided, and nobody will: it timed out, was skipped, or its build was canceled before."""


@dataclass(frozen=True)
class Approval:
    """The approval of one stage of one build."""

    status: Status
    person: str = ""
    """Who approved or rejected it; empty while nobody has."""
    comment: str = ""
    when: str = ""
    """UTC; empty while nobody has decided."""
    approval_id: str = ""
    said: str = ""
    """The service's own word for the status."""
    rejected_before: Approval | None = None
    """The newest rejection of an earlier attempt of the stage, which somebody has run again since."""


Ask = Callable[[str, str], Approval | None]
"""Returns the approval of a build's stage, by id and name; None if unknown."""


class _Told(BaseModel):
    """What is read of a document; the service has more, and may leave out what it has not."""

    model_config = ConfigDict(extra="ignore", frozen=True)


class _Build(_Told):
    status: str


class _Attempt(_Told):
    timeline_id: str = Field(alias="timelineId")


class _Record(_Told):
    id: str
    parent_id: str | None = Field(default=None, alias="parentId")
    type: str
    identifier: str | None = None
    previous: tuple[_Attempt, ...] | None = Field(default=None, alias="previousAttempts")


class _Timeline(_Told):
    records: tuple[_Record, ...] = ()


class _Person(_Told):
    name: str = Field(default="", alias="displayName")


class _Step(_Told):
    status: str = ""
    comment: str | None = None
    when: str | None = Field(default=None, alias="lastModifiedOn")
    approver: _Person | None = Field(default=None, alias="actualApprover")


class _Approval(_Told):
    id: str
    status: str
    when: str | None = Field(default=None, alias="lastModifiedOn")
    steps: tuple[_Step, ...] = ()


class _Approvals(_Told):
    value: tuple[_Approval, ...] = ()


def reader_of(read: Ask, kind: str, note: Callable[[str], None]) -> Ask:
    """Return the function that reads each approval once; what cannot be read is unknown.

    read: asks a service; kind: what that calls a build. note: prints failures.
    """
    known: dict[tuple[str, str], Approval | None] = {}

    def ask(build_id: str, stage: str) -> Approval | None:
        if not stage or not (build_id.isascii() and build_id.isdecimal()):
            return None
        if (build_id, stage) not in known:
            try:
                known[build_id, stage] = read(build_id, stage)
            except FaultError as error:
                note(f"the approval of {kind} {build_id} cannot be read: {error}")
                known[build_id, stage] = None
        return known[build_id, stage]

    return ask


def read_approval(project: AzureDevOps, build_id: str, stage: str) -> Approval:
    """What has become of the approval of a stage. Raises: AzureDevOpsError."""
    with _as_documented(build_id):
        build = _Build.model_validate(project.get(f"build/builds/{build_id}"))
        timeline = _Timeline.model_validate(project.get(f"build/builds/{build_id}/timeline"))
        asked = _asked(timeline).get(stage, [])
        now = _answer(project, build, asked) if asked else _undecided(build, "not asked for")
        before = next(_rejections_before(project, build_id, timeline, stage), None)
        return replace(now, rejected_before=before)


def read_approvals(project: AzureDevOps, build_id: str) -> dict[str, Approval]:
    """The approvals that a build has asked for, by stage. Raises: AzureDevOpsError."""
    with _as_documented(build_id):
        build = _Build.model_validate(project.get(f"build/builds/{build_id}"))
        timeline = _Timeline.model_validate(project.get(f"build/builds/{build_id}/timeline"))
        return {stage: _answer(project, build, asked) for stage, asked in _asked(timeline).items()}


def read_by_id(
    project: AzureDevOps, build_id: str, status: str, approval_ids: Collection[str]
) -> dict[str, Approval]:
    """Approvals of a build by their ids, without those that Azure DevOps does not have. Raises: AzureDevOpsError.

    Each stands for itself, whatever other approvals the same stage has asked for. status: of the build.
    """
    with _as_documented(build_id):
        found = _fetched(project, sorted(approval_ids))
    return {approval.id: _together(_Build(status=status), (approval,)) for approval in found}


def read_rejections(project: AzureDevOps, build_id: str, is_asked: Callable[[str], bool]) -> tuple[Approval, ...]:
    """Every rejection of the stages that are asked for, also in their earlier attempts. Raises: AzureDevOpsError."""
    with _as_documented(build_id):
        timeline = _Timeline.model_validate(project.get(f"build/builds/{build_id}/timeline"))
        stages = {record.identifier for record in timeline.records if record.type == _STAGE}
        found = list[Approval]()
        for stage in sorted(stage for stage in stages if stage and is_asked(stage)):
            found += _rejected(project, _asked(timeline).get(stage, []))
            found += _rejections_before(project, build_id, timeline, stage)
    return tuple(found)


@contextmanager
def _as_documented(build_id: str) -> Iterator[None]:
    try:
        yield
    except ValidationError as mistakes:
        first = mistakes.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        raise AzureDevOpsError(
            f"Azure DevOps told something else of build {build_id} than its documentation says",
            found=f"{place}: {first['msg']}",
        ) from None


def _rejections_before(project: AzureDevOps, build_id: str, timeline: _Timeline, stage: str) -> Iterator[Approval]:
    """The rejections in earlier attempts of a stage, the newest first: each attempt has a timeline of its own."""
    attempts = [
        attempt
        for record in timeline.records
        if record.type == _STAGE and record.identifier == stage
        for attempt in record.previous or ()
    ]
    for attempt in reversed(attempts[-MAX_ATTEMPTS:]):
        earlier = _Timeline.model_validate(project.get(f"build/builds/{build_id}/timeline/{attempt.timeline_id}"))
        yield from _rejected(project, _asked(earlier).get(stage, []))


def _rejected(project: AzureDevOps, asked: list[str]) -> Iterator[Approval]:
    found = (approval for approval in _fetched(project, asked) if approval.status == Status.REJECTED)
    return (_decided(Status.REJECTED, approval) for approval in found)


def _answer(project: AzureDevOps, build: _Build, asked: list[str]) -> Approval:
    return _together(build, _fetched(project, asked))


def _fetched(project: AzureDevOps, asked: list[str]) -> tuple[_Approval, ...]:
    if not asked:
        return ()
    query = {"approvalIds": ",".join(asked), "$expand": "steps"}
    return _Approvals.model_validate(project.get("pipelines/approvals", query)).value


def _asked(timeline: _Timeline) -> dict[str, list[str]]:
    """Return the ids of the approvals in a timeline, by stage."""
    records, asked = {record.id: record for record in timeline.records}, dict[str, list[str]]()
    for record in timeline.records:
        if record.type == _APPROVAL:
            asked.setdefault(_stage_of(record, records), []).append(record.id)
    return asked


def _stage_of(record: _Record, records: dict[str, _Record]) -> str:
    found: _Record | None = record
    for _ in range(_MAX_LEVELS):
        if found is None or found.type == _STAGE:
            break
        found = records.get(found.parent_id or "")
    return (found.identifier or "") if found is not None and found.type == _STAGE else ""


def _together(build: _Build, approvals: tuple[_Approval, ...]) -> Approval:
    """One answer of several approvals: a single no decides, and all must be a yes."""
    rejected = [one for one in approvals if one.status == Status.REJECTED]
    if rejected:
        return _decided(Status.REJECTED, rejected[0])
    if approvals and all(one.status == Status.APPROVED for one in approvals):
        return _decided(Status.APPROVED, approvals[-1])
    open_ones = [one for one in approvals if one.status != Status.APPROVED]
    if open_ones and all(one.status in (Status.PENDING, "uninitiated", "deferred") for one in open_ones):
        return _undecided(build, "canceled")
    return Approval(Status.ENDED, said=open_ones[0].status if open_ones else "absent")


def _undecided(build: _Build, said: str) -> Approval:
    """Nobody has decided: of a build that has ended, nobody will."""
    is_over = build.status == "completed"
    return Approval(Status.ENDED, said=said) if is_over else Approval(Status.PENDING, said="pending")


def _decided(status: Status, approval: _Approval) -> Approval:
    step = next((one for one in approval.steps if one.status == status), _Step())
    return Approval(
        status=status,
        person=(step.approver.name if step.approver else "")[:_MAX_NAME_CHARACTERS],
        comment=(step.comment or "")[:MAX_COMMENT_CHARACTERS],
        when=_utc(step.when or approval.when or ""),
        approval_id=approval.id,
        said=approval.status,
    )


def _utc(text: str) -> str:
    """A moment of the service as the ledger writes it; empty where it is none."""
    try:
        return datetime.fromisoformat(text).astimezone(UTC).isoformat(timespec="seconds")
    except (ValueError, OverflowError):
        return ""
