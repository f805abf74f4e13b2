"""The verb `check`."""

from __future__ import annotations

from typing import Annotated

import typer

from ml_service.cli.session import AsJson, session


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
            call.terminal.out(f"production {call.production.banner} responds")
        call.ends("settings, problem files and table are valid", "publish and run: python -m ml_service rehearse")
