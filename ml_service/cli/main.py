"""The command line. `--help` shows single verbs in the order of `_VERBS`, then the groups.

Usage and configuration errors and `--help` import none of the Azure libraries, because those take two
seconds. So every verb checks its arguments and the settings before it imports its module.
"""

from __future__ import annotations

import logging
import sys
import warnings
from typing import Annotated

import typer

from azure_ml.errors import ExplainedError
from ml_service.cli.verbs import (
    audit,
    azure,
    candidate,
    data,
    forecast,
    problem,
    production,
    propose,
    schedule,
    trail,
)
from ml_service.cli.verbs.training import check, publish, rehearse, run, smoke, try_recipe

_EXIT_CODES = """\b
Exit codes:
  0    success, also if the champion was kept: a new model that is not better is not an error
  1    fault: a step failed, or Azure refused a call
  2    usage or configuration: a setting or an argument is missing or invalid
  3    refused by the data contract, the gate or a check
  4    conflict: the object exists with different content, or is disabled
  124  timed out (the run is canceled)
  130  interrupted with Ctrl-C (the run continues)
"""

_HELP = """Publish, run and check the training pipeline in Azure ML; release what the gate accepts.

The usual sequence: `data upload` registers the table, `publish` publishes the pipeline, `run` trains, decides,
registers and deploys to the test service, `smoke` checks the forecasts of the service. `rehearse` runs all four in
sequence. `propose` writes the approval card, `release` deploys an accepted version to production, `verify` re-checks
production, `rollback` restores an earlier deployment.

Settings come from variables.yml; environment variables override them. Results go to standard output,
progress to standard error."""

_PROBLEM = "--problem"
_OPTIONS = {"help_option_names": ["-h", "--help"]}
app = typer.Typer(
    name="ml_service",
    help=_HELP,
    epilog=_EXIT_CODES,
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings=_OPTIONS,
)
app.add_typer(data.app, name="data")
app.add_typer(problem.app, name="problems")
app.add_typer(schedule.app, name="schedule")
app.add_typer(propose.app, name="propose")
app.add_typer(candidate.app, name="candidates")
app.add_typer(trail.app, name="audit")
app.add_typer(azure.app, name="controls")
_VERBS = (
    check.check,
    azure.doctor,
    production.release,
    production.verify,
    production.rollback,
    audit.history,
    audit.retain,
    publish.publish,
    run.run,
    smoke.smoke,
    forecast.forecast,
    audit.status,
    audit.outcome,
    rehearse.rehearse,
)
for _verb in _VERBS:
    app.command()(_verb)
app.command("try")(try_recipe.try_recipe)
app.command()(problem.adopt)


@app.callback()
def _options(
    *,
    _problem: Annotated[  # `main` removes it from the command line, in any position
        str | None,
        typer.Option(
            _PROBLEM,
            metavar="NAMES",
            help="Problem names (files of mlops_code/problems without .yml), comma-separated. Several are "
            "processed in parallel; a failure does not stop the others.",
        ),
    ] = None,
    verbose: Annotated[
        bool, typer.Option("--verbose", help="Show the Azure SDK's own log on standard error.")
    ] = False,
) -> None:
    if not verbose:
        # The SDK logs errors that it also raises, and its own deprecations; we only need the exceptions.
        logging.disable(logging.CRITICAL)


def main(argv: list[str] | None = None) -> int:
    """Run the command line and return the exit code; usage errors exit with 2."""
    words = sys.argv[1:] if argv is None else argv
    if not any(word.partition("=")[0] == _PROBLEM for word in words):
        return _run_verb(words)
    from ml_service.cli import problems_at_once
    from ml_service.output.console import Terminal

    try:
        problems, words = problems_at_once.select(words)
        # For a single problem, `select` has changed the settings of this process instead.
        if problems:
            return problems_at_once.run_each(problems, words, Terminal(as_json="--json" in words), _run_verb)
    except ExplainedError as mistake:
        from ml_service.output.console import sanitize

        typer.echo(sanitize(f"error: {mistake}"), err=True)
        return mistake.exit_code
    return _run_verb(words)


def _run_verb(words: list[str]) -> int:
    """Run one verb for one problem in this process."""
    try:
        with warnings.catch_warnings():
            # The SDK is out of support: users cannot fix its own deprecation warnings.
            warnings.simplefilter("ignore")
            app(args=words, prog_name="python -m ml_service")
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else int(bool(stop.code))
    finally:
        logging.disable(logging.NOTSET)
    return 0
