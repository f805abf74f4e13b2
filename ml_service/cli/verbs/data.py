"""The verbs `data upload`, `data ingest`, `data quarantine` and `data accept`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ml_service.cli.session import AsJson, ForAgent, session

app = typer.Typer(
    help="Versions of the training data, and the inbox for delivered files.",
    no_args_is_help=True,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.command()
def upload(
    file: Annotated[
        Path | None,
        typer.Option("--file", help="The table; default: DATA_FILE of variables.yml.", dir_okay=False),
    ] = None,
    reason: Annotated[
        str | None,
        typer.Option("--reason", metavar="TEXT", help="Why a table of unusual size or order is right; recorded."),
    ] = None,
    no_marker: Annotated[
        bool,
        typer.Option("--no-marker", help="Start no scheduled training; the caller trains on it itself."),
    ] = False,
    for_agent: ForAgent = None,
    as_json: AsJson = False,
) -> None:
    """Check a table against the data contract and register it as a data version.

    The same bytes give the same version again. A table that violates the contract is refused (exit 3) with every
    finding, and nothing is uploaded; where the workspace can be opened, the ledger tells of it. So is one whose
    number of rows differs too much from the newest version, or that ends before it, unless --reason says why.
    """
    with session(as_json, for_agent, verb="data upload") as call:
        settings = call.settings
        from azure_ml.digests import file_sha256
        from ml_service.audit.events.kinds import DATA_REFUSED
        from ml_service.retraining import inbox
        from ml_service.retraining.schedules import todo_after_delivery
        from ml_service.training import data, ownership

        source = file or settings.data_file
        if source.is_file():
            call.attempts(source.name, refused_as=DATA_REFUSED, data_sha256=file_sha256(source))
        checked = data.check_file(settings, file)
        acceptance = None if reason is None else inbox.acceptance_of(call.build, reason)
        ownership.demand_ours(call.workspace, settings)
        result = data.upload(call.workspace, settings, call.terminal, checked, acceptance, announce=not no_marker)
        call.witness.record_table(result, acceptance)
        data.show(call.terminal, result)
        call.agent.outputs({"dataVersion": result.version})
        todo = "train on it: python -m ml_service publish, then python -m ml_service run --reason data"
        todo = todo if no_marker else todo_after_delivery(settings, todo)
        call.ends(f"the table is data version {result.version}", todo)


@app.command()
def ingest(as_json: AsJson = False) -> None:
    """Check each new file in the inbox of the data set and register it as a version or quarantine it.

    Idempotent: a file is read once, until it is replaced. Exits with 0 even if files are quarantined, and with 4 if
    another process is ingesting.
    """
    with session(as_json, verb="data ingest") as call:
        settings = call.settings
        from ml_service.retraining import inbox
        from ml_service.training import ownership

        ownership.demand_ours(call.workspace, settings)
        from ml_service.output.webhook import QUARANTINED

        begun = inbox.now()
        done = inbox.ingest(call.workspace, settings, call.build, call.terminal)
        from ml_service.audit.events.collecting import of_receipts

        receipts = [one for one in (*done.taken, *done.quarantined) if one.when >= begun]
        call.witness.record(lambda actor: of_receipts(receipts, settings.dataset_name, actor))
        inbox.show_ingested(call.terminal, settings, done)
        set_aside = [receipt.file for receipt in done.quarantined if receipt.when >= begun]
        call.events += [QUARANTINED] if set_aside else []
        also = f"; quarantined: {', '.join(set_aside)}" if set_aside else ""
        also += f"; {len(done.waiting)} were not read" if done.waiting else ""
        todo = "see what is not trained on: python -m ml_service data quarantine"
        call.ends(f"{len(done.taken)} new files were read{also}", todo if done.quarantined or done.waiting else "")


@app.command()
def quarantine(as_json: AsJson = False) -> None:
    """Show the delivered files that are not trained on: quarantined until somebody accepts or replaces them, or not
    read, with the reason.
    """
    with session(as_json, verb="data quarantine") as call:
        settings = call.settings
        from ml_service.retraining import inbox

        unused = inbox.read_unused(call.workspace, settings)
        inbox.show_unused(call.terminal, unused)
        todo = "have what is not read delivered as docs/data.md says" if unused.unread else ""
        if unused.quarantined:
            todo = "accept one: python -m ml_service data accept NAME --reason TEXT, or replace it"
        call.ends("nothing was changed", todo)


@app.command()
def accept(
    file: Annotated[str, typer.Argument(help="Name of the quarantined file.")],
    reason: Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why it is right; it is recorded.")],
    as_json: AsJson = False,
) -> None:
    """Register a quarantined file as the newest data version although its delivery is unusual.

    Only the size, order, length and age of a delivery can be accepted. A table with invalid cells, rows or series is
    refused (exit 3) and must be replaced.
    """
    with session(as_json, verb="data accept") as call:
        settings = call.settings
        from ml_service.retraining import inbox
        from ml_service.retraining.schedules import todo_after_delivery
        from ml_service.training import ownership

        acceptance = inbox.acceptance_of(call.build, reason)
        ownership.demand_ours(call.workspace, settings)
        from ml_service.audit.events import kinds

        call.attempts(file, reason=reason, refused_as=kinds.DATA_REFUSED)
        version, sha256 = inbox.accept(
            call.workspace, settings, call.build, call.terminal, name=file, acceptance=acceptance
        )
        table = kinds.Table(settings.dataset_name, version, sha256, file)
        call.witness.record(lambda actor: [kinds.data_accepted(table, actor, acceptance)])
        call.terminal.out(f"data       accepted {file} as {settings.dataset_name} version {version}")
        call.terminal.document({"file": file, "name": settings.dataset_name, "version": version})
        todo = todo_after_delivery(settings, "train on it: python -m ml_service run --reason data")
        call.ends(f"{file} is data version {version}", todo)
