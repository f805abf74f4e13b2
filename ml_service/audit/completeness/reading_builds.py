"""Read builds and their approvals from Azure DevOps: those that entries name, and others of the same pipelines."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace

from ml_service.audit.completeness.of_builds import approver_of, builds_of, named_approval, rejection_of
from ml_service.audit.completeness.population import Anchor, BuildFacts, OtherBuild
from ml_service.azure_devops.approvals import Approval, Status, read_approvals, read_by_id, read_rejections
from ml_service.azure_devops.builds import EndedBuild, list_ended, read_build, succeeded_stages
from ml_service.azure_devops.client import AzureDevOps, AzureDevOpsError
from ml_service.production.chain.entry import Entry

UNASKED = (
    "builds, their approvals and rejections, and build tags: no job token of Azure DevOps (SYSTEM_ACCESSTOKEN) or of "
    "GitHub (GITHUB_TOKEN), so nobody was asked"
)
_MOST_BUILDS, _MOST_OTHERS = 200, 100
_WRITING = ("Production", "Rollback")
"""How the stages begin whose command always writes to the ledger when it succeeds."""
Builds = Mapping[str, BuildFacts | None]


def read_builds(
    project: AzureDevOps, entries: Sequence[Entry], stem: str, unread: list[str]
) -> dict[str, BuildFacts | None]:
    """The newest builds that entries name. stem: of the problem file; unread: gets failures."""
    named: dict[str, list[Entry]] = {}
    for entry in entries:
        for build_id in builds_of(entry):
            named.setdefault(build_id, []).append(entry)
    numbers = sorted(named, key=int, reverse=True)
    found: dict[str, BuildFacts | None] = {}
    for build_id in numbers[:_MOST_BUILDS]:
        try:
            found[build_id] = _build(project, build_id, named[build_id], stem, unread)
        except AzureDevOpsError as error:
            unread.append(f"build {build_id}: {error.happened}")
    if len(numbers) > _MOST_BUILDS:
        unread.append(f"builds before {numbers[_MOST_BUILDS - 1]}: only {_MOST_BUILDS} are asked for")
    return found


def _build(
    project: AzureDevOps, build_id: str, entries: Sequence[Entry], stem: str, unread: list[str]
) -> BuildFacts | None:
    state = read_build(project, build_id)
    if state is None:
        return None
    facts = BuildFacts(build_id, state.result, state.tags, state.definition)
    told = filter(None, (named_approval(entry, build_id) for entry in entries))
    ids = {approval_id for approval_id, _ in told if approval_id}
    try:
        approvals = read_by_id(project, build_id, state.status, ids) if ids else {}
        approvers = _who_approved(approvals)
        if {approver_of(entry, build_id) for entry in entries} - {""} - approvers:
            approvers |= _who_approved(_of_problem(read_approvals(project, build_id), stem))
        is_told = any(rejection_of(entry, build_id) for entry in entries)
        rejections = read_rejections(project, build_id, _stages_of(entries, stem)) if is_told else ()
    except AzureDevOpsError as error:
        unread.append(f"the approvals of build {build_id}: {error.happened}")
        return facts
    return replace(facts, approvals=approvals, approvers=approvers, rejections=rejections)


def _stages_of(entries: Sequence[Entry], stem: str) -> Callable[[str], bool]:
    """Whether a stage is of this problem: by its name, or because its entries have asked for it."""
    asked = {str(entry.details.get("stage", "")) for entry in entries}
    return lambda stage: stage in asked or _is_of(stem, stage)


def _is_of(stem: str, stage: str) -> bool:
    return stage.partition("_")[2] == stem


def _who_approved(approvals: Mapping[str, Approval]) -> frozenset[str]:
    return frozenset(one.person for one in approvals.values() if one.status is Status.APPROVED)


def _of_problem(by_stage: Mapping[str, Approval], stem: str) -> dict[str, Approval]:
    return {stage: approval for stage, approval in by_stage.items() if _is_of(stem, stage)}


def read_others(
    project: AzureDevOps, entries: Sequence[Entry], builds: Builds, stem: str, unread: list[str]
) -> tuple[OtherBuild, ...]:
    """Return the builds of the same pipelines that no entry names although they did something that is recorded."""
    definitions = {build.definition for build in builds.values() if build and build.definition}
    if not definitions:
        return ()
    named = {build_id for entry in entries for build_id in builds_of(entry)}
    try:
        listed = list_ended(project, definitions, entries[0].when, _MOST_BUILDS)
    except AzureDevOpsError as error:
        unread.append(f"builds that no entry names: {error.happened}")
        return ()
    others = [build for build in listed if build.id not in named]
    if len(listed) == _MOST_BUILDS or len(others) > _MOST_OTHERS:
        unread.append(f"builds that no entry names: only the newest {_MOST_OTHERS} are looked at")
    return tuple(filter(None, (_other(project, build, stem, unread) for build in others[:_MOST_OTHERS])))


def _other(project: AzureDevOps, build: EndedBuild, stem: str, unread: list[str]) -> OtherBuild | None:
    """What a build has done for this problem; None where that leaves no entry."""
    try:
        stages = [stage for stage in succeeded_stages(project, build.id) if _is_of(stem, stage)]
        approvals = _of_problem(read_approvals(project, build.id), stem)
    except AzureDevOpsError as error:
        unread.append(f"build {build.id}: {error.happened}")
        return None
    did = [f"{stage} succeeded" for stage in stages if stage.startswith(_WRITING)]
    for stage, approval in approvals.items():
        if approval.status in (Status.APPROVED, Status.REJECTED):
            did.append(f"{stage} was {approval.status} by {approval.person}")
    return OtherBuild(build.id, tuple(did), build.finished, build.requested_for) if did else None


def anchors_of_tags(build: BuildFacts, problem: str) -> Iterator[Anchor]:
    """The entries that tags of a build note, as `Entry.tag` writes them."""
    prefix = f"ledger.{problem}."
    for tag in build.tags:
        number, _, sha256 = tag.removeprefix(prefix).partition(".")
        if tag.startswith(prefix) and number.isdecimal() and len(sha256) == len(f"{0:064}"):
            yield Anchor(f"tag of build {build.id}", int(number), sha256)
