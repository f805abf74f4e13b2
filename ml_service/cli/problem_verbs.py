"""The verbs `problems list`, `problems check` and `problems new`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ml_service.cli.session import AsJson, session

app = typer.Typer(
    help="The files that say what is forecast: columns, series, contract, candidates, gate.",
    no_args_is_help=True,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.command("list")
def list_problems(as_json: AsJson = False) -> None:
    """Show the problem files of mlops_code/problems; all must be sound."""
    with session(as_json) as call:
        from ml_service.settings import problems

        problems.show(call.terminal, problems.listed())


@app.command()
def check(
    file: Annotated[Path, typer.Argument(help="The problem file.", dir_okay=False)],
    data: Annotated[Path | None, typer.Option("--data", help="A table to read by its contract.")] = None,
    as_json: AsJson = False,
) -> None:
    """Read every section of a problem file and name every mistake; with --data also check a table.

    Ends with 2 for a mistake in the file, 3 for a table that violates the data contract.
    """
    with session(as_json) as call:
        from ml_service.settings import problems

        problems.check(call.terminal, file, data)


@app.command()
def new(
    name: Annotated[str, typer.Argument(help="Small letters, digits and _; also the name of the champion's tag.")],
    *,
    date: Annotated[str, typer.Option("--date", help="Column with the day, written YYYY-MM-DD.")],
    measure: Annotated[str, typer.Option("--measure", help="Column with the number to forecast.")],
    key: Annotated[
        list[str] | None, typer.Option("--key", help="Column whose values are series of their own; may be repeated.")
    ] = None,
    mean: Annotated[bool, typer.Option("--mean", help="Average the rows of a day; default: add them up.")] = False,
    data: Annotated[
        Path | None, typer.Option("--data", help="Your table (.csv, .csv.gz), to be checked at once.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Write mlops_code/problems/NAME.yml for a table of your own, to be checked and then edited.

    With --data the new file reads the table. Ends with 3 where it lacks a column (nothing written), or violates
    the data contract or is too short (the file stays: edit it, or fix the table).
    """
    with session(as_json) as call:
        from ml_service.settings import problems

        columns = problems.Columns(date, measure, tuple(key or ()), "mean" if mean else "sum")
        problems.new(call.terminal, name, columns, table=data)
