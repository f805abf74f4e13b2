"""Events without an entry, read from the services afterwards.

A scheduled run has no command that waits for it, a refused approval ends the build that asked. Such entries say that
they were collected, so that nobody takes their moment for that of the event.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping

from azure_ml.pipelines.runs import ENDED, Run, find_run, one_word
from azure_ml.workspace import Workspace
from forecasting.decision.record import REPORT_FILE, DecisionRecord
from forecasting.inbox.files import Receipt
from ml_service.audit.events import kinds
from ml_service.audit.events.kinds import Table
from ml_service.azure_devops.approvals import Approval, Status
from ml_service.production import integrity
from ml_service.production.chain.deployments import Actor
from ml_service.production.chain.entry import Entry, Event
from ml_service.training.runs.result import RunResult

COLLECTED = {"collected": "read from the service afterwards"}
AskAll = Callable[[str], Mapping[str, Approval] | None]
"""The approvals of a build by stage; None if unknown."""
_AWAITING = "candidate.awaiting_approval"
_MOST_BUILDS = 200
"""That are asked about at once."""


def of_result(result: RunResult, workspace: Workspace, actor: Actor) -> Iterator[Event]:
    """The end of a run that a command has followed, and what the gate has said."""
    run = find_run(workspace, result.run_id)
    if run is not None:
        failed = result.failed_step.name if result.failed_step else ""
        yield from _of_run(run, result.followed.status, result.outcome.decision, actor, failed_step=failed)


def of_runs(entries: Iterable[Entry], runs: Iterable[Run], actor: Actor) -> Iterator[Event]:
    """Return the ends of runs that no entry records, oldest first."""
    known = {entry.subject for entry in entries if entry.event.startswith(kinds.RUN)}
    for run in sorted(runs, key=lambda run: (run.number, run.created)):
        if run.id not in known and one_word(run.status) in ENDED:
            yield from _of_run(run, run.status, _decision(run), actor, **COLLECTED)


def _of_run(run: Run, status: str, decision: DecisionRecord | None, actor: Actor, **details: str) -> Iterator[Event]:
    report = integrity.fetch(run, REPORT_FILE).sha256 if decision else ""
    return kinds.run_ended(run, status, decision, actor, report_sha256=report, **details)


def _decision(run: Run) -> DecisionRecord | None:
    """The decision of a run, where it is the one that the run has recorded."""
    recorded = run.properties.get("decision_sha256")
    return integrity.decision_of_hash(run, recorded) if recorded else None


def of_receipts(receipts: Iterable[Receipt], dataset: str, actor: Actor, **details: str) -> Iterator[Event]:
    """What became of delivered files."""
    for receipt in receipts:
        table = Table(dataset, receipt.version, receipt.sha256, receipt.file)
        told = {"delivered": receipt.when, **details}
        if receipt.version is None:
            yield kinds.data_quarantined(table, receipt.findings, actor, **told)
        else:
            yield kinds.data_accepted(table, actor, None, **told)


def of_deliveries(
    entries: Iterable[Entry], receipts: Iterable[Receipt], dataset: str, actor: Actor
) -> Iterator[Event]:
    """Return the results for files that the scheduled pipeline has ingested and that no entry records."""
    told = list(entries)
    accepted = {entry.subject for entry in told if entry.event == kinds.DATA_ACCEPTED}
    refused = {
        (entry.subject, entry.evidence.get("data_sha256", ""))
        for entry in told
        if entry.event == kinds.DATA_QUARANTINED
    }
    for event in of_receipts(sorted(receipts, key=lambda one: (one.when, one.file)), dataset, actor, **COLLECTED):
        key = (event.subject, event.evidence.get("data_sha256", ""))
        if event.event == kinds.DATA_ACCEPTED and event.subject not in accepted:
            accepted.add(event.subject)
            yield event
        elif event.event == kinds.DATA_QUARANTINED and key not in refused:
            refused.add(key)
            yield event


def of_approvals(entries: Iterable[Entry], problem: str, ask: AskAll, actor: Actor) -> Iterator[Event]:
    """Return the answers to approvals that no entry records, except for those that cannot be read.

    A build may request approvals for several problems, in one stage each: the others are recorded in their own
    ledgers. A build with an answer is not asked about again, and of the others only the newest. problem: as stages
    name it, by its file.
    """
    told = list(entries)
    answers = (entry for entry in told if entry.event.startswith(kinds.APPROVAL))
    answered = {entry.subject.partition("/")[0] for entry in answers if entry.event != kinds.APPROVAL_REQUESTED}
    asked = (entry.build_id for entry in told if entry.event in (kinds.APPROVAL_REQUESTED, _AWAITING))
    unanswered = [build_id for build_id in dict.fromkeys(asked) if build_id not in answered]
    for build_id in unanswered[-_MOST_BUILDS:]:
        for stage, approval in (ask(build_id) or {}).items():
            if stage.partition("_")[2] == problem and approval.status is not Status.PENDING:
                yield kinds.approval_answered(build_id, stage, approval, actor, **COLLECTED)
