"""The verbs around production: release, verify, rollback."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Annotated

import typer

from ml_service.cli.session import AsJson, ForAgent, demand_version, given, session
from ml_service.errors import InvalidRequestError

_DEPLOYMENT = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
"""The id of a deployment's run, as the SDK makes them."""

TakeOver = Annotated[
    bool,
    typer.Option(
        "--take-over",
        help="Replace a service that was changed or made by hand; needs --reason. Lease, approval, hashes and live "
        "check are as ever.",
    ),
]
Why = Annotated[
    str,
    typer.Option(
        "--reason", metavar="TEXT", help="Why it is rolled back; it is recorded, and nobody is asked without."
    ),
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
_AFTER_RELEASE = "check it: python -m ml_service verify\nto undo it: python -m ml_service rollback --to previous"

ReleaseReason = Annotated[
    str,
    typer.Option(
        "--reason",
        metavar="TEXT",
        help="Why it is released; it is recorded. Needed at a terminal for one that was rejected or withdrawn, "
        "or has expired, and with --take-over. none: no reason.",
    ),
]


def release(
    *,
    model_version: Annotated[
        str | None,
        typer.Option(
            "--model-version",
            metavar="NUMBER",
            help="Release this version of the training workspace; champion: release the champion's own version "
            "again, after a change of the scoring script or the service's settings.",
        ),
    ] = None,
    run: Annotated[
        str | None, typer.Option("--run", metavar="RUN_ID", help="Release what this pipeline run has accepted.")
    ] = None,
    pending: Annotated[
        bool, typer.Option("--pending", help="Release the newest candidate that may still be released.")
    ] = False,
    override_reason: Annotated[
        str,
        typer.Option(
            "--override-reason",
            metavar="TEXT",
            help="Refused unless it is none: a release asks no gate. Give it to run.",
        ),
    ] = "none",
    take_over: TakeOver = False,
    reason: ReleaseReason = "",
    for_agent: ForAgent = None,
    as_json: AsJson = False,
) -> None:
    """Put one accepted model version into production and make it the champion.

    Its file is copied to the production workspace, hash and decision record are checked, and the live service's
    answers must equal the model's own forecast. If a check fails (exit 3), the previous deployment is restored. Every
    attempt leaves a record. Releasing a version that is already deployed changes nothing. A candidate that was
    rejected or withdrawn, or has expired, is refused (exit 3) without --reason, and a service that was changed by
    hand (exit 4) without --take-over.
    """
    with session(as_json, for_agent, verb="release") as call:
        _exactly_one({"--model-version": model_version, "--run": run, "--pending": pending})
        demand_version("--model-version", model_version, "champion")
        _no_override(override_reason)
        why = given(reason)
        site = replace(call.site, take_over=taken_over(take_over, why) if take_over else "", reason=why)
        from ml_service.production import release as module

        call.attempts(f"run {run}" if run else f"version {model_version or module.PENDING}", reason=why)
        call.witness.record_approval(call.ask)
        wanted = module.PENDING if pending else model_version or module.accepted_by(site, str(run))
        result = module.release(site, call.desk, wanted)
        module.show(call.terminal, call.agent, site, result)
        did = "served already; nothing was changed" if result.already else f"was released (before: {result.before})"
        call.ends(f"{result.content.model} {did}", _AFTER_RELEASE, page=True)


def verify(
    horizon: Annotated[int, typer.Option("--horizon", min=1, help="Steps to forecast, such as days or weeks.")] = 28,
    for_agent: ForAgent = None,
    as_json: AsJson = False,
) -> None:
    """Check that production serves what its last record says, that this is the champion, and that it forecasts right.

    Several horizons and a newer history are asked for, and update time, image and scoring hash of the live service
    are compared with the ledger. Ends with 3 when service, record and champion disagree or the live code cannot be
    compared (unverified), 1 when nothing is deployed.
    """
    with session(as_json, for_agent, verb="verify") as call:
        site = call.site
        from ml_service.production import verify as module

        result = module.verify(site, horizon)
        module.show(call.terminal, site, result)
        call.agent.tag("verified")
        call.ends(f"production is as recorded: {result.model}, deployment {result.deployment}", page=True)


def rollback(
    to: To,
    take_over: TakeOver = False,
    reason: Why = "",
    for_agent: ForAgent = None,
    as_json: AsJson = False,
) -> None:
    """Restore an earlier deployment of production: its model, scoring script and environment.

    A rollback is a new deployment; its record names the old and the new version, and why: without --reason nothing is
    done (exit 2). A target whose hashes do not verify is refused (exit 3) and nothing is changed. A service that was
    changed by hand is refused (exit 4) without --take-over.
    """
    with session(as_json, for_agent, verb="rollback") as call:
        demand_target(to)
        why = demand_reason(reason)
        site = replace(call.site, take_over=why if take_over else "", reason=why)
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
    """Why it is rolled back. Raises: InvalidRequestError without a reason, or with one that cannot be recorded."""
    why = given(reason)
    if not why:
        raise InvalidRequestError(
            "a rollback needs a reason, and none is given",
            expected="--reason TEXT (parameter reason of rollback.yml): one line for whoever approves and audits",
            todo="say what is wrong with what serves, then repeat the command",
        )
    return why


def taken_over(asked: bool, reason: str) -> str:
    """Why a service is taken over by a release; empty where it is not. Raises: InvalidRequestError."""
    why = given(reason)
    if asked != bool(why):
        raise InvalidRequestError(
            "--take-over and --reason belong together",
            found="--take-over without --reason" if asked else "--reason without --take-over",
            todo="give both, or neither: then a service that was changed by hand is refused",
        )
    return why


def _exactly_one(options: dict[str, object]) -> None:
    given = [name for name, value in options.items() if value]
    if len(given) != 1:
        raise InvalidRequestError(
            "it is not clear what to release",
            found=f"both {' and '.join(given)}" if given else f"neither {' nor '.join(options)}",
            expected="one of them; an empty version means that no run has accepted a model",
        )


def _no_override(reason: str) -> None:
    from ml_service.settings.override import NONE

    if reason.strip().lower() not in ("", NONE):
        raise InvalidRequestError(
            "--override-reason has no effect on a release: the gate has decided in a training run",
            found="a redeployment of the champion, or a version that was accepted already",
            expected="one of both: an override of the gate, or a release",
            todo="train with it: python -m ml_service run --override-by NAME --override-reason TEXT",
        )
