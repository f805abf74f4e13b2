"""The verbs before an approval: propose release, propose rollback."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ml_service.cli.session import AsJson, ForAgent, Session, demand_version, given, session
from ml_service.cli.verbs.production import (
    TakeOver,
    TakeOverReason,
    To,
    Why,
    demand_reason,
    demand_target,
    taken_over,
)

if TYPE_CHECKING:
    from ml_service.audit.approval.card import ApprovalCard

app = typer.Typer(
    help="Check whether a release or a rollback is possible and write its approval card; changes nothing.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
Evidence = Annotated[
    Path,
    typer.Option(
        "--evidence",
        metavar="FOLDER",
        file_okay=False,
        help="Where to write approval_card.html, .md and .json, and the report of the decision.",
    ),
]


@app.command("release")
def propose_release(
    *,
    model_version: Annotated[
        str,
        typer.Option("--model-version", metavar="NUMBER", help="A version, or champion, as for release."),
    ],
    evidence: Evidence,
    take_over: TakeOver = False,
    take_over_reason: TakeOverReason = "none",
    reason: Annotated[
        str, typer.Option("--reason", metavar="TEXT", help="Why it is released or taken over; none: no reason.")
    ] = "",
    for_agent: ForAgent = None,
    as_json: AsJson = False,
) -> None:
    """Write the approval card of a release or of a redeployment of the champion.

    A version that release would refuse is refused already here, with the same exit code, before anybody is asked.
    """
    with session(as_json, for_agent, verb="propose release") as call:
        demand_version("--model-version", model_version, "champion")
        why = given(reason)
        taken = taken_over(take_over, take_over_reason, why)
        _demand_production(call)
        from ml_service.audit.approval import propose as module

        call.attempts(f"version {model_version}", reason=why)
        module.demand_replaceable(call.view, taken)
        card = module.propose_release(call.view, model_version, evidence, take_over=taken, why=why)
        _tell(call, card, evidence)


@app.command("rollback")
def propose_rollback(
    *,
    to: To,
    evidence: Evidence,
    take_over: TakeOver = False,
    take_over_reason: TakeOverReason = "none",
    reason: Why = "",
    for_agent: ForAgent = None,
    as_json: AsJson = False,
) -> None:
    """Write the approval card of a rollback.

    Refuses, before anybody is asked, a version that has never served (exit 3), a target whose files differ from the
    record (exit 3) and a rollback without a reason (exit 2).
    """
    with session(as_json, for_agent, verb="propose rollback") as call:
        demand_target(to)
        why = demand_reason(reason)
        _demand_production(call)
        from ml_service.audit.approval import propose as module

        taken = taken_over(take_over, take_over_reason, why)
        call.attempts(to, reason=why)
        module.demand_replaceable(call.view, taken)
        _tell(call, module.propose_rollback(call.view, to, why, evidence, take_over=taken), evidence)


def _demand_production(call: Session) -> None:
    from ml_service.settings.variables import demand_production

    demand_production(call.settings)


def _tell(call: Session, card: ApprovalCard, folder: Path) -> None:
    """Show the card, add it to the summary of the build, and set the output variables that name the deployment."""
    from ml_service.audit.approval import page
    from ml_service.audit.approval.card import CARD_SUMMARY
    from ml_service.audit.events.kinds import approval_requested

    evidence = {"card_sha256": hashlib.sha256(card.content).hexdigest()}
    target, why = card.proposed.model, card.asked.why
    call.witness.record(lambda actor: [approval_requested(card.kind, target, why, actor, evidence)])
    page.show(call.terminal, card, folder)
    call.agent.summary(folder / CARD_SUMMARY)
    version, decision = card.proposed.model.rpartition(":")[2], card.verdict.decision_sha256
    call.agent.outputs({"modelVersion": version, "decision": decision, "deployment": card.restores})
    call.agent.tag("proposed")
    call.ends(
        f"{card.proposed.model} can be deployed; nothing was changed yet", "approve or reject the stage that follows"
    )
