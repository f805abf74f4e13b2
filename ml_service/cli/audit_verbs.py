"""The verbs of audit: status, history, retain."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from azure_ml.errors import AzureMlError
from ml_service.cli.session import AsJson, ForAgent, session


def status(as_json: AsJson = False) -> None:
    """Show what is published, what ran, which models are registered, which is champion, and what is deployed.

    If AZUREML_PRODUCTION_WORKSPACE_NAME names a production workspace, also show what is deployed there.
    """
    with session(as_json, verb="status") as call:
        settings = call.settings
        from ml_service.audit import status as module

        production = None
        if settings.has_production:
            try:
                production = call.production
            except AzureMlError as error:  # a person who may train may have no role in production
                call.terminal.note(f"production is not shown: {error}")
        module.show(call.terminal, module.status(call.workspace, production, settings))
        call.ends(
            "nothing was changed; the state above was read now", "check production: python -m ml_service verify"
        )


def history(
    out: Annotated[Path, typer.Option("--out", metavar="FOLDER", file_okay=False, help="Where to write.")],
    as_json: AsJson = False,
) -> None:
    """Write the history of runs, decisions, models and releases, each as a JSON and a CSV file.

    Kept and failed runs are included. Records whose hash does not verify are marked; the exit code is then 3. Names
    that belong to another problem are refused (exit 4).
    """
    with session(as_json, verb="history") as call:
        settings = call.settings
        from ml_service.audit import history as module
        from ml_service.training import ownership

        ownership.demand_readable(call.workspace, settings)
        result = module.collect(call.workspace, settings)
        module.write(result, out)
        module.show(call.terminal, result, out)
        call.exit_code = 3 if result.not_intact else 0
        call.ends(*module.ending(result, out))


def retain(for_agent: ForAgent = None) -> None:
    """Keep this build indefinitely: get a retention lease from Azure DevOps with the token SYSTEM_ACCESSTOKEN."""
    with session(False, for_agent, verb="retain") as call:
        settings = call.settings
        from ml_service.audit import retain as module

        call.ends(module.retain(settings, call.build, call.terminal, call.agent))
