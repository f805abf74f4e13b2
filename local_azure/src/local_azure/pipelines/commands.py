"""`python -m local_azure pipelines`: check, expand, draw and run Azure Pipelines YAML."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, TypeVar

import click

from local_azure.machine_learning.state import StateFolder

EXIT_FAULT = 1
EXIT_USAGE = 2
EXIT_REFUSED = 3
_REASONS = ("Manual", "Schedule", "PullRequest", "IndividualCI")
_Command = TypeVar("_Command", bound=Callable[..., Any])


def _pairs(given: Iterable[str], option: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for text in given:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise click.UsageError(f"{option} {text}: write {option} NAME=VALUE.")
        found[name] = value
    return found


def _queue_options(command: _Command) -> _Command:
    """The options that say how a run is queued."""
    for option in reversed(
        (
            click.option("-p", "--parameter", "parameters", multiple=True, metavar="NAME=VALUE", help="A parameter."),
            click.option("-v", "--variable", "variables", multiple=True, metavar="NAME=VALUE",
                         help="A variable of the web page or the queue dialogue."),
            click.option("--group", "groups", multiple=True, metavar="NAME=FILE",
                         help="A variable group: a YAML file of names and values."),
            click.option("--repository", "repositories", multiple=True, metavar="ALIAS=FOLDER",
                         help="A repository resource, as a local folder."),
            click.option("--reason", type=click.Choice(_REASONS), default="Manual", show_default=True,
                         help="Build.Reason of the run."),
            click.option("--branch", default="main", show_default=True, help="Build.SourceBranch, short or full."),
        )
    ):  # fmt: skip
        command = option(command)
    return command


def _facts(
    file: Path,
    *,
    variables: tuple[str, ...],
    groups: tuple[str, ...],
    repositories: tuple[str, ...],
    reason: str,
    branch: str,
) -> Any:
    from local_azure.pipelines.queue_facts import QueueFacts
    from local_azure.pipelines.reader import read_file
    from local_azure.pipelines.tree import PipelineError, fields_of

    try:
        read = {
            name: {str(key): str(value) for key, value in fields_of(read_file(Path(path).parent, Path(path).name))}
            for name, path in _pairs(groups, "--group").items()
        }
    except PipelineError as error:
        raise click.UsageError(str(error)) from None
    return QueueFacts(
        reason=reason,
        branch=branch,
        commit=_commit(file.absolute().parent),
        variables=_pairs(variables, "-v"),
        groups=read,
        repositories={alias: Path(folder) for alias, folder in _pairs(repositories, "--repository").items()},
    )


def _commit(folder: Path) -> str:
    asked = subprocess.run(
        ["git", "-C", str(folder), "rev-parse", "--verify", "-q", "HEAD"], capture_output=True, text=True, check=False
    )
    return asked.stdout.strip() or "0" * 40


def _complain(problems: Iterable[object], file: Path) -> None:
    listed = [str(problem) for problem in problems]
    for line in listed:
        click.echo(line, err=True)
    click.echo(f"{file}: {len(listed)} fault{'s' if len(listed) != 1 else ''}.", err=True)


@click.group()
def pipelines() -> None:
    """Check, expand, draw and run Azure Pipelines YAML on this laptop.

    Exit codes: 0 ok, 1 a run failed, 2 usage, 3 refused (faults in the YAML, or a rejected approval), 124 timed out.
    """


@pipelines.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@_queue_options
@click.option("--json", "as_json", is_flag=True, help="One JSON list of faults on standard output.")
def check(
    files: tuple[Path, ...],
    parameters: tuple[str, ...],
    as_json: bool,
    **queue: Any,
) -> None:
    """Find the faults of FILES against Microsoft's schema and the service's rules."""
    from local_azure.pipelines.check import check as check_file

    found: list[dict[str, object]] = []
    for file in files:
        _, problems = check_file(file, _pairs(parameters, "-p"), _facts(file, **queue))
        if problems and not as_json:
            _complain(problems, file)
        elif not as_json:
            click.echo(f"{file}: no faults.")
        found += [{"file": p.place.file, "line": p.place.line, "what": p.what, "todo": p.todo} for p in problems]
    if as_json:
        click.echo(json.dumps(found, indent=2))
    sys.exit(EXIT_REFUSED if found else 0)


@pipelines.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@_queue_options
@click.option("--json", "as_json", is_flag=True, help="The expanded pipeline as JSON, steps as they were written.")
def expand(file: Path, parameters: tuple[str, ...], as_json: bool, **queue: Any) -> None:
    """Print FILE as the service would run it: templates, parameters and expressions replaced."""
    from local_azure.pipelines.final import final_yaml
    from local_azure.pipelines.pipeline import expand as expand_file
    from local_azure.pipelines.tree import to_plain

    expanded = expand_file(file, _pairs(parameters, "-p"), _facts(file, **queue))
    if expanded.problems:
        _complain(expanded.problems, file)
        sys.exit(EXIT_REFUSED)
    click.echo(json.dumps(to_plain(expanded.tree), indent=2) if as_json else final_yaml(expanded.tree), nl=as_json)


@pipelines.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@_queue_options
@click.option("--mermaid", is_flag=True, help="A Mermaid flowchart, as Azure DevOps wikis and GitHub draw it.")
def graph(file: Path, parameters: tuple[str, ...], mermaid: bool, **queue: Any) -> None:
    """Draw the stages and jobs of FILE, as text or as a Mermaid flowchart."""
    from local_azure.pipelines.model import build
    from local_azure.pipelines.picture import as_mermaid, as_text
    from local_azure.pipelines.pipeline import expand as expand_file

    expanded = expand_file(file, _pairs(parameters, "-p"), _facts(file, **queue))
    if expanded.problems:
        _complain(expanded.problems, file)
        sys.exit(EXIT_REFUSED)
    pipeline = build(expanded.tree)
    click.echo(as_mermaid(pipeline) if mermaid else as_text(pipeline))


@pipelines.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@_queue_options
@click.option("--approve", multiple=True, metavar="ENV", help="Approve the deployments to this environment.")
@click.option("--reject", multiple=True, metavar="ENV", help="Reject the deployments to this environment.")
@click.option("--ask", is_flag=True, help="Ask on the terminal for every other environment.")
@click.option("--azure", "azure_variables", multiple=True, metavar="NAME=VALUE",
              help="A variable that AzureCLI@2 steps see, over all others: where this machine's Azure is.")  # fmt: skip
@click.option("--verbose", is_flag=True, help="Show the output of every step, not of failed ones only.")
@click.option("--jobs", "parallel", default=2, show_default=True, help="How many jobs run at a time.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object on standard output; progress goes to stderr.")
@click.pass_obj
def run(state: StateFolder, /, file: Path, parameters: tuple[str, ...], **options: Any) -> None:
    """Run FILE on this machine, against local_azure where it uses AzureCLI@2.

    Exit codes: 0 succeeded, 1 failed, 3 faults in the YAML or a rejected approval, 124 timed out, 130 canceled.
    """
    from local_azure.pipelines.local_run import RunOptions, run_file

    options["azure"] = _pairs(options.pop("azure_variables"), "--azure")
    own = ("approve", "azure", "reject", "ask", "verbose", "parallel", "as_json")
    chosen = RunOptions(**{name: options.pop(name) for name in own})
    sys.exit(run_file(state, file, _pairs(parameters, "-p"), _facts(file, **options), chosen))
