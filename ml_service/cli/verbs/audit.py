"""The verbs of audit: status, outcome, history, retain."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ml_service.cli.session import AsJson, ForAgent, session


def status(
    html: Annotated[
        Path | None,
        typer.Option(
            "--html", metavar="FILE", dir_okay=False, help="Also write the board as a page to open or print."
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show what serves, who decided it, and whether that agrees with the ledger; candidates, data, forecast accuracy
    and drift; then published pipelines, runs and models.

    Production is compared as by verify. Exits with 3 if live service, ledger and champion disagree.
    """
    with session(as_json, verb="status") as call:
        settings, view = call.settings, call.view
        from ml_service.audit import status as module
        from ml_service.audit.board import page
        from ml_service.audit.board.reading import read_board

        board = read_board(view)
        if html is not None:
            page.write_page(board, html)
        module.show(call.terminal, module.status(view.training, view.production, settings), board)
        call.exit_code = 3 if board.agreement.status == "differs" else 0
        todo = "see what happened: python -m ml_service history --out FOLDER; to roll back: docs/production.md"
        call.ends("nothing was changed; the status above is current", todo if call.exit_code else "")


def outcome(for_agent: ForAgent = None, as_json: AsJson = False) -> None:
    """Say how the last training of the problem ended: accepted, kept or red; what is quarantined; what has drifted.

    In a build it is the training of this build. With --problem and several names, a build shows all of them on one
    page. Ends with 3 when the training was red.
    """
    with session(as_json, for_agent, verb="outcome") as call:
        settings = call.settings
        from ml_service.audit import last_training as module

        last = module.last_training(call.workspace, settings)
        module.show(call.terminal, last)
        call.exit_code = 3 if last.word == module.RED else 0
        call.ends("nothing was changed; this is how the last training ended", last.todo, page=False)


def history(
    out: Annotated[Path, typer.Option("--out", metavar="FOLDER", file_okay=False, help="The folder to write to.")],
    as_json: AsJson = False,
) -> None:
    """Write the history of runs, decisions, models and releases, each as a JSON and a CSV file.

    Includes kept and failed runs, and the findings of audit verify. Marks records whose hash does not verify. Exits
    with 3 if there are such records or if a recorded object is missing, and with 4 if the names in the settings
    belong to another problem.
    """
    with session(as_json, verb="history") as call:
        settings = call.settings
        from ml_service.audit import history as module
        from ml_service.audit.completeness import verifying
        from ml_service.training import ownership

        ownership.demand_readable(call.workspace, settings)
        rows = module.collect(call.workspace, settings)
        result = verifying.verify(call.view, rows=rows).added_to(rows)
        module.write(result, out)
        module.show(call.terminal, result, out)
        call.exit_code = 3 if result.not_intact else 0
        call.ends(*module.ending(result, out))


def retain(for_agent: ForAgent = None) -> None:
    """Retain this build indefinitely: create a retention lease in Azure DevOps with the token SYSTEM_ACCESSTOKEN."""
    with session(False, for_agent, verb="retain") as call:
        from ml_service.audit import retain as module

        # No workspace is opened, so none needs to be configured.
        call.ends(module.retain(call.agent_settings, call.build, call.terminal, call.agent))
