"""The verbs of audit: status, history, retain."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from azure_ml.errors import AzureMlError
from ml_service.cli.session import AsJson, ForAgent, Session, perform


def status(as_json: AsJson = False) -> None:
    """Show what is published, what ran, which models are registered, which is champion, and what serves.

    Where AZUREML_PRODUCTION_WORKSPACE_NAME names a production workspace, also what serves there.
    """

    def verb(session: Session) -> int:
        settings = session.settings
        from ml_service.audit import status as module

        production = None
        if settings.has_production:
            try:
                production = session.production
            except AzureMlError as error:  # who may train need not have a role in production
                session.terminal.note(f"production is not shown: {error}")
        module.show(session.terminal, module.status(session.workspace, production, settings))
        return 0

    perform(as_json, verb)


def history(
    out: Annotated[Path, typer.Option("--out", metavar="FOLDER", file_okay=False, help="Where to write.")],
    as_json: AsJson = False,
) -> None:
    """Write the history of runs, decisions, models and releases as JSON and CSV, one file of each a kind.

    Everything is in it, kept and failed runs too. Records whose hash does not verify are marked, and end with 3.
    """

    def verb(session: Session) -> int:
        settings = session.settings
        from ml_service.audit import history as module

        result = module.collect(session.workspace, settings)
        module.write(result, out)
        module.show(session.terminal, result, out)
        return 3 if result.not_intact else 0

    perform(as_json, verb)


def retain(for_agent: ForAgent = None) -> None:
    """Keep this build for ever: ask Azure DevOps for a retention lease with the job's token (SYSTEM_ACCESSTOKEN)."""

    def verb(session: Session) -> int:
        settings = session.settings
        from ml_service.audit import retain as module

        module.retain(settings, session.build, session.terminal, session.agent)
        return 0

    perform(False, verb, for_agent)
