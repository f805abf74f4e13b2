"""Compose the card of a release, a redeployment or a rollback from what was read; a pure function."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from forecasting.decision.record import DecisionRecord
from ml_service.audit.approval.card import (
    SHOWN_HASH,
    ApprovalCard,
    Asked,
    Earlier,
    Improvement,
    Kind,
    Target,
    Verdict,
)
from ml_service.audit.approval.facts import (
    at_acceptance,
    by_part_of,
    data_change,
    measured_of,
    release_improvement,
    rollback_improvement,
    same_model,
    serving_of,
    verdict_of,
    version_of,
)
from ml_service.audit.serving import Now
from ml_service.output.decision_table import warnings_of
from ml_service.output.moments import shown_moment
from ml_service.production.ledger import Content, Record

_BEFORE = {
    "rejected": "This model was rejected",
    "rolled back": "This model was released before, and rolled back",
    "undone": "A release of this model was undone",
}
_TITLES = {"release": "Release of", "redeploy": "Redeployment of", "rollback": "Rollback to"}


@dataclass(frozen=True)
class Proposal:
    """What is asked for, and all that is known about it."""

    kind: Kind
    problem: str
    content: Content
    """What would serve."""
    decision: DecisionRecord | None
    """The decision about its model; None where it cannot be read."""
    now: Now | None
    """What serves; None where nothing does."""
    asked: Asked
    target: Target
    earlier: tuple[Earlier, ...] = ()
    take_over: str = ""
    """Why a service that was changed by hand may be replaced."""
    restores: Record | None = None
    """The deployment that a rollback restores."""
    unfinished: tuple[str, ...] = ()
    """Deployments that have not ended, one sentence each."""
    report: str = ""
    max_age_days: int | None = None
    """How old the newest data may be, by the problem file; None where it sets no limit."""


def card_of(proposal: Proposal) -> ApprovalCard:
    """The card of a proposal."""
    now, improvement = proposal.now, _improvement(proposal)
    return ApprovalCard(
        schema_version=1,
        kind=proposal.kind,
        problem=proposal.problem,
        title=f"{_TITLES[proposal.kind]} {proposal.content.model}",
        serves_now=serving_of(now) if now else None,
        proposed=version_of(proposal.content, proposal.decision),
        target=proposal.target,
        verdict=_verdict(proposal),
        improvement=improvement,
        measured=measured_of(now, proposal.content, proposal.decision),
        by_part=by_part_of(now, proposal.content, proposal.decision),
        asked=proposal.asked,
        data=data_change(now, proposal.decision),
        earlier=proposal.earlier,
        warnings=tuple(_warnings(proposal, improvement)),
        restores=proposal.restores.id if proposal.restores else "",
        if_approved=_if_approved(proposal),
        if_rejected=_if_rejected(proposal),
        report=proposal.report,
    )


def _verdict(proposal: Proposal) -> Verdict:
    verdict = verdict_of(proposal.decision)
    return verdict if proposal.kind == "release" else at_acceptance(verdict, proposal.decision)


def _improvement(proposal: Proposal) -> Improvement:
    if proposal.kind == "redeploy":
        return same_model(proposal.now, proposal.content)
    if proposal.kind == "rollback":
        return rollback_improvement(proposal.now, proposal.content, proposal.decision)
    if proposal.decision is None:
        return Improvement(share=None, metric="", sentence="Unknown, because its decision cannot be read")
    return release_improvement(proposal.decision)


def _warnings(proposal: Proposal, improvement: Improvement) -> Iterator[str]:
    """What to weigh first, the gravest first."""
    verdict = verdict_of(proposal.decision)
    if verdict.status != "accepted":
        yield f"The gate did not accept this version. {verdict.sentence}" if verdict.override else verdict.sentence
    if count := proposal.asked.uncommitted_changes:
        files = "1 uncommitted change" if count == 1 else f"{count} uncommitted changes"
        commit = proposal.asked.commit[:SHOWN_HASH]
        yield f"This build runs with {files}: commit {commit} does not describe what ran"
    for item in _unanswered(proposal):
        happened = f"{_BEFORE[item.what]} on {shown_moment(item.when)} by {item.who}"
        yield f"{happened}: {item.reason or 'no reason was given'}"
    if proposal.take_over:
        yield f"A service that was changed by hand is replaced, and that work is lost: {proposal.take_over}"
    elif proposal.now is not None and proposal.now.finding:
        yield proposal.now.finding
    yield from (f"A deployment is unfinished: {line}" for line in proposal.unfinished)
    if proposal.kind == "release" and improvement.share is not None and improvement.share < 0:
        yield f"According to the measurements, the forecasts get worse: {improvement.sentence}"
    yield from _about_data(proposal)
    if proposal.kind == "release" and proposal.decision is not None:
        yield from warnings_of(proposal.decision.evidence)


def _unanswered(proposal: Proposal) -> list[Earlier]:
    """List what happened to the same model and still matters.

    Whoever approved the deployment that a rollback restores has answered what was known of them until then.
    """
    since = proposal.restores.started if proposal.restores else ""
    return [item for item in proposal.earlier if item.when > since]


def _about_data(proposal: Proposal) -> Iterator[str]:
    """A challenger that has seen less of the past than what serves, or than the problem demands, is no step forward.

    The contract has checked the age before the training; an approval may be asked for long after it.
    """
    decision, now = proposal.decision, proposal.now
    if proposal.kind != "release" or decision is None:
        return
    ours = decision.evidence.data.last_date
    theirs = now.decision.evidence.data.last_date if now is not None and now.decision is not None else ours
    if now is not None and ours < theirs:
        yield f"Its data is older than that of {now.content.model}, which serves: it ends on {ours}, not on {theirs}"
    limit, age = proposal.max_age_days, (datetime.fromisoformat(proposal.asked.when).date() - ours).days
    if limit is not None and age > limit:
        allowed = f"contract.max_age_days of the problem allows {limit}"
        yield f"Its data is too old: it ends on {ours}, {age} days before this request; {allowed}"


def _if_approved(proposal: Proposal) -> str:
    target, ours = proposal.target, proposal.content.model
    place = f"service {target.service} in workspace {target.workspace}"
    checked = (
        "Whether the deployment works is checked: its live answers must equal the model's own forecast; if one "
        f"differs, {_what_serves(proposal)} is restored automatically. Callers keep address and keys."
    )
    if proposal.kind == "redeploy":
        return f"{ours} is deployed again to {place}, with {_changes(proposal)}. {checked}"
    if proposal.kind == "rollback":
        when = shown_moment(proposal.restores.started) if proposal.restores else "an earlier deployment"
        moved = "It becomes champion, and the next scheduled training runs the pipeline that trained it."
        code = f"with the scoring script and environment that it had on {when}"
        return f"{ours} is deployed to {place}, {code}. {moved} {checked}"
    if proposal.now is None:
        return (
            f"{ours} is the first version that serves, as {place}. Whether the deployment works is checked: its live "
            "answers must equal the model's own forecast; if one differs, the service is deleted again."
        )
    return f"{ours} replaces {proposal.now.content.model} as {place}, and becomes champion. {checked}"


def _if_rejected(proposal: Proposal) -> str:
    stays = f"{_what_serves(proposal)} keeps serving" if proposal.now else "Nothing serves, as now"
    said = "Say why in the comment. This build ends red and runs nothing further; nothing in production is changed"
    if proposal.kind == "release":
        ours = proposal.content.model
        recorded = "the next training, release or rollback records it as rejected, with the comment"
        return f"{stays}. {said}; {ours} stays registered, and {recorded}."
    return f"{stays}. {said}; the rejection and its comment stay with this build."


def _what_serves(proposal: Proposal) -> str:
    return proposal.now.content.model if proposal.now else "what was before"


def _changes(proposal: Proposal) -> str:
    """What a redeployment changes, by the hashes."""
    if proposal.now is None:
        return "the code of this commit"
    before, after = version_of(proposal.now.content, None), version_of(proposal.content, None)
    parts = {"scoring script": "scoring_sha256", "environment": "environment_sha256"}
    changed = [name for name, field in parts.items() if getattr(before, field) != getattr(after, field)]
    return f"another {' and another '.join(changed)}" if changed else "the same code: nothing would change"
