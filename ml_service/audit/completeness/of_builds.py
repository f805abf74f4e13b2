"""Findings about builds: those that are gone, their approvals, and those that no entry names."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from ml_service.audit.completeness.finding import Finding
from ml_service.audit.completeness.population import BuildFacts, Population
from ml_service.audit.events import kinds
from ml_service.azure_devops.approvals import Approval, Status
from ml_service.github.approvals import tells
from ml_service.production.candidates.candidate import State
from ml_service.production.candidates.events import move_of
from ml_service.production.chain import deployments
from ml_service.production.chain.entry import Entry

_DECIDED = {kinds.APPROVAL_GIVEN: Status.APPROVED, kinds.APPROVAL_REFUSED: Status.REJECTED}
_NOBODY = ("", "unknown")


def findings(found: Population) -> Iterator[Finding]:
    """What is not as Azure DevOps or GitHub tells it; nothing where neither was asked."""
    for build_id, told in (found.builds or {}).items():
        entries = [entry for entry in found.chain.entries if build_id in builds_of(entry)]
        if told is None:
            yield Finding("build-gone", f"build {build_id}", expected=f"it, as entry {entries[0].sequence} names it")
        elif told.approvals is not None:
            for entry in entries:
                yield from _approval(entry, told, told.approvals)
        elif told.reviews is not None:
            for entry in entries:
                yield from _reviewed(entry, build_id, told.reviews)
    for other in found.other_builds:
        did = f"{'; '.join(other.did)}; requested for {other.requested_for}, ended {other.finished}"
        yield Finding("build-unrecorded", f"build {other.id}", did, "an entry that names it")


def compared_builds(builds: Mapping[str, BuildFacts | None] | None) -> frozenset[str]:
    """The builds whose approvals were compared with Azure DevOps or GitHub."""
    asked = ((build, told) for build, told in (builds or {}).items() if told is not None)
    return frozenset(build for build, told in asked if told.approvals is not None or told.reviews is not None)


def _approval(entry: Entry, build: BuildFacts, approvals: Mapping[str, Approval]) -> Iterator[Finding]:
    """Return the findings where an entry and Azure DevOps differ about the approval of a build."""
    subject = f"entry {entry.sequence} about build {build.id}"
    if (named := named_approval(entry, build.id)) is not None:
        approval_id, recorded = named
        found = approvals.get(approval_id)
        if found is None or _facts(found) != _facts(recorded):
            yield Finding("approval-differs", subject, _worded(found), _worded(recorded))
    approver = approver_of(entry, build.id)
    if approver and approver not in build.approvers:
        found_names = f"approved by {', '.join(sorted(build.approvers))}" if build.approvers else "approved by nobody"
        yield Finding("approval-differs", subject, found_names, f"approved by {approver}")
    rejection = rejection_of(entry, build.id)
    if rejection is not None and not any(_tells(one, rejection) for one in build.rejections):
        told = " and ".join(map(_worded, build.rejections)) or "no rejection"
        yield Finding("approval-differs", subject, told, _worded(rejection))


def _reviewed(entry: Entry, run_id: str, reviews: Sequence[Approval]) -> Iterator[Finding]:
    """Return the findings where an entry and the reviews of a run on GitHub differ."""
    named, approver = named_approval(entry, run_id), approver_of(entry, run_id)
    recorded = (
        named[1] if named else None,
        Approval(Status.APPROVED, approver) if approver else None,
        rejection_of(entry, run_id),
    )
    for one in recorded:
        if one is not None and not tells(reviews, one):
            told = " and ".join(map(_worded, reviews)) or "no review"
            yield Finding("approval-differs", f"entry {entry.sequence} about run {run_id}", told, _worded(one))


def _tells(found: Approval, recorded: Approval) -> bool:
    """Whether it is the rejection that a candidate's entry records, which has its time where it tells one."""
    same = (found.person, found.comment) == (recorded.person, recorded.comment)
    return same and found.when in ("", recorded.when)


def _facts(approval: Approval) -> tuple[str, ...]:
    return (approval.status, approval.person, approval.comment, approval.when)


def _worded(approval: Approval | None) -> str:
    if approval is None:
        return "no such approval"
    comment = f": {approval.comment}" if approval.comment else ""
    when = f", {approval.when}" if approval.when else ""
    return f"{approval.status} by {approval.person or 'nobody'}{when}{comment}"


def named_approval(entry: Entry, build_id: str) -> tuple[str, Approval] | None:
    """Return the id and the data of the approval of a build in an entry; None if it records no approval.

    One that ended without a person has no id.
    """
    status, told = _DECIDED.get(entry.event), entry.details
    if status is None or str(told.get("build_id", "")) != build_id:
        return None
    person, comment, decided = (str(told.get(name, "")) for name in ("person", "comment", "decided"))
    recorded = Approval(status, "" if person in _NOBODY else person, comment, decided)
    return str(told.get("approval_id", "")), recorded


def rejection_of(entry: Entry, build_id: str) -> Approval | None:
    """The rejection in a build of the candidate that an entry is about; None if it records none."""
    move = move_of(entry)
    if move is None or move.state is not State.REJECTED or move.build_id != build_id:
        return None
    return Approval(Status.REJECTED, move.person, move.reason, move.since)


def approver_of(entry: Entry, build_id: str) -> str:
    """Who has approved a deployment by this build, as its entry tells; empty where it does not."""
    if entry.event != deployments.STARTED or entry.build_id != build_id:
        return ""
    approver = str(entry.details["record"].get("approver", ""))
    return "" if approver in _NOBODY else approver


def builds_of(entry: Entry) -> set[str]:
    """The builds that an entry names, by their numbers in Azure DevOps."""
    named = {entry.build_id, str(entry.details.get("build_id", ""))}
    return {build for build in named if build.isascii() and build.isdecimal()}
