"""What a training run decided: read from the properties of the parent run, its decision record and the registry."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from azure_ml.models.registration import find_newest
from azure_ml.models.versions import ModelVersion
from azure_ml.pipelines.runs import Run, RunStatus
from azure_ml.workspace import Workspace
from forecasting.decision import words
from forecasting.decision.blocks import ACCEPTED, FAILED, KEPT
from forecasting.decision.record import DECISION_FILE, DecisionRecord, parse_decision
from ml_service.errors import FaultError
from ml_service.output.console import Terminal
from ml_service.output.decision_table import decision_rows, override_sentence, versioned, windows_sentence


@dataclass(frozen=True)
class Outcome:
    """The verdict of a run; empty texts when the run recorded none."""

    outcome: str
    reason: str
    decision: DecisionRecord | None
    """The decision record; None when the run ended before a decision."""
    model: ModelVersion | None
    """None when nothing was registered."""


UNDECIDED = Outcome("", "", None, None)
"""Outcome of a run that is still in progress."""


def read_outcome(workspace: Workspace, run: Run, model_name: str) -> Outcome:
    """Collect what a run recorded.

    Raises: FaultError when the decision record is not the one whose hash the run recorded.
    """
    properties = run.read_properties()
    outcome, recorded = properties.get("outcome", ""), properties.get("decision_sha256")
    decision = _decision(run, recorded) if recorded else None
    model = _registered(workspace, run, model_name, decision) if outcome == ACCEPTED else None
    return Outcome(outcome=outcome, reason=properties.get("reason", ""), decision=decision, model=model)


def _registered(
    workspace: Workspace, run: Run, model_name: str, decision: DecisionRecord | None
) -> ModelVersion | None:
    """The version that a run has registered, or else the earlier one that has the same bytes."""
    own = find_newest(workspace, model_name, {"run_id": run.id})
    if own is not None or decision is None:
        return own
    return find_newest(workspace, model_name, {"model_sha256": decision.evidence.challenger.model_sha256})


def exit_code(status: str, outcome: str) -> int:
    """0 for accepted and kept, 3 when a contract or the gate's floor said no, else 1.

    An accepted model whose run still failed (a later step broke) is a fault: nothing was deployed.
    """
    if outcome == FAILED:
        return 3
    return 0 if status == RunStatus.FINISHED and outcome in (ACCEPTED, KEPT) else 1


def _decision(run: Run, recorded: str) -> DecisionRecord:
    content = run.read_file(DECISION_FILE) or b""
    found = hashlib.sha256(content).hexdigest()
    if found != recorded:
        raise FaultError(
            f"the decision record of run {run.id} differs from the one recorded by the run",
            found=f"sha256 {found}",
            expected=f"sha256 {recorded}",
            todo="do not trust this run: somebody changed the artifact; run again",
        )
    return parse_decision(content)


def show_outcome(terminal: Terminal, outcome: Outcome, *, deployed: bool) -> None:
    """Print outcome, decision table and registered model; deployed: whether the deploy step ended well."""
    meaning = _meaning(outcome, deployed)
    reason = f", {outcome.reason}" if outcome.reason else ""
    terminal.out(f"outcome    {outcome.outcome or 'none'}{reason}: {meaning}")
    if outcome.decision is not None:
        _show_decision(terminal, outcome.decision)
    if outcome.model is not None:
        model = outcome.model
        terminal.out(f"model      {model.name} version {model.version}, sha256 {model.sha256[:12]}")
    elif outcome.decision is not None and (champion := versioned(outcome.decision.context.champion)):
        terminal.out(f"model      none registered; {champion} stays champion")


def _meaning(outcome: Outcome, deployed: bool) -> str:
    if outcome.outcome == ACCEPTED and outcome.model is None:
        return "the gate accepts it; nothing was registered or deployed"
    if outcome.outcome == ACCEPTED:
        done = "registered and deployed to the test service"
        return done if deployed else "registered, but not deployed; the champion is unchanged"
    if outcome.outcome == KEPT:
        return "the champion stays and nothing was registered; this is not an error"
    if outcome.outcome == FAILED:
        return "refused; nothing was registered"
    return "the run ended before it decided"


def _show_decision(terminal: Terminal, decision: DecisionRecord) -> None:
    evidence = decision.evidence
    terminal.out(f"decision   {evidence.sentence}")
    if said := override_sentence(evidence):
        terminal.out(f"override   {said}")
    if windows := windows_sentence(evidence):
        terminal.out(f"           {windows}")
    if drifted := words.drift(evidence):
        terminal.out(f"drift      {drifted}")
    for note in evidence.data.notes:
        terminal.out(f"note       {note}")
    columns, rows = decision_rows(evidence, decision.context.champion)
    terminal.table(columns, rows, right=columns[2:])
