"""The verbs about Azure and Azure DevOps themselves: `doctor`, `controls verify`."""

from __future__ import annotations

import json
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ml_service.cli.session import AsJson, session

if TYPE_CHECKING:
    from ml_service.azure_devops.controls.whole import Compared
    from ml_service.doctor.examination import Report
    from ml_service.output.console import Terminal

app = typer.Typer(
    help="The Azure DevOps approvals, checks, locks, permissions and policies that protect production.",
    no_args_is_help=True,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


class Environment(StrEnum):
    """The environment whose release is examined."""

    TRAINING = "training"
    PRODUCTION = "production"


def doctor(
    environment: Annotated[
        Environment | None,
        typer.Option("--environment", help="Default: production if it is configured, otherwise training."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Find what would stop the first release; each finding has its fix. Exits with 3 if there are findings.

    Checks settings, sign-in, permissions, resource providers, storage, registry, cluster, quota, names and, with
    SYSTEM_ACCESSTOKEN, the controls of Azure DevOps. Run it under the identity that will release. Changes nothing.
    """
    with session(as_json, verb="doctor") as call:
        from ml_service.doctor.examination import Report, examine, of_error, sentence_of
        from ml_service.output.failures import explain

        try:
            settings = call.settings
        except Exception as mistake:
            known = explain(mistake)
            if known is None:
                raise
            report = Report((), (of_error("settings", known),), ())
        else:
            chosen = environment or (Environment.PRODUCTION if settings.has_production else Environment.TRAINING)
            report = examine(settings, chosen.value, call.terminal.err)
        _show_report(call.terminal, report)
        call.exit_code = 3 if report.findings else 0
        call.ends(sentence_of(report), "apply each fix, then: python -m ml_service doctor" if report.findings else "")


@app.callback()
def _controls() -> None:
    """Keep `verify` a subcommand, although it is the only one."""


@app.command("verify")
def verify(
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="FILE", dir_okay=False, help="Also write the result as JSON, for an audit."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Compare the controls in Azure DevOps with infra/azure_devops.yml; exits with 3 if they differ.

    Reads teams, pipelines, environments, service connections, their checks and permissions, branch policies,
    retention and settings of the project given by SYSTEM_COLLECTIONURI and SYSTEM_TEAMPROJECT. Changes nothing.
    """
    with session(as_json, verb="controls verify") as call:
        settings = call.settings
        from ml_service.azure_devops.controls.configured import configured_connections, open_controls
        from ml_service.azure_devops.controls.declared import read_declared
        from ml_service.azure_devops.controls.whole import compare

        declared = read_declared()
        result = compare(open_controls(settings, declared), declared, configured_connections(settings))
        if out is not None:
            out.parent.mkdir(parents=True, exist_ok=True)
            out.write_text(json.dumps(_document(result), indent=2) + "\n", encoding="utf-8")
        _show(call.terminal, result)
        call.exit_code = 3 if result.drifts else 0
        if result.drifts:
            todo = "see who changed them; then python -m infra.azure_devops apply, or declare it by a pull request"
            call.ends(f"{len(result.drifts)} controls differ from infra/azure_devops.yml", todo)
        else:
            call.ends(f"{len(result.compared)} controls match infra/azure_devops.yml")


def _show_report(terminal: Terminal, report: Report) -> None:
    for one in report.findings:
        terminal.out(one.check)
        for label, text in (("found", one.found), ("expected", one.expected), ("fix", one.fix)):
            first, *rest = text.splitlines() or [""]
            terminal.out(f"  {label:<10}{first}")
            for line in rest:
                terminal.out(f"  {'':<10}{line}")
    for unknown in report.unknown:
        terminal.out(f"not checked: {unknown.check}: {unknown.reason}")
    terminal.out(f"passed     {', '.join(report.passed) or 'nothing'}")
    terminal.document(asdict(report))


def _show(terminal: Terminal, result: Compared) -> None:
    for drift in result.drifts:
        terminal.out(f"{drift.object}: {drift.property}")
        terminal.out(f"  expected  {drift.expected}")
        terminal.out(f"  found     {drift.found}")
        terminal.out(f"  fix       {drift.todo}")
    terminal.out(f"compared   {len(result.compared)} objects, {len(result.drifts)} differences")
    terminal.document(_document(result))


def _document(result: Compared) -> dict[str, object]:
    return {"compared": list(result.compared), "drifts": [asdict(drift) for drift in result.drifts]}
