"""The verbs about Azure and Azure DevOps themselves: `controls verify`."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ml_service.cli.session import AsJson, session

if TYPE_CHECKING:
    from ml_service.azure_devops.controls.whole import Compared
    from ml_service.output.console import Terminal

app = typer.Typer(
    help="The approvals, checks, locks, permissions and policies of Azure DevOps that production relies on.",
    no_args_is_help=True,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback()
def _controls() -> None:
    """Keep `verify` a word of its own."""


@app.command("verify")
def verify(
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="FILE", dir_okay=False, help="Also write it as JSON, for an audit."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Compare what Azure DevOps has with infra/azure_devops.yml; ends with 3 where something differs.

    Reads teams, pipelines, environments, service connections, their checks and permissions, branch policies,
    retention and settings of the project that SYSTEM_COLLECTIONURI and SYSTEM_TEAMPROJECT name; changes nothing.
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
            todo = "see who changed it; then python -m infra.azure_devops apply, or a pull request that declares it"
            call.ends(f"{len(result.drifts)} controls differ from infra/azure_devops.yml", todo)
        else:
            call.ends(f"{len(result.compared)} controls are as infra/azure_devops.yml says")


def _show(terminal: Terminal, result: Compared) -> None:
    for drift in result.drifts:
        terminal.say(f"{drift.object}: {drift.property}")
        terminal.say(f"  expected  {drift.expected}")
        terminal.say(f"  found     {drift.found}")
        terminal.say(f"  fix       {drift.todo}")
    terminal.say(f"compared   {len(result.compared)} objects, {len(result.drifts)} differences")
    terminal.document(_document(result))


def _document(result: Compared) -> dict[str, object]:
    return {"compared": list(result.compared), "drifts": [asdict(drift) for drift in result.drifts]}
