"""Process a run that has ended: records in the ledger, the summary, the approval card, the exit code."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from ml_service.cli.session import Session

if TYPE_CHECKING:
    from ml_service.settings.variables import Settings
    from ml_service.training.runs.result import RunResult


def record(call: Session, result: RunResult, approval_stage: str) -> None:
    """Record how a run has ended and which model the gate has accepted.

    Without a production workspace the model is no candidate, because the deploy step has already made it champion.
    """
    record_run(call, result)
    if not call.settings.has_production:
        return
    from ml_service.production.candidates import recording

    decision, model = result.outcome.decision, result.outcome.model
    if decision is None or model is None:
        recording.try_to(recording.settle, call.desk)
        return
    # A stage asks only after a training that has succeeded, its test deployment included.
    stage = approval_stage if result.exit_code == 0 else ""
    accepted = partial(recording.accept, decision=decision, version=model.version, stage=stage)
    recording.try_to(accepted, call.desk)


def record_run(call: Session, result: RunResult) -> None:
    """Record in the ledger how a run has ended."""
    from ml_service.audit.events.collecting import of_result

    call.witness.record_new(partial(of_result, result, call.workspace))


def tell(call: Session, result: RunResult, evidence: Path | None, why: str, *, is_asked: bool) -> None:
    """Show the result of a run and pass it on: files, output variables and tags of the build, exit code.

    why: a person's reason, which may be empty. is_asked: whether an approval of the accepted model is requested.
    """
    from ml_service.training.runs.ending import show

    show(call.terminal, result)
    end(call, result, is_asked=is_asked)
    if evidence is not None and is_asked:
        _propose(call, result, evidence, why)
    summarize(call, call.settings, result, evidence)


def summarize(call: Session, settings: Settings, result: RunResult, evidence: Path | None) -> None:
    """Write the summary of a run for the build, and its evidence."""
    from ml_service.audit import summary

    summary.publish_evidence(call.workspace, settings, call.agent, result, closing=call.closing, folder=evidence)
    if evidence is not None:
        call.has_page = False  # the page of the evidence is the page of this command


def end(call: Session, result: RunResult, *, is_asked: bool = True) -> None:
    """Set exit code and closing lines according to the result of the run."""
    from ml_service.training.runs.ending import ending, events

    call.exit_code, call.ending = result.exit_code, ending(result, call.settings, is_asked=is_asked)
    call.events += events(result, call.settings, is_asked=is_asked)


def _propose(call: Session, result: RunResult, evidence: Path, why: str) -> None:
    """Write the approval card of the model that a run has accepted, the first page that the approver sees."""
    from ml_service.audit.approval.card import CARD_SUMMARY
    from ml_service.audit.approval.propose import propose_release

    model = result.outcome.model
    if model is not None and not result.exit_code and call.settings.has_production:
        propose_release(call.view, str(model.version), evidence, decided=result.outcome.decision, why=why)
        call.agent.summary(evidence / CARD_SUMMARY)
