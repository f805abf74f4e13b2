"""`propose`: check that a release or a rollback can be done, change nothing, and write the card for its approval."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

from azure_ml.digests import file_sha256
from azure_ml.pipelines.runs import find_run
from forecasting.decision.record import DECISION_FILE, REPORT_FILE, DecisionRecord, read_decision
from forecasting.problem.problem_file import Problem
from ml_service.audit.approval.card import ApprovalCard, Asked, Target
from ml_service.audit.approval.compose import Proposal, card_of
from ml_service.audit.approval.facts import earlier_of, version_of
from ml_service.audit.approval.page import write_card
from ml_service.audit.serving import View, decision_of, read_recorded, serving_now
from ml_service.errors import CheckFailedError
from ml_service.production import ledger
from ml_service.production.chain.entry import utc_now
from ml_service.production.evidence import fetch_evidence
from ml_service.production.ledger import Record
from ml_service.production.live import demand_unchanged
from ml_service.production.release import content_of, demand_accepted
from ml_service.production.rollback import target_of
from ml_service.production.site import Site, serving
from ml_service.settings.build import build_url, uncommitted_changes, without_mark
from ml_service.settings.variables import ROOT
from ml_service.training import ownership
from ml_service.training.registered import CHAMPION, fetch_files, requested_model
from ml_service.training.snapshots import assemble_scoring

_WHY = {
    "schedule": "scheduled retraining",
    "code": "a code change was merged",
    "data": "new data",
    "manual": "started by hand, no reason given",
}
_REDEPLOYED = "started by hand, to deploy the code of this commit"


def propose_release(
    view: View,
    version: str,
    folder: Path,
    *,
    decided: DecisionRecord | None = None,
    take_over: str = "",
    why: str = "",
) -> ApprovalCard:
    """Propose a version, or the champion's own again. Raises: as `release`, before anything is changed.

    decided: the decision of the run that asks for the approval, also where its bytes were accepted before; None where
    no run asks. why: a person's reason to ask for it; empty: none was given.
    """
    model = requested_model(view.training, view.settings, view.problem, version)
    owned = ownership.Claim(f"model {model.name}", "MODEL_NAME", ownership.owner_of_model(model))
    ownership.demand([owned], view.problem, view.settings)
    recorded = read_recorded(view)
    candidate = recorded.candidate(str(model.version)) if version != CHAMPION else None
    with tempfile.TemporaryDirectory(prefix="ml_service_") as scratch:
        files = fetch_files(model, Path(scratch, "model"))
        accepted = demand_accepted(view.training, view.problem, model, files, candidate)
        content = content_of(model, assemble_scoring(Path(scratch, "deployment")))
        report = _keep_report(files.path, folder)
    decision = decided or accepted
    _keep_decision(view, decision, folder)
    known, now = recorded.known, serving_now(view, recorded.known)
    again = now is not None and now.content.model_sha256 == content.model_sha256
    proposal = Proposal(
        kind="redeploy" if again else "release",
        problem=view.problem,
        content=content,
        decision=decision,
        now=now,
        asked=_asked(view, why or (_why(decision) if decided or not again else _REDEPLOYED)),
        target=_target(view),
        earlier=earlier_of(recorded.setbacks(content.model_version), known, version_of(content, decision)),
        take_over=take_over,
        unfinished=_unfinished(known),
        report=report,
        max_age_days=Problem(view.settings.problem_file).contract.max_age_days,
    )
    return write_card(card_of(proposal), folder)


def propose_rollback(view: View, to: str, reason: str, folder: Path, *, take_over: str = "") -> ApprovalCard:
    """Propose a rollback.

    Raises: as `rollback`, before anything is changed: nothing to restore, or its files are not as recorded.
    """
    recorded = read_recorded(view)
    known, now = recorded.known, serving_now(view, recorded.known)
    restored = target_of(known, now.record if now else None, to, view.build.build_id)
    if restored is None:
        raise CheckFailedError("nothing served before this build", todo="leave it, or delete the service by hand")
    decision, report = _demand_restorable(view, restored, folder)
    proposal = Proposal(
        kind="rollback",
        problem=view.problem,
        content=restored.content,
        decision=decision,
        now=now,
        asked=_asked(view, reason),
        target=_target(view),
        earlier=earlier_of(
            recorded.setbacks(restored.content.model_version), known, version_of(restored.content, decision)
        ),
        take_over=take_over,
        restores=restored,
        unfinished=_unfinished(known),
        report=report,
    )
    return write_card(card_of(proposal), folder)


def demand_replaceable(view: View, take_over: str) -> None:
    """Refuse where release and rollback would, because the service was changed by hand. Raises: ConflictError.

    If the proposing identity has no access to the production workspace, they are found after the approval.
    """
    if view.production is None:
        return
    site = Site(view.training, view.production, view.settings, view.build, view.terminal, view.problem, take_over)
    known = read_recorded(view).known
    demand_unchanged(site, known, serving(site, known))


def _demand_restorable(view: View, restored: Record, folder: Path) -> tuple[DecisionRecord, str]:
    """Verify all that a rollback would verify and who trains can read; returns decision and name of the report."""
    content = restored.content
    ledger.demand_intact(restored)
    with tempfile.TemporaryDirectory(prefix="ml_service_") as scratch:
        ledger.fetch_scoring(restored, Path(scratch))
        files = fetch_evidence(view.training, restored, content.model_version, Path(scratch, "model"))
        registered, report = read_decision(files.path, content.model_sha256), _keep_report(files.path, folder)
    decision = decision_of(view.training, restored) or registered
    _keep_decision(view, decision, folder)
    return decision, report


def _keep_report(source: Path, folder: Path) -> str:
    """Copy decision and report beside the card; returns the name of the report, empty where there is none."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in (DECISION_FILE, REPORT_FILE):
        if (source / name).is_file():
            shutil.copyfile(source / name, folder / name)
    return REPORT_FILE if (folder / REPORT_FILE).is_file() else ""


def _keep_decision(view: View, decision: DecisionRecord, folder: Path) -> None:
    """Let decision and report beside the card be those that it names: the bytes may have been accepted before."""
    if (folder / DECISION_FILE).is_file() and file_sha256(folder / DECISION_FILE) == decision.sha256:
        return
    (folder / DECISION_FILE).write_bytes(decision.content)
    run = find_run(view.training, decision.context.run_id)
    if run is not None and (report := run.read_file(REPORT_FILE)):
        (folder / REPORT_FILE).write_bytes(report)


def _why(decision: DecisionRecord) -> str:
    """Why the training run was started, and why a person has overridden the gate."""
    override, reason = decision.evidence.override, decision.context.reason
    return f"override: {override.reason}" if override else _WHY.get(reason, reason)


def _asked(view: View, why: str) -> Asked:
    build = view.build
    return Asked(
        who=build.who,
        why=why,
        when=utc_now(),
        build_id=build.build_id,
        build_url=build_url(view.settings, build.build_id),
        commit=without_mark(build.commit),
        uncommitted_changes=uncommitted_changes(ROOT),
    )


def _target(view: View) -> Target:
    settings = view.settings
    name, workspace = settings.production_service_name, settings.azureml_production_workspace_name
    return Target(service=name, workspace=workspace, tags=dict(view.training.tags))


def _unfinished(known: Sequence[Record]) -> tuple[str, ...]:
    return tuple(record.line for record in ledger.unfinished(known))
