"""The verbs around training: check, publish, run, smoke, rehearse."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ml_service.cli.session import AsJson, ForAgent, Session, demand_version, given, session
from ml_service.errors import InvalidRequestError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from forecasting.decision.blocks import Override
    from ml_service.training.run import AnotherTrainingError, RunResult

Steps = Annotated[
    str | None,
    typer.Option(
        "--steps",
        metavar="NAMES",
        help="Some of prepare,train,evaluate,register,deploy in this order, always with train and register. "
        "Without prepare, train reads the raw table; without evaluate, register applies the gate itself. "
        "Default: all; without deploy where TEST_DEPLOYMENT is agent.",
    ),
]
ENDPOINT_DEFAULT = "default"
PipelineId = Annotated[
    str,
    typer.Option("--pipeline-id", help="Run this published pipeline; default: the endpoint's default."),
]
Unpublished = Annotated[
    bool, typer.Option("--unpublished", help="Run the pipeline of this working tree without publishing it.")
]
UnpublishedSteps = Annotated[
    str | None, typer.Option("--steps", metavar="NAMES", help="With --unpublished: the steps, as for publish.")
]
Reason = Annotated[
    str, typer.Option("--reason", help="What started it: manual, schedule, data or code; recorded with the decision.")
]
DataVersion = Annotated[
    str, typer.Option("--data-version", metavar="NUMBER", help="Train on this data version; a number or newest.")
]
PublishedData = Annotated[
    str,
    typer.Option(
        "--data-version",
        metavar="NUMBER",
        help="The data version that the pipeline trains on by default; a number or newest.",
    ),
]
RehearsedData = Annotated[
    int | None,
    typer.Option(
        "--data-version",
        metavar="NUMBER",
        min=1,
        help="Train on this data version and upload nothing; default: upload DATA_FILE and train on it.",
    ),
]
Evidence = Annotated[
    Path | None,
    typer.Option(
        "--evidence", file_okay=False, help="Write decision.json, summary.md and the report to this folder."
    ),
]
OverrideBy = Annotated[
    str,
    typer.Option("--override-by", metavar="NAME", help="Who overrides the gate; needs --override-reason."),
]
OverrideReason = Annotated[
    str,
    typer.Option(
        "--override-reason",
        metavar="TEXT",
        help="Why the gate is overridden; recorded with the gate's verdict. Only a verdict on quality can "
        "be overridden, not a refusal because no comparison was possible.",
    ),
]
Wait = Annotated[
    float | None,
    typer.Option(
        "--wait",
        metavar="MINUTES",
        min=0,
        help="Exit with 0 after this time; the run continues, and repeating the command in this build waits on.",
    ),
]
Timeout = Annotated[
    float, typer.Option("--timeout", metavar="MINUTES", min=0.01, help="Cancel the run if it takes longer.")
]
Why = Annotated[
    str,
    typer.Option("--why", metavar="TEXT", help="A person's reason, for the approval card; none: no reason."),
]
Follow = Annotated[
    str | None, typer.Option("--follow", metavar="RUN_ID", help="Follow a run that was already submitted.")
]
Pending = Annotated[
    bool,
    typer.Option(
        "--pending",
        help="Follow the run of the newest candidate that may still be released, such as one of a schedule; does "
        "nothing if there is none.",
    ),
]
ApprovalStage = Annotated[
    str,
    typer.Option(
        "--approval-stage",
        metavar="NAME",
        help="The stage of this build that requests the approval of an accepted model; recorded with the candidate.",
    ),
]


def check(
    production: Annotated[
        bool, typer.Option("--production", help="Also require a configured, responding production workspace.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Check settings, all problem files, the table against the data contract, and access to the workspace.

    Also checks that no other problem uses the same names (exit 4). Changes nothing. Without this check, such errors
    would be found only after an hour of training.
    """
    with session(as_json, verb="check") as call:
        settings = call.settings
        from ml_service.training import check as module

        result = module.check(settings, production=production)
        from azure_ml.datasets import find_dataset
        from ml_service.training import ownership

        ownership.demand_ours(call.workspace, settings)
        newest = find_dataset(call.workspace, settings.dataset_name)
        ownership.demand_data_ours(newest, result.table.columns, settings)
        module.show(call.terminal, result, call.workspace.banner)
        if production:
            call.terminal.say(f"production {call.production.banner} responds")
        call.ends("settings, problem files and table are valid", "publish and run: python -m ml_service rehearse")


def publish(
    steps: Steps = None,
    data_version: PublishedData = "newest",
    for_agent: ForAgent = None,
    as_json: AsJson = False,
) -> None:
    """Publish the pipeline with the build id as version and make it the default of the pipeline endpoint.

    Publishing the same graph under the same build id again changes nothing; a different graph is a conflict (exit 4).
    Creates the compute cluster if it does not exist.
    """
    with session(as_json, for_agent, verb="publish") as call:
        names, number = None if steps is None else _steps(steps), _data_version(data_version)
        settings = call.settings
        from ml_service.training import publish as module

        request = module.PublishRequest(steps=names, data_version=number)
        result = module.publish(call.workspace, settings, call.build, call.terminal, request)
        module.show(call.terminal, result)
        call.agent.outputs({"pipelineId": result.pipeline_id, "pipelineVersion": result.version})
        did = f"{result.name} version {result.version} is published"
        call.ends(did, "run it: python -m ml_service run", page=True)


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
        chosen = _pipeline_id(pipeline_id)
        _at_most_one(
            {"--pipeline-id": chosen, "--unpublished": unpublished, "--follow": follow, "--pending": pending}
        )
        code, number = _reason(reason), _data_version(data_version)
        names = _unpublished_steps(call, unpublished, steps)
        override = _override(override_by, override_reason, {"--follow": follow, "--pending": pending})
        _at_most_one({"--pending": pending, "--data-version": number})
        from ml_service.settings.override import demand_allowed

        demand_allowed(override, call.settings, code)
        asked_because = given(why, "--why")
        from ml_service.training import run as module

        follow = _run_of_candidate(call) if pending else follow
        if pending and follow is None:
            return
        request = module.RunRequest(
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
        except module.AnotherTrainingError as other:
            _keep(call, other)
            return
        if _is_pending(call, result):
            return
        _record(call, result, approval_stage)
        # On a build agent a dry run has no approval stage, so a card would be pointless.
        _tell(call, result, evidence, asked_because, is_asked=bool(approval_stage) or not call.settings.tf_build)


def try_recipe(
    data_version: DataVersion = "newest",
    timeout: Timeout = 120.0,
    evidence: Evidence = None,
    for_agent: ForAgent = None,
    as_json: AsJson = False,
) -> None:
    """Train with the recipes of this working tree and compare the result with the champion; change nothing else.

    Nothing is published, registered or deployed, so it can be used on a branch: the run consists of the steps
    prepare, train and evaluate, in a separate experiment. Exits with 0 if the gate would accept the model or keep the
    champion, otherwise like run.
    """
    with session(as_json, for_agent, verb="try") as call:
        number = _data_version(data_version)
        from ml_service.audit import summary
        from ml_service.training import run as module

        request = module.RunRequest(
            reason="code", timeout_minutes=timeout, data_version=number, unpublished_steps=module.TRIED_STEPS
        )
        settings = module.of_tries(call.settings)
        result = module.run(call.workspace, settings, call.build, call.terminal, request)
        module.show(call.terminal, result)
        call.exit_code, call.ending = result.exit_code, module.ending_of_try(result)
        summary.tell(call.workspace, settings, call.agent, result, closing=call.closing, folder=evidence)
        if evidence is not None:
            call.has_page = False  # the page of the evidence is the page of this command


def _is_pending(call: Session, result: RunResult) -> bool:
    """Tell the next job whether the run is still in progress, and show that."""
    from ml_service.training.run import ending

    call.agent.outputs({"pending": str(result.is_pending).lower()})
    if result.is_pending:
        call.terminal.say(f"run        {result.run_id} is still in progress")
        call.terminal.document(result.document)
        call.ending = ending(result, call.settings)
    return result.is_pending


def _run_of_candidate(call: Session) -> str | None:
    """Return the run of the newest candidate that may still be released; if there is none, say so and return None."""
    from ml_service.audit.last_training import NOTHING_WAITS
    from ml_service.production.candidates.reading import newest_pending, read_candidates

    candidates = read_candidates(call.workspace, call.settings, call.ask)
    found = newest_pending(call.workspace, candidates, call.terminal.say)
    if found is None:
        call.terminal.say("candidate  none may be released; see python -m ml_service candidates list")
        call.terminal.document({"candidate": None})
        call.agent.outputs({"ended": NOTHING_WAITS})
        call.ends("no candidate is waiting for a release")
        return None
    call.terminal.say(f"candidate  {found.model}: {found.line}")
    return found.run_id


def _keep(call: Session, other: AnotherTrainingError) -> None:
    """End like a scheduled run that finds another training run: the champion is kept."""
    from azure_ml.step_run import ANOTHER_RUN
    from forecasting.decision.blocks import KEPT
    from ml_service.audit.last_training import told as handed_on

    call.terminal.say(f"outcome    {KEPT}, {ANOTHER_RUN}: {other.found} trains already")
    told = {"outcome": KEPT, "reason": ANOTHER_RUN, "runId": other.run_id}
    call.terminal.document({"run_id": other.run_id, "outcome": KEPT, "reason": ANOTHER_RUN})
    ended = handed_on(0, KEPT, ANOTHER_RUN, other.run_id)
    call.agent.outputs({**told, "modelVersion": "", "decision": "", "pending": "false", "ended": ended})
    call.agent.tag(KEPT)
    call.ends(f"{other.happened}: {other.found}", other.todo, page=True)


def _record(call: Session, result: RunResult, approval_stage: str) -> None:
    """Record how a run has ended and which model the gate has accepted.

    Without a production workspace the model is no candidate, because the deploy step has already made it champion.
    """
    _record_run(call, result)
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


def _record_run(call: Session, result: RunResult) -> None:
    """Record in the ledger how a run has ended."""
    from ml_service.audit.events.collecting import of_result

    call.witness.record_new(partial(of_result, result, call.workspace))


def _tell(call: Session, result: RunResult, evidence: Path | None, why: str, *, is_asked: bool) -> None:
    """Show the result of a run and pass it on: files, output variables and tags of the build, exit code.

    why: a person's reason, which may be empty. is_asked: whether an approval of the accepted model is requested.
    """
    from ml_service.audit import summary
    from ml_service.training import run as module

    module.show(call.terminal, result)
    _end(call, result, is_asked=is_asked)
    if evidence is not None and is_asked:
        _propose(call, result, evidence, why)
    summary.tell(call.workspace, call.settings, call.agent, result, closing=call.closing, folder=evidence)
    if evidence is not None:
        call.has_page = False  # the page of the evidence is the page of this command


def _end(call: Session, result: RunResult, *, is_asked: bool = True) -> None:
    """Set exit code and closing lines according to the result of the run."""
    from ml_service.training.run import ending, events

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


def smoke(
    horizon: Annotated[int, typer.Option("--horizon", min=1, help="Steps to forecast, such as days or weeks.")] = 28,
    deploy: Annotated[
        str | None,
        typer.Option(
            "--deploy",
            metavar="VERSION",
            help="First deploy this model version, or champion, to the test service, with the scoring script and the "
            "environment of this working tree.",
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Request forecasts from the test service and compare them with those of the registered model.

    Requests several horizons and one forecast after a newer history; failed calls are retried. Exits with 3 for a
    wrong number, a refused call or a model file with another hash; with 1 for a service that is missing or unhealthy,
    whose log is shown; and with 4 if the names in the settings belong to another problem.
    """
    with session(as_json, verb="smoke") as call:
        demand_version("--deploy", deploy, "champion")
        settings = call.settings
        from ml_service.training import ownership
        from ml_service.training import smoke as module

        if deploy is None:
            ownership.demand_readable(call.workspace, settings)
            smoked = module.smoke(call.workspace, settings.test_service_name, horizon)
        else:
            problem, note = ownership.demand_ours(call.workspace, settings).problem, call.terminal.note
            smoked = module.deploy_for_test(call.workspace, settings, problem, deploy, horizon=horizon, announce=note)
        module.show(call.terminal, smoked)
        call.ends(f"the test service gives the same forecasts as {smoked.model}")


def rehearse(
    timeout: Timeout = 120.0,
    data_version: RehearsedData = None,
) -> None:
    """Run data upload, publish, run and smoke in sequence, then suggest what to try next."""
    with session(False, verb="rehearse") as call:
        settings = call.settings
        from ml_service.training import rehearse as module

        result = module.rehearse(
            call.workspace,
            settings,
            call.build,
            call.terminal,
            timeout_minutes=timeout,
            data_version=data_version,
            accepted=call.witness.record_table,
        )
        _record_run(call, result)
        _end(call, result)


def _override(person: str, reason: str, decided: Mapping[str, object]) -> Override | None:
    """decided: options that name a run whose gate has decided already."""
    from ml_service.settings.override import parse

    override = parse(person, reason)
    for option, value in decided.items():
        _at_most_one({"--override-by": override, option: value})
    return override


def _reason(text: str) -> str:
    legal = ("manual", "schedule", "data", "code")
    if text not in legal:
        raise InvalidRequestError(f"--reason {text} is unknown", expected=f"one of {', '.join(legal)}")
    return text


def _pipeline_id(text: str) -> str | None:
    """Return the id of a published pipeline, or None for the endpoint's default. Raises: InvalidRequestError if
    empty.
    """
    if not text.strip():
        raise InvalidRequestError(
            "--pipeline-id is empty", expected=f"the id of a published pipeline, or {ENDPOINT_DEFAULT}"
        )
    return None if text == ENDPOINT_DEFAULT else text


def _data_version(text: str) -> int | None:
    if text == "newest":
        return None
    if text.isdecimal() and int(text) >= 1:
        return int(text)
    raise InvalidRequestError(f"--data-version {text} is not a version", expected="a number from 1, or newest")


def _unpublished_steps(call: Session, unpublished: bool, steps: str | None) -> tuple[str, ...] | None:
    if steps is not None and not unpublished:
        raise InvalidRequestError(
            "--steps needs --unpublished here",
            found="a published pipeline, whose steps are fixed",
            todo="add --unpublished, or choose the steps with `publish --steps`",
        )
    if not unpublished:
        return None
    from ml_service.training.snapshots import default_steps

    return _steps(steps) if steps else default_steps(call.settings)


def _steps(names: str) -> tuple[str, ...]:
    from ml_service.training.snapshots import parse_steps

    return parse_steps(names)


def _at_most_one(options: dict[str, object]) -> None:
    given = [name for name, value in options.items() if value]
    if len(given) > 1:
        raise InvalidRequestError(f"{' and '.join(given)} exclude each other", todo="keep one of them")
