"""The verbs `audit verify`, `audit at`, `audit log` and `audit export`."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from ml_service.cli.session import AsJson, ForAgent, Session, session
from ml_service.errors import InvalidRequestError

app = typer.Typer(
    help="The audit trail: verify that it is complete and unchanged, show what served at a given time, export it.",
    no_args_is_help=True,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
ExportFile = Annotated[
    Path | None,
    typer.Argument(
        metavar="[FILE.zip]", help="An export, or the folder with its extracted content; default: the live services."
    ),
]
Anchor = Annotated[
    str | None,
    typer.Option("--anchor", metavar="SHA256", help="Of the export, as the command that made it has printed it."),
]
SkipData = Annotated[
    bool,
    typer.Option("--skip-data", help="Do not read the files of data versions; they are listed as unverified."),
]


@app.command()
def verify(
    file: ExportFile = None,
    anchor: Anchor = None,
    skip_data: SkipData = False,
    for_agent: ForAgent = None,
    as_json: AsJson = False,
) -> None:
    """Compare ledger, runs, models, services, data versions and builds, and the bytes of models, data and documents.

    Exits with 3 if an object was changed, is missing or has no entry in the ledger; each finding explains its
    meaning. Objects that could not be read are listed as unverified. With FILE.zip, verifies an export instead,
    without a workspace.
    """
    with session(as_json, for_agent, verb="audit verify") as call:
        if file is not None:
            _verify_export(call, file, anchor)
            return
        if anchor is not None:
            raise InvalidRequestError("--anchor is the hash of an export", todo="name the export too")
        _demand_readable(call)
        from ml_service.audit.completeness import verifying

        verified = verifying.verify(call.view, data=not skip_data)
        verifying.show(call.terminal, verified)
        call.exit_code = 3 if verified.findings else 0
        call.ends(*verifying.ending(verified), page=True)


def _verify_export(call: Session, file: Path, anchor: str | None) -> None:
    from ml_service.audit.export import checking

    faults = checking.verify(file, anchor)
    checking.show(call.terminal, file, faults)
    call.exit_code = 3 if faults else 0
    call.ends(*checking.ending(file, faults, anchor))


@app.command()
def at(
    date: Annotated[
        str, typer.Option("--date", metavar="DATE", help="A day (UTC), or a time such as 2026-03-03T14:00Z.")
    ],
    as_json: AsJson = False,
) -> None:
    """Show which bytes served at that time, since when, who requested and approved them, the evidence and the proof.

    Exits with 3 if that is unknown: before the first deployment, during a deployment, after an abandoned one, or
    after a manual change of the service; also if the ledger was changed.
    """
    with session(as_json, verb="audit at") as call:
        from ml_service.audit.timeline import at as module

        asked = module.parse_date(date, datetime.now(UTC))
        _demand_readable(call)
        from ml_service.audit.timeline.reading import read_answer

        result = read_answer(call.view, asked)
        module.show(call.terminal, result)
        call.exit_code = 0 if result.is_known else 3
        call.ends(*module.ending(result))


@app.command()
def log(
    model: Annotated[
        str, typer.Option("--model", metavar="VERSION", help="A model version: its number, or name:number.")
    ] = "",
    as_json: AsJson = False,
) -> None:
    """List the events in the ledger, oldest first; with --model only those of one model, its runs and its data."""
    with session(as_json, verb="audit log") as call:
        settings = call.settings
        from ml_service.audit.timeline import log as module
        from ml_service.production import ledger

        _demand_readable(call)
        chain = ledger.read(call.workspace, settings).chain
        named = model if ":" in model else f"{settings.model_name}:{model}"
        module.show(call.terminal, module.Index(chain.entries).of_model(named) if model else chain.entries)
        call.exit_code = 3 if chain.faults else 0
        for fault in chain.faults:
            call.terminal.err(f"error: {fault}")
        call.ends("the ledger was changed; do not trust it" if chain.faults else "nothing was changed")


def _demand_readable(call: Session) -> None:
    from ml_service.training import ownership

    ownership.demand_readable(call.workspace, call.settings)


@app.command()
def export(
    out: Annotated[Path, typer.Option("--out", metavar="FILE.zip", dir_okay=False, help="The file to write.")],
    skip_data: SkipData = False,
    for_agent: ForAgent = None,
    as_json: AsJson = False,
) -> None:
    """Write the whole audit trail to one verifiable file: events, documents, a page for people, and verify.py.

    First collects events without an entry, such as the end of a scheduled run. The file is written even if there are
    findings; the exit code is then 3. Keep the printed SHA-256, which a later verification needs.
    """
    with session(as_json, for_agent, verb="audit export") as call:
        _demand_readable(call)
        from ml_service.audit.export import making

        result = making.export(call.view, call.witness, out, data=not skip_data)
        making.show(call.terminal, call.agent, result)
        call.exit_code = 3 if result.verified.findings else 0
        call.ends(*making.ending(result), page=True)


@app.command("retain")
def retain_builds(for_agent: ForAgent = None) -> None:
    """Retain this build, and the builds that the ledger names as rejected, refused or failed.

    Creates retention leases in Azure DevOps with the token SYSTEM_ACCESSTOKEN; without it, does nothing.
    """
    with session(False, for_agent, verb="audit retain") as call:
        settings = call.settings
        from ml_service.audit import retain as module
        from ml_service.production import ledger

        said = module.retain(call.agent_settings, call.build, call.terminal, call.agent)
        chain = ledger.read(call.workspace, settings).chain
        module.retain_unsuccessful(call.agent_settings, chain, call.witness, call.terminal)
        call.ends(said)
