"""The verbs around production: release, verify, rollback."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Annotated

import typer

from ml_service.cli.session import AsJson, ForAgent, demand_version, given, session
from ml_service.errors import InvalidRequestError

_DEPLOYMENT = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
"""The id of a deployment's run, as created by the SDK."""

TakeOver = Annotated[
    bool,
    typer.Option(
        "--take-over",
        help="Replace a service that was changed or created by hand; needs --reason. Lease, approval, hashes and "
        "live check work as usual.",
    ),
]
TakeOverReason = Annotated[
    str,
    typer.Option(
        "--take-over-reason",
        metavar="TEXT",
        help="As --take-over, with a reason of its own, which is recorded beside --reason. none: no take-over.",
    ),
]
Why = Annotated[
    str,
    typer.Option("--reason", metavar="TEXT", help="The reason for the rollback, which is required and recorded."),
]
To = Annotated[
    str,
    typer.Option(
        "--to",
        metavar="VERSION",
        help="A model version that was deployed before, previous (the deployment before the current one), "
        "before-this-build (undo what this build did; for the failure hook of a release), or the id of a deployment.",
    ),
]
_SHA256 = re.compile(r"[0-9a-f]{64}")
_AFTER_RELEASE = "check it: python -m ml_service verify\nto undo it: python -m ml_service rollback --to previous"

ReleaseReason = Annotated[
    str,
    typer.Option(
        "--reason",
        metavar="TEXT",
        help="The reason for the release, which is recorded. Required at a terminal for a version that was rejected "
        "or withdrawn or has expired, and with --take-over. none: no reason.",
    ),
]


def release(
    *,
    model_version: Annotated[
        str | None,
        typer.Option(
            "--model-version",
            metavar="NUMBER",
            help="Release this version of the training workspace; champion: redeploy the champion's version, "
            "after a change to the scoring script or the service's settings.",
        ),
    ] = None,
    run: Annotated[
        str | None,
        typer.Option("--run", metavar="RUN_ID", help="Release the version that this pipeline run has accepted."),
    ] = None,
    pending: Annotated[
        bool, typer.Option("--pending", help="Release the newest candidate that may still be released.")
    ] = False,
    decision: Annotated[
        str | None,
        typer.Option(
            "--decision",
            metavar="SHA256",
            help="The decision on the approved card: if another one has accepted the version since, the release is "
            "refused (exit 4).",
        ),
    ] = None,
    override_reason: Annotated[
        str,
        typer.Option(
            "--override-reason",
            metavar="TEXT",
            help="Refused unless it is none, because a release does not run the gate. Pass it to run instead.",
        ),
    ] = "none",
    take_over: TakeOver = False,
    take_over_reason: TakeOverReason = "none",
    reason: ReleaseReason = "",
    for_agent: ForAgent = None,
    as_json: AsJson = False,
) -> None:
    """Deploy one accepted model version to production and make it the champion.

    Copies its file to the production workspace, checks hash and decision record, and requires that the live service's
    answers equal the model's own forecast. If a check fails (exit 3), the previous deployment is restored. Every
    attempt is recorded. Releasing a version that is already deployed changes nothing. A candidate that was rejected
    or withdrawn or has expired is refused without --reason (exit 3), and a service that was changed by hand is
    refused without --take-over (exit 4).
    """
    with session(as_json, for_agent, verb="release") as call:
        _exactly_one({"--model-version": model_version, "--run": run, "--pending": pending})
        demand_version("--model-version", model_version, "champion")
        _no_override(override_reason)
        approved = _approved_decision(decision)
        why = given(reason)
        taken = taken_over(take_over, take_over_reason, why)
        site = replace(call.site, take_over=taken, reason=why)
        from ml_service.production import release as module

        call.attempts(f"run {run}" if run else f"version {model_version or module.PENDING}", reason=why)
        call.witness.record_approval(call.ask)
        wanted = module.PENDING if pending else model_version or module.accepted_by(site, str(run))
        result = module.release(site, call.desk, wanted, approved)
        module.show(call.terminal, call.agent, site, result)
        did = "served already; nothing was changed" if result.already else f"was released (before: {result.before})"
        call.ends(f"{result.content.model} {did}", _AFTER_RELEASE, page=True)


def verify(
    horizon: Annotated[int, typer.Option("--horizon", min=1, help="Steps to forecast, such as days or weeks.")] = 28,
    for_agent: ForAgent = None,
    as_json: AsJson = False,
) -> None:
    """Check that production serves the last recorded deployment, the champion, and that its forecasts are right.

    Requests several horizons and one forecast after a newer history, and compares update time, image and scoring hash
    of the live service with the ledger. Exits with 3 if service, record and champion disagree or if the live code
    cannot be compared (unverified), and with 1 if nothing is deployed.
    """
    with session(as_json, for_agent, verb="verify") as call:
        site = call.site
        from ml_service.production import verify as module

        result = module.verify(site, horizon)
        module.show(call.terminal, site, result)
        call.agent.tag("verified")
        call.ends(f"production is as recorded: {result.model}, deployment {result.deployment}", page=True)


def rollback(
    *,
    to: To,
    take_over: TakeOver = False,
    take_over_reason: TakeOverReason = "none",
    reason: Why = "",
    for_agent: ForAgent = None,
    as_json: AsJson = False,
) -> None:
    """Restore an earlier deployment of production: its model, scoring script and environment.

    A rollback is a new deployment; its record names the old and the new version and the reason, which is required
    (exit 2). A target whose hashes do not verify is refused (exit 3), and nothing is changed; so is previous if that
    deployment was itself rolled back: name it to restore it. A service that was changed by hand is refused without
    --take-over (exit 4).
    """
    with session(as_json, for_agent, verb="rollback") as call:
        demand_target(to)
        why = demand_reason(reason)
        taken = taken_over(take_over, take_over_reason, why)
        site = replace(call.site, take_over=taken, reason=why)
        call.attempts(to, reason=why)
        call.witness.record_approval(call.ask)
        from ml_service.production import rollback as module

        result = module.rollback(site, call.desk, to)
        module.show(call.terminal, call.agent, site, result)
        call.ends(*module.ending(result), page=True)


def demand_target(to: str) -> None:
    """Raises: InvalidRequestError where --to names neither a version nor a deployment."""
    if not _DEPLOYMENT.fullmatch(to):
        demand_version("--to", to, "previous", "before-this-build")


def demand_reason(reason: str) -> str:
    """Return the reason of a rollback. Raises: InvalidRequestError if there is none or it cannot be recorded."""
    why = given(reason)
    if not why:
        raise InvalidRequestError(
            "a rollback needs a reason, and none is given",
            expected="--reason TEXT (parameter reason of rollback.yml): one line for approvers and auditors",
            todo="repeat the command and say what is wrong with the current deployment",
        )
    return why


def taken_over(asked: bool, own_reason: str, why: str) -> str:
    """Return why a service that was changed by hand is replaced; empty if it is refused.

    asked: --take-over, whose reason is that of the whole command. Raises: InvalidRequestError.
    """
    told = given(own_reason, "--take-over-reason")
    if asked and not (told or why):
        raise InvalidRequestError(
            "--take-over and --reason belong together",
            found="--take-over without --reason",
            todo="give both; or neither, and a service that was changed by hand is refused",
        )
    return told or (why if asked else "")


def _approved_decision(decision: str | None) -> str:
    """Return the SHA-256 of the approved decision; empty if none is named. Raises: InvalidRequestError."""
    if decision is not None and not _SHA256.fullmatch(decision):
        raise InvalidRequestError(
            f"--decision {decision[:64] or '(empty)'} is not a decision",
            expected="the SHA-256 on the approval card: the output variable decision of run or propose release",
        )
    return decision or ""


def _exactly_one(options: dict[str, object]) -> None:
    given = [name for name, value in options.items() if value]
    if len(given) != 1:
        raise InvalidRequestError(
            "it is not clear what to release",
            found=f"both {' and '.join(given)}" if given else f"neither {' nor '.join(options)}",
            expected="exactly one of them; an empty version means that no run has accepted a model",
        )


def _no_override(reason: str) -> None:
    from ml_service.settings.override import NONE

    if reason.strip().lower() not in ("", NONE):
        raise InvalidRequestError(
            "--override-reason has no effect on a release: the gate has decided in a training run",
            found="a redeployment of the champion, or a version that is already accepted",
            expected="either an override of the gate or a release",
            todo="train with it: python -m ml_service run --override-by NAME --override-reason TEXT",
        )
