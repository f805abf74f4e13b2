"""The verbs `candidates list` and `candidates withdraw`."""

from __future__ import annotations

from typing import Annotated

import typer

from ml_service.cli.session import AsJson, session

app = typer.Typer(
    help="Candidates: versions that the gate has accepted, with their states.",
    no_args_is_help=True,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.command("list")
def list_candidates(as_json: AsJson = False) -> None:
    """Show every candidate: its state with time, person and reason, and the earlier history of its bytes.

    Approvals are read from Azure DevOps with the job's token (SYSTEM_ACCESSTOKEN); without it, the state of a
    candidate whose approval was requested is unknown. Changes nothing.
    """
    with session(as_json, verb="candidates list") as call:
        settings = call.settings
        from ml_service.audit import candidates as module
        from ml_service.production.candidates.reading import newest_pending, read_candidates

        candidates = read_candidates(call.workspace, settings, call.ask)
        module.show(call.terminal, candidates)
        waiting = newest_pending(call.workspace, candidates, call.terminal.out)
        call.ends("nothing was changed", module.next_step(waiting))


@app.command()
def withdraw(
    model_version: Annotated[int, typer.Option("--model-version", metavar="NUMBER", min=1, help="The version.")],
    reason: Annotated[str, typer.Option("--reason", metavar="TEXT", help="The reason; it is recorded.")],
    as_json: AsJson = False,
) -> None:
    """Withdraw a candidate: it can no longer be released, not even by a pending approval.

    Ends with 3 for one that is no longer open: released, rejected, superseded, expired or withdrawn.
    """
    with session(as_json, verb="candidates withdraw") as call:
        from ml_service.production.candidates import recording

        found = recording.withdraw(call.desk, model_version, reason)
        call.terminal.out(f"withdrawn  {found.model}, which was {found.state}: {reason.strip()}")
        call.terminal.document({"model": found.model, "was": str(found.state), "reason": reason.strip()})
        call.ends(f"candidate {found.model} is withdrawn")
