"""The verb `rehearse`."""

from __future__ import annotations

from typing import Annotated

import typer

from ml_service.cli.session import session
from ml_service.cli.verbs.training.ended import end, record_run
from ml_service.cli.verbs.training.options import Timeout

RehearsedData = Annotated[
    int | None,
    typer.Option(
        "--data-version",
        metavar="NUMBER",
        min=1,
        help="Train on this data version and upload nothing; default: upload DATA_FILE and train on it.",
    ),
]


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
        record_run(call, result)
        end(call, result)
