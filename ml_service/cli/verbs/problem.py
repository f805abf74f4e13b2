"""The verbs `problems list`, `problems check` and `problems new`."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Literal

import typer

from ml_service.cli.session import AsJson, session
from ml_service.errors import InvalidRequestError

Missing = Annotated[
    Literal["zero", "refuse"] | None,
    typer.Option("--missing", help="Whether a missing row of a series means zero, or is a mistake."),
]
Rules = Annotated[
    list[str] | None,
    typer.Option(
        "--reading",
        metavar="KEY=VALUE",
        help="Format of the table, such as decimal=, or date_format=%d/%m/%Y; may be repeated. "
        "Keys that are not given are detected in the table.",
    ),
]
app = typer.Typer(
    help="Problem files, which define a forecasting problem: columns, series, contract, candidates, gate.",
    no_args_is_help=True,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.command("list")
def list_problems(as_json: AsJson = False) -> None:
    """Show the problem files of mlops_code/problems; all must be valid."""
    with session(as_json, verb="problems list") as call:
        from ml_service.settings import problems

        problems.show_all(call.terminal)
        call.ends("every problem file is valid", "add yours: python -m ml_service problems new NAME")


@app.command()
def check(
    file: Annotated[Path, typer.Argument(help="The problem file.", dir_okay=False)],
    data: Annotated[Path | None, typer.Option("--data", help="A table to check against its contract.")] = None,
    as_json: AsJson = False,
) -> None:
    """Validate a problem file and report all mistakes together; with --data also check a table.

    Exits with 2 if the file has a mistake, and with 3 if the table violates the data contract.
    """
    with session(as_json, verb="problems check") as call:
        from ml_service.settings import problems

        with _refused(lambda: f"correct the table, or edit {file}, then repeat the command"):
            problems.check(call.terminal, file, data)
        also = ", and so is the table" if data else ""
        call.ends(f"{file} is valid{also}", problems.next_of(file, data))


@contextmanager
def _refused(todo: Callable[[], str]) -> Iterator[None]:
    """Say of a refused table what to do about it: no workspace is open, so nothing that is live is concerned."""
    from forecasting.errors import RefusedError
    from ml_service.errors import CheckFailedError

    try:
        yield
    except RefusedError as refusal:
        raise CheckFailedError(str(refusal), todo=todo()) from None


def adopt(
    name: Annotated[str, typer.Argument(help="Name of your problem: lowercase letters, digits and _.")],
    *,
    data: Annotated[Path, typer.Option("--data", help="Your table; it is copied to data/NAME.", dir_okay=False)],
    date: Annotated[
        str | None, typer.Option("--date", help="Column with the day; omit it if you have a problem file.")
    ] = None,
    measure: Annotated[str | None, typer.Option("--measure", help="Column with the number to forecast.")] = None,
    key: Annotated[list[str] | None, typer.Option("--key", help="Column that identifies the series.")] = None,
    mean: Annotated[bool, typer.Option("--mean", help="Average the rows of a day and series.")] = False,
    missing: Missing = None,
    reading: Rules = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the changes without making them.")] = False,
    as_json: AsJson = False,
) -> None:
    """Make this copy of the template yours: replace the sample with your problem.

    Writes the problem file (or takes mlops_code/problems/NAME.yml, if it is there), the table, PROBLEM_FILE and
    PROBLEMS; parks the sample's problem files and data for the unit tests, puts the wheel of local_azure in the
    place of its sources, and removes the tests and notebooks that prove the template itself. The tree must be
    committed, so that git undoes all of it. Ends with 2 or 3 as problems new does, and then nothing is changed.
    """
    with session(as_json, verb="adopt") as call:
        from ml_service.adoption import own
        from ml_service.settings import new_problem, problems, proposed_reading

        if bool(date) != bool(measure):
            raise InvalidRequestError("--date and --measure belong together", todo="give both, or neither")
        columns = None
        if date and measure:
            columns = new_problem.Columns(date, measure, tuple(key or ()), "mean" if mean else "sum")
        ask = None if as_json or not sys.stdin.isatty() else ask_what_missing_means
        decided = problems.Decided(proposed_reading.parse_rules(reading or ()), missing or "", ask)
        changes = own.adopt(call.terminal, own.Wish(name, data, columns, decided), dry_run=dry_run)
        if dry_run:
            call.ends(f"{len(changes)} changes were listed; nothing was changed", "repeat without --dry-run")
        else:
            call.ends(
                f"this repository forecasts {name}",
                f"look at it: git status\ncommit it:  git add -A && git commit -m 'Forecast {name}'\n"
                "run it:     make run",
            )


def ask_what_missing_means(gaps: int) -> str:
    """Ask at the terminal."""
    import click

    question = f"{gaps} series-days have no row. Does such a day mean zero, or is it a mistake"
    return str(typer.prompt(question, type=click.Choice(["zero", "refuse"]), err=True))


@app.command()
def new(
    name: Annotated[str, typer.Argument(help="Lowercase letters, digits and _; also names the champion's tag.")],
    *,
    date: Annotated[str, typer.Option("--date", help="Column with the day.")],
    measure: Annotated[str, typer.Option("--measure", help="Column with the number to forecast.")],
    key: Annotated[
        list[str] | None, typer.Option("--key", help="Column that identifies the series; may be repeated.")
    ] = None,
    mean: Annotated[
        bool, typer.Option("--mean", help="Average the rows of a day and series instead of summing them.")
    ] = False,
    data: Annotated[
        Path | None, typer.Option("--data", help="Your table (.csv, .csv.gz, .xlsx), which is also checked.")
    ] = None,
    frequency: Annotated[
        str, typer.Option("--frequency", help="Frequency, if --data is not given: day, week-sunday, month, ...")
    ] = "day",
    holidays: Annotated[
        str, typer.Option("--holidays", help="Country whose holidays the model may know, such as DE or DE-BY.")
    ] = "",
    missing: Missing = None,
    reading: Rules = None,
    as_json: AsJson = False,
) -> None:
    """Write mlops_code/problems/NAME.yml for your own table; review and edit it afterwards.

    With --data, the format of the table (separator, decimal mark, encoding, dates), its frequency (daily, on business
    days, weekly or monthly) and whether a day has several rows are detected in the table. The result is shown
    together with the first three rows, and the table is checked against the new file.

    Exits with 2 if the table is ambiguous, or if series lack rows on some days and --missing is not given; with 3 if
    the table lacks a column or has a total row (nothing is written), violates the data contract or is too short (the
    file stays: edit it, or fix the table, then use problems check).
    """
    with session(as_json, verb="problems new") as call:
        from ml_service.settings import new_problem, problems, proposed_reading

        aggregation = "mean" if mean else "sum"
        columns = new_problem.Columns(date, measure, tuple(key or ()), aggregation, frequency, holidays=holidays)
        rules = proposed_reading.parse_rules(reading or ())
        ask = None if as_json or not sys.stdin.isatty() else ask_what_missing_means
        decided = problems.Decided(rules, missing or "", ask)
        with _refused(lambda: problems.next_of_refused(name, data)):
            problems.new(call.terminal, name, columns, table=data, decided=decided)
        call.ends(
            f"the problem file of {name} was written",
            f"review and edit it, then: export PROBLEM_FILE=mlops_code/problems/{name}.yml\n"
            "rehearse it:              python -m local_azure exec -- python -m ml_service rehearse",
        )
