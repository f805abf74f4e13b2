"""The kinds of events that this package writes, each as the entry of the ledger that tells it.

None of them changes production, so none needs the lease. Numbers are decimal texts, so that every reader writes them
in the same way.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from azure_ml.errors import ExplainedError
from azure_ml.pipelines.runs import Run, RunStatus, one_word
from forecasting.decision.blocks import Rule
from forecasting.decision.record import DecisionRecord
from forecasting.inbox.tables import Acceptance, CheckedTable
from ml_service.azure_devops.approvals import Approval, Status
from ml_service.production.chain.deployments import Actor
from ml_service.production.chain.entry import NONE, Event

DATA_ACCEPTED, DATA_REFUSED, DATA_QUARANTINED = "data.accepted", "data.refused", "data.quarantined"
RUN = "run."
GATE_DECIDED, OVERRIDE_GRANTED = "gate.decided", "override.granted"
APPROVAL = "approval."
APPROVAL_REQUESTED, APPROVAL_GIVEN = f"{APPROVAL}requested", f"{APPROVAL}given"
APPROVAL_REFUSED = f"{APPROVAL}refused"
SCHEDULE_CHANGED, EXPORT_MADE, BUILD_RETAINED = "schedule.changed", "export.made", "build.retained"
REQUEST = "request."
REQUEST_REFUSED, REQUEST_FAILED = f"{REQUEST}refused", f"{REQUEST}failed"
_RUN_EVENTS = {RunStatus.FINISHED: "finished", RunStatus.FAILED: "failed", RunStatus.CANCELED: "canceled"}
_ANSWERS = {Status.APPROVED: "given", Status.REJECTED: "refused", Status.ENDED: "ended"}
_LONGEST_TEXT, _MOST_FINDINGS, _MOST_RULES = 1_000, 20, 60
_LONGEST_FINDING = 200
"""Characters; as ASCII they take up to twelve bytes each, and an entry may have 64 KiB."""
_FAULTS = (1, 124)
"""Exit codes of a request that nobody has refused: something broke, or took too long."""


@dataclass(frozen=True)
class Table:
    """A table that was delivered. version: in the data set; None where it did not become one."""

    dataset: str
    version: int | None
    sha256: str
    file: str = ""
    rows: int | None = None
    first_date: str = ""
    last_date: str = ""

    @classmethod
    def of_checked(cls, table: CheckedTable, dataset: str, version: int) -> Table:
        """A table that has kept its contract."""
        return cls(dataset, version, table.sha256, table.path.name, table.rows, table.first_date, table.last_date)


def _event(event: str, subject: str, what: str, actor: Actor, evidence: Mapping[str, str], **details: Any) -> Event:
    return Event(
        event=event,
        subject=subject,
        what=what[:_LONGEST_TEXT],
        before=NONE,
        after=NONE,
        evidence={name: sha256 for name, sha256 in evidence.items() if sha256},
        details={name: value for name, value in details.items() if value not in (None, "")},
        **actor,
    )


def data_accepted(table: Table, actor: Actor, acceptance: Acceptance | None = None, **details: Any) -> Event:
    """A table has become a data version. acceptance: of a person, where its delivery was unusual."""
    subject = f"{table.dataset}:{table.version}"
    told = {**_facts(table), "acceptance": asdict(acceptance) if acceptance else None, **details}
    return _event(DATA_ACCEPTED, subject, f"{subject} was registered", actor, {"data_sha256": table.sha256}, **told)


def data_quarantined(table: Table, findings: tuple[str, ...], actor: Actor, **details: Any) -> Event:
    """A delivered file waits for a person."""
    subject = f"{table.dataset}/{table.file}"
    told = {**_facts(table), "findings": _shortened(findings), **details}
    return _event(
        DATA_QUARANTINED, subject, f"{subject} was quarantined", actor, {"data_sha256": table.sha256}, **told
    )


def _facts(table: Table) -> dict[str, Any]:
    return {
        "dataset": table.dataset,
        "file": table.file,
        "rows": None if table.rows is None else str(table.rows),
        "first_date": table.first_date,
        "last_date": table.last_date,
    }


def _shortened(findings: tuple[str, ...]) -> list[str]:
    told = [finding[:_LONGEST_FINDING] for finding in findings[:_MOST_FINDINGS]]
    more = len(findings) - _MOST_FINDINGS
    return [*told, f"and {more} more findings"] if more > 0 else told


def run_ended(
    run: Run, status: str, decision: DecisionRecord | None, actor: Actor, *, report_sha256: str, **details: Any
) -> Iterator[Event]:
    """A training run has ended; with a decision also what the gate has said, and that a person has overridden it.

    status: as `one_word`; decision: None where the run has none that verifies.
    """
    word, properties = _RUN_EVENTS[RunStatus(one_word(status))], run.properties
    evidence = {name: properties.get(name, "") for name in ("data_sha256", "decision_sha256")}
    told = {
        "experiment": run.experiment,
        "number": str(run.number),
        "begun": run.created,
        "ended": run.ended,
        "outcome": properties.get("outcome", ""),
        "reason": properties.get("reason", ""),
        "requested_for": properties.get("requested_for", ""),
        **details,
    }
    identified = {**actor, "identity": run.created_by}
    yield _event(f"{RUN}{word}", run.id, f"training run {run.id} {word}", identified, evidence, **told)
    if decision is not None:
        yield from _decided(run.id, decision, report_sha256, actor, details)


def _decided(
    run_id: str, decision: DecisionRecord, report_sha256: str, actor: Actor, more: Mapping[str, Any]
) -> Iterator[Event]:
    evidence, context = decision.evidence, decision.context
    hashes = {
        "decision_sha256": decision.sha256,
        "policy_sha256": evidence.policy_sha256,
        "model_sha256": evidence.challenger.model_sha256,
        "data_sha256": evidence.data.data_sha256,
        "report_sha256": report_sha256,
    }
    told = {
        "outcome": evidence.outcome,
        "reason": evidence.reason,
        "sentence": evidence.sentence[:_LONGEST_TEXT],
        "asked_because": context.reason,
        "decided_at": context.decided_at,
        "trained_by_build": context.build_id,
        "trained_at_commit": context.commit,
        "compared_with": (context.champion.version if context.champion else "") or NONE,
        "rules": [_rule(rule) for rule in evidence.rules[:_MOST_RULES]],
        **more,
    }
    # an override is an event of its own
    what = f"the gate decided on run {run_id}: {evidence.gate.outcome}, {evidence.gate.reason}"
    yield _event(GATE_DECIDED, run_id, what, actor, hashes, **told)
    if evidence.override is not None:
        granted = {"person": evidence.override.person, "reason": evidence.override.reason}
        gate = {"gate_outcome": evidence.gate.outcome, "gate_reason": evidence.gate.reason}
        what = f"{evidence.override.person} overrode the gate on run {run_id}"
        yield _event(OVERRIDE_GRANTED, run_id, what, actor, hashes, **granted, **gate, **more)


def _rule(rule: Rule) -> dict[str, str]:
    """A rule with what was found, its threshold and its verdict; its sentence is in the decision record."""
    numbers = {"value": rule.value, "threshold": rule.threshold}
    told = {name: "none" if number is None else repr(number) for name, number in numbers.items()}
    return {"code": rule.code, "verdict": rule.status, **told}


def approval_requested(kind: str, target: str, why: str, actor: Actor, evidence: Mapping[str, str]) -> Event:
    """A card was written for a person who approves. kind: release, redeploy or rollback."""
    what = f"approval of a {kind} of {target} was asked for"
    return _event(APPROVAL_REQUESTED, target, what, actor, evidence, kind=kind, why=why[:_LONGEST_TEXT])


def approval_answered(build_id: str, stage: str, approval: Approval, actor: Actor, **details: Any) -> Event:
    """What Azure DevOps says of the approval of a stage; who writes it down is another one than who decided."""
    answer = _ANSWERS[approval.status]
    told = {
        "build_id": build_id,
        "stage": stage,
        "person": approval.person or "unknown",
        "comment": approval.comment,
        "decided": approval.when,
        "approval_id": approval.approval_id,
        "said": approval.said,
        **details,
    }
    by = f" by {approval.person}" if approval.person else ""
    what = f"approval of stage {stage} of build {build_id} was {answer}{by}"
    return _event(f"{APPROVAL}{answer}", answer_subject(build_id, stage), what, actor, {}, **told)


def answer_subject(build_id: str, stage: str) -> str:
    """What the answer to an approval is about."""
    return f"{build_id}/{stage}"


def schedule_changed(name: str, kind: str, did: str, actor: Actor) -> Event:
    """A schedule was created, paused, resumed or removed."""
    return _event(SCHEDULE_CHANGED, name, f"schedule {name} was {did}", actor, {}, kind=kind, did=did)


@dataclass(frozen=True)
class Attempt:
    """What a command was asked to do, for the record where it is refused.

    begun: when, as entries write it; evidence: hashes of what it was asked about.
    """

    verb: str
    target: str
    begun: str
    reason: str = ""
    evidence: Mapping[str, str] | None = None
    refused_as: str = REQUEST_REFUSED
    """Kind of the event."""


def refused(attempt: Attempt, error: ExplainedError, actor: Actor) -> Event:
    """A request was refused, or broke off before it changed anything."""
    kind = REQUEST_FAILED if error.exit_code in _FAULTS else attempt.refused_as
    did = "failed" if kind == REQUEST_FAILED else "was refused"
    told = {
        "verb": attempt.verb,
        "target": attempt.target,
        "reason": attempt.reason,
        "exit_code": str(error.exit_code),
        "happened": error.happened[:_LONGEST_TEXT],
        "found": str(error.found)[:_LONGEST_TEXT],
        "expected": str(error.expected)[:_LONGEST_TEXT],
    }
    what = f"{attempt.verb} of {attempt.target} {did}: {error.happened}"
    return _event(kind, attempt.target, what, actor, attempt.evidence or {}, **told)


def export_made(file: str, hashes: Mapping[str, str], findings: int, actor: Actor) -> Event:
    """An audit export was written. hashes: export_sha256 of the file, sums_sha256 of its SHA256SUMS."""
    return _event(EXPORT_MADE, file, f"audit export {file} was made", actor, hashes, findings=str(findings))


def build_retained(build_id: str, why: str, actor: Actor) -> Event:
    """A build got a retention lease from a later one."""
    return _event(BUILD_RETAINED, build_id, f"build {build_id} is kept: {why}", actor, {}, reason=why)
