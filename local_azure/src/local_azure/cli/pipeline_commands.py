"""`python -m local_azure pipelines`: check, expand, draw and run Azure Pipelines YAML."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import click

from local_azure.cli import exit_codes, warm
from local_azure.cli.output.terminal import printable, show
from local_azure.machine_learning.storage.state import StateFolder

if TYPE_CHECKING:  # imported where used, so that --help stays fast
    from local_azure.pipelines.expand.queue_facts import QueueFacts
    from local_azure.pipelines.language.tree import Fields, Problem

_REASONS = ("Manual", "Schedule", "PullRequest", "IndividualCI")
_F = TypeVar("_F", bound=Callable[..., Any])
_PATH = click.Path(exists=True, dir_okay=False, path_type=Path)


def _pairs(context: click.Context, option: click.Parameter, given: tuple[str, ...]) -> dict[str, str]:
    """Parse NAME=VALUE options."""
    found: dict[str, str] = {}
    for text in given:
        name, equals, value = text.partition("=")
        if not (name and equals):
            raise click.BadParameter(f"'{text}' is not NAME=VALUE.", context, option)
        found[name] = value
    return found


def _mapping_option(*names: str, metavar: str = "NAME=VALUE", text: str) -> Callable[[_F], _F]:
    return click.option(*names, multiple=True, metavar=metavar, callback=_pairs, help=text)


_GROUP_HELP = "A variable group: a YAML file of NAME: VALUE, or NAME: {value: VALUE, isSecret: true} for a secret."
_QUEUE_OPTIONS = (
    _mapping_option(
        "-p", "--parameter", "parameters", text="A parameter of the pipeline; lists and mappings as YAML."
    ),
    _mapping_option("-v", "--variable", "variables", text="A variable that is set in the web UI or at queue time."),
    _mapping_option("--group", "groups", metavar="NAME=FILE", text=_GROUP_HELP),
    _mapping_option("--repository", "repositories", metavar="ALIAS=FOLDER", text="Folder of a repository resource."),
    click.option("--reason", type=click.Choice(_REASONS), default="Manual", show_default=True, help="Build.Reason."),
    click.option("--branch", default="main", show_default=True, help="Build.SourceBranch, short or full."),
)


def _queue_options(command: _F) -> _F:
    """Add the options that say how a run is queued."""
    for option in reversed(_QUEUE_OPTIONS):
        command = option(command)
    return command


def _facts(
    file: Path,
    *,
    variables: dict[str, str],
    groups: dict[str, str],
    repositories: dict[str, str],
    reason: str,
    branch: str,
) -> QueueFacts:
    """Return the facts of a queued run."""
    from local_azure.pipelines.expand.queue_facts import QueueFacts
    from local_azure.pipelines.run.builds.record import local_person

    read = {name: _group(Path(path)) for name, path in groups.items()}
    facts = QueueFacts(
        reason=reason,
        branch=branch,
        person=local_person(),
        variables=variables,
        groups={name: group.values for name, group in read.items()},
        secrets=frozenset((name, variable) for name, group in read.items() for variable in group.secrets),
        masked=frozenset((name, variable) for name, group in read.items() for variable in group.masked),
        repositories={alias: Path(folder) for alias, folder in repositories.items()},
    )
    commit = _commit(file.absolute().parent)
    return replace(facts, commit=commit) if commit else facts


class _Group(NamedTuple):
    """The values of a variable group, which are secret, and which are masked because of their names."""

    values: dict[str, str]
    secrets: set[str]
    masked: set[str]


def _group(path: Path) -> _Group:
    """Read the file of a variable group."""
    from local_azure.pipelines.expand.model import is_true
    from local_azure.pipelines.language.reader import read_file
    from local_azure.pipelines.language.tree import Fields, PipelineError, Text, fields_of
    from local_azure.pipelines.run.agent.masking import looks_secret

    try:
        fields = fields_of(read_file(path.parent, path.name))
    except PipelineError as error:
        raise click.UsageError(printable(str(error))) from None
    group = _Group({}, set(), set())
    for name, content in fields:
        value = content.get("value") if isinstance(content, Fields) else content
        if not isinstance(value, Text):
            raise click.UsageError(f"{path}: '{name}' is neither a string nor {{value: STRING, isSecret: true}}.")
        group.values[str(name)] = str(value)
        declared = content.get("isSecret") if isinstance(content, Fields) else None
        if is_true(declared):
            group.secrets.add(str(name))
        elif declared is None and looks_secret(str(name)):
            group.masked.add(str(name))
    return group


def _commit(folder: Path) -> str:
    """Return the commit of a working tree, or an empty string."""
    command = ["git", "-C", str(folder), "rev-parse", "--verify", "--quiet", "HEAD"]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()


def _say_faults(problems: Sequence[Problem], file: Path) -> None:
    for problem in problems:
        show(str(problem), err=True)
    click.echo(f"{file}: {len(problems)} fault{'s' if len(problems) != 1 else ''}.", err=True)


def _expanded(file: Path, parameters: dict[str, str], queue: dict[str, Any]) -> Fields:
    """Return the tree of an expanded pipeline; exits when it has faults."""
    from local_azure.pipelines.expand.expansion import expand

    result = expand(file, parameters, _facts(file, **queue))
    if result.problems:
        _say_faults(result.problems, file)
        sys.exit(exit_codes.REFUSED)
    return result.tree


@click.group()
def pipelines() -> None:
    """Check, expand, draw and run Azure Pipelines YAML on this machine.

    Exit codes: 0 ok, 1 a run failed, 2 usage, 3 refused (faults in the YAML, or a rejected approval), 124 timed out.
    """


@pipelines.command("check")
@click.argument("files", nargs=-1, required=True, type=_PATH)
@_queue_options
@click.option("--json", "as_json", is_flag=True, help="One JSON list of faults on standard output.")
def check_command(files: tuple[Path, ...], parameters: dict[str, str], as_json: bool, **queue: Any) -> None:
    """Check FILES against Microsoft's schema and the service's rules.

    Parameters without a default get a sample value unless -p sets one.
    """
    from local_azure.pipelines.check.pipeline_check import check
    from local_azure.pipelines.expand.expansion import sample_parameters

    found: dict[Path, list[Problem]] = {}
    given = {name.lower() for name in parameters}
    for file in files:
        samples = {name: value for name, value in sample_parameters(file).items() if name.lower() not in given}
        _, found[file] = check(file, {**samples, **parameters}, _facts(file, **queue))
    if as_json:
        click.echo(json.dumps(_as_json(found.values()), indent=2))
    else:
        for file in files:
            if not found[file]:
                click.echo(f"{file}: no faults.")
        for file, problems in found.items():
            if problems:
                _say_faults(problems, file)
    sys.exit(exit_codes.REFUSED if any(found.values()) else 0)


def _as_json(found: Iterable[list[Problem]]) -> list[dict[str, object]]:
    faults: list[dict[str, object]] = []
    for problems in found:
        faults += [{"file": p.location.file, "line": p.location.line, "fault": p.text.strip()} for p in problems]
    return faults


@pipelines.command("expand")
@click.argument("file", type=_PATH)
@_queue_options
@click.option("--json", "as_json", is_flag=True, help="Print JSON; steps keep short forms such as `script`.")
def expand_command(file: Path, parameters: dict[str, str], as_json: bool, **queue: Any) -> None:
    """Print FILE as the service would run it: templates, parameters and expressions replaced."""
    from local_azure.pipelines.expand.final_yaml import final_yaml
    from local_azure.pipelines.language.tree import to_plain

    tree = _expanded(file, parameters, queue)
    show(json.dumps(to_plain(tree), indent=2) if as_json else final_yaml(tree).rstrip())


@pipelines.command("graph")
@click.argument("file", type=_PATH)
@_queue_options
@click.option("--mermaid", is_flag=True, help="A Mermaid flowchart, as Azure DevOps wikis and GitHub render it.")
def graph_command(file: Path, parameters: dict[str, str], mermaid: bool, **queue: Any) -> None:
    """Draw the stages and jobs of FILE, as text or as a Mermaid flowchart."""
    from local_azure.cli.output.pipeline_graphs import as_mermaid, as_text
    from local_azure.pipelines.expand.model import Pipeline

    pipeline = Pipeline(_expanded(file, parameters, queue))
    show(as_mermaid(pipeline) if mermaid else as_text(pipeline))


@pipelines.command("run")
@click.argument("file", type=_PATH)
@_queue_options
@click.option("--approve", multiple=True, metavar="ENV", help="Approve the deployments to this environment.")
@click.option("--reject", multiple=True, metavar="ENV", help="Reject the deployments to this environment.")
@click.option("--comment", default="", metavar="TEXT", help="The comment on --approve and --reject.")
@click.option("--approver", default="local rehearsal", show_default=True, help="The name recorded as approver.")
@click.option("--ask", is_flag=True, help="Ask about all other environments, even without a terminal.")
@click.option("--studio", is_flag=True, help="Without a terminal, wait for the answer in the studio.")
@_mapping_option("--azure", text="A variable for AzureCLI@2 steps; overrides all others.")
@click.option("--verbose", is_flag=True, help="Show the output of every step, not only of failed ones.")
@click.option("--pages", is_flag=True, help="Print the summary pages that steps have uploaded, at the end.")
@click.option("--jobs", "parallel", default=2, show_default=True, help="How many jobs run at a time.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object on standard output; progress goes to stderr.")
@click.option("--warm", is_flag=True, envvar=warm.VARIABLE, help=warm.HELP)
@click.pass_obj
def run_command(state: StateFolder, /, file: Path, parameters: dict[str, str], **options: Any) -> None:
    """Run FILE on this machine, against local_azure where it uses AzureCLI@2.

    Each job has a fresh copy of the working tree. Artifacts, logs, step summaries and result.json are kept below the
    state folder. Exit codes: 0 succeeded, 1 failed, 3 faults in the YAML or a rejected approval, 124 timed out,
    130 canceled by Ctrl-C.
    """
    from local_azure.cli.pipeline_runs import RunOptions, run_file

    own = (
        "approve",
        "reject",
        "comment",
        "approver",
        "ask",
        "studio",
        "azure",
        "verbose",
        "parallel",
        "as_json",
        "pages",
        "warm",
    )
    chosen = RunOptions(**{name: options.pop(name) for name in own})
    sys.exit(run_file(state, file, parameters, _facts(file, **options), chosen))
