"""The verb `run`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ml_service.cli.session import AsJson, ForAgent, Session, given, session
from ml_service.cli.verbs.training.ended import record, tell
from ml_service.cli.verbs.training.options import DataVersion, Evidence, Timeout, data_version_of
from ml_service.cli.verbs.training.run_options import (
    ENDPOINT_DEFAULT,
    ApprovalStage,
    Follow,
    OverrideBy,
    OverrideReason,
    Pending,
    PipelineId,
    Reason,
    Unpublished,
    UnpublishedSteps,
    Wait,
    Why,
    demand_at_most_one,
    override_of,
    pipeline_id_of,
    reason_of,
    unpublished_steps,
)

if TYPE_CHECKING:
    from ml_service.training.runs.result import RunResult
    from ml_service.training.runs.submitting import AnotherTrainingError


def run(
    *,
    pipeline_id: PipelineId = ENDPOINT_DEFAULT,
    unpublished: Unpublished = False,
    steps: UnpublishedSteps = None,
    reason: Reason = "manual",
    data_version: DataVersion = "newest",
    timeout: Timeout = 120.0,
    wait: Wait = None,
    follow: Follow = None,
    pending: Pending = False,
    override_by: OverrideBy = "none",
    override_reason: OverrideReason = "none",
    approval_stage: ApprovalStage = "",
    why: Why = "none",
    evidence: Evidence = None,
    for_agent: ForAgent = None,
    as_json: AsJson = False,
) -> None:
    """Run the pipeline, follow it and show its decision.

    Exits with 0 if the new model was accepted or the champion was kept, 3 if the data contract or the gate refused, 1
    if a step failed (the end of its log is shown), and 124 after a timeout. Ctrl-C only stops following; the run
    continues.
    """
    with session(as_json, for_agent, verb="run") as call:
        chosen = pipeline_id_of(pipeline_id)
        demand_at_most_one(
            {"--pipeline-id": chosen, "--unpublished": unpublished, "--follow": follow, "--pending": pending}
        )
        code, number = reason_of(reason), data_version_of(data_version)
        names = unpublished_steps(call, unpublished, steps)
        override = override_of(override_by, override_reason, {"--follow": follow, "--pending": pending})
        demand_at_most_one({"--pending": pending, "--data-version": number})
        from ml_service.settings.override import demand_allowed

        demand_allowed(override, call.settings, code)
        asked_because = given(why, "--why")
        from ml_service.training.runs import run as module
        from ml_service.training.runs.submitting import AnotherTrainingError, RunRequest

        follow = _run_of_candidate(call) if pending else follow
        if pending and follow is None:
            return
        request = RunRequest(
            reason=code,
            timeout_minutes=timeout,
            data_version=number,
            pipeline_id=chosen,
            unpublished_steps=names,
            follow_run=follow,
            override=override,
            wait_minutes=wait,
        )
        try:
            result = module.run(call.workspace, call.settings, call.build, call.terminal, request)
        except AnotherTrainingError as other:
            _keep(call, other)
            return
        if _is_pending(call, result):
            return
        record(call, result, approval_stage)
        # On a build agent a dry run has no approval stage, so a card would be pointless.
        tell(call, result, evidence, asked_because, is_asked=bool(approval_stage) or not call.settings.tf_build)


def _is_pending(call: Session, result: RunResult) -> bool:
    """Tell the next job whether the run is still in progress, and show that."""
    from ml_service.training.runs.ending import ending

    call.agent.outputs({"pending": str(result.is_pending).lower()})
    if result.is_pending:
        call.terminal.out(f"run        {result.run_id} is still in progress")
        call.terminal.document(result.document)
        call.ending = ending(result, call.settings)
    return result.is_pending


def _run_of_candidate(call: Session) -> str | None:
    """Return the run of the newest candidate that may still be released; if there is none, say so and return None."""
    from ml_service.audit.last_training import NOTHING_WAITS
    from ml_service.production.candidates.reading import newest_pending, read_candidates

    candidates = read_candidates(call.workspace, call.settings, call.ask)
    found = newest_pending(call.workspace, candidates, call.terminal.out)
    if found is None:
        call.terminal.out("candidate  none may be released; see python -m ml_service candidates list")
        call.terminal.document({"candidate": None})
        call.agent.outputs({"ended": NOTHING_WAITS})
        call.ends("no candidate is waiting for a release")
        return None
    call.terminal.out(f"candidate  {found.model}: {found.line}")
    return found.run_id


def _keep(call: Session, other: AnotherTrainingError) -> None:
    """End like a scheduled run that finds another training run: the champion is kept."""
    from azure_ml.step_run import ANOTHER_RUN
    from forecasting.decision.blocks import KEPT
    from ml_service.audit.last_training import encode

    call.terminal.out(f"outcome    {KEPT}, {ANOTHER_RUN}: {other.found} trains already")
    values = {"outcome": KEPT, "reason": ANOTHER_RUN, "runId": other.run_id}
    call.terminal.document({"run_id": other.run_id, "outcome": KEPT, "reason": ANOTHER_RUN})
    ended = encode(0, KEPT, ANOTHER_RUN, other.run_id)
    call.agent.outputs({**values, "modelVersion": "", "decision": "", "pending": "false", "ended": ended})
    call.agent.tag(KEPT)
    call.ends(f"{other.happened}: {other.found}", other.todo, page=True)
