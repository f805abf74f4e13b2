"""Command line of local_azure. Exit codes: 0 ok, 1 fault, 2 usage, 4 state folder in use, 124 timed out."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import click

from local_azure.cli import config_files, exit_codes, foreground, lifecycle, warm
from local_azure.cli.client_environment import client_environment, client_variables
from local_azure.cli.output.terminal import show
from local_azure.cli.pipeline_commands import pipelines
from local_azure.cli.workspace.commands import adopt_config_file, workspace
from local_azure.cli.workspace.kernel_commands import kernel
from local_azure.cli.workspace.run_commands import runs
from local_azure.cli.workspace.studio_command import studio, where
from local_azure.machine_learning.domain.access.denials import RULES, UnknownRuleError, parsed
from local_azure.machine_learning.domain.access.web_proxy import without_own
from local_azure.machine_learning.storage.state import StateFolder, find_state_folder


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--state",
    "state_path",
    type=click.Path(path_type=Path, file_okay=False),
    help="Data folder. Default: $LOCAL_AZURE_STATE, .local_azure of a parent folder, or one per project.",
)
@click.version_option(package_name="local-azure", prog_name="local_azure")
@click.pass_context
def main(context: click.Context, state_path: Path | None) -> None:
    """Azure Machine Learning on this laptop, for the unmodified Azure ML SDK v1.

    \b
    python -m local_azure exec -- python your_script.py    run any SDK program against it
    python -m local_azure studio                            see runs, models and services, approve releases
    python -m local_azure runs log                          why the newest failed run failed
    python -m local_azure up | status | logs | down         the server itself

    The server listens on 127.0.0.1 only, asks for a token on every call, and keeps its data in one folder.
    Exit codes: 0 ok, 1 fault, 2 usage, 4 the folder is in use by another server, 124 timed out; `exec` ends with the
    code of your program.
    """
    context.obj = StateFolder(find_state_folder(state_path))
    lifecycle.require_usable(context.obj)


_WEB_DATA = click.option(
    "--web-data",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    help="Folder whose files HOST/PATH are served for web addresses, until the server stops.",
)


def _rules(_: click.Context, __: click.Parameter, given: tuple[str, ...]) -> dict[str, str]:
    try:
        return dict(map(parsed, given))
    except UnknownRuleError as error:
        raise click.BadParameter(str(error)) from None


_DENY = click.option(
    "--deny",
    "rules",
    multiple=True,
    metavar="RULE",
    callback=_rules,
    help="Refuse what Azure might refuse, until the server stops or other rules are given: "
    + "; ".join(f"{name}{f'={rule.value}' if rule.value else ''} ({rule.help})" for name, rule in RULES.items())
    + ". `status` shows the rules in force.",
)


def _deny(state: StateFolder, rules: dict[str, str]) -> None:
    if rules:
        state.deny(rules)


@main.command()
@_WEB_DATA
@_DENY
@click.option("--http-port", type=int, default=0, help="Port of the JSON planes (default: as last time, else any).")
@click.option("--tls-port", type=int, default=0, help="Port of ARM and storage (default: as last time, else any).")
@click.pass_obj
def up(state: StateFolder, http_port: int, tls_port: int, web_data: Path | None, rules: dict[str, str]) -> None:
    """Start the server in the background; a running one gets no more than other web data and other rules."""
    running, _ = lifecycle.ensure(state, http_port=http_port, tls_port=tls_port)
    _choose_web_data(state, web_data)
    state.deny(rules)
    click.echo(f"local_azure answers at {running.base_url} (process {running.pid}, data in {state.root}).")
    click.echo(where(running))
    click.echo("Stop it with: python -m local_azure down")


def _choose_web_data(state: StateFolder, folder: Path | None) -> None:
    if folder is not None:
        state.choose_web_data(folder)


@main.command()
@click.pass_obj
def down(state: StateFolder) -> None:
    """Stop the server, its steps and its web services; all data stays."""
    click.echo("Stopped." if lifecycle.stop(state) else f"No server runs on {state.root}.")
    _remove_config_files(state)


def _remove_config_files(state: StateFolder) -> None:
    for path in config_files.take_away(state):
        click.echo(f"local_azure: removed {path}.", err=True)


@main.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON object on standard output.")
@click.pass_obj
def status(state: StateFolder, as_json: bool) -> None:
    """Show whether a server is running. Exit code: 0 if it is, else 1."""
    info = state.running_server()
    if as_json:
        facts = {"running": info is not None, "state": str(state.root)}
        if info:
            facts |= {"pid": info.pid, "address": info.base_url, "tls_port": info.tls_port, "studio": info.studio_url}
        click.echo(json.dumps(facts))
    elif info:
        click.echo(f"Running at {info.base_url} (process {info.pid}, data in {state.root}).")
        click.echo(where(info))
        if folder := state.web_data():
            click.echo(f"Web addresses are read from --web-data {folder}.")
        for name, value in state.denied()[0].items():
            click.echo(f"Refused by --deny: {name}{f'={value}' if value else ''}.")
    else:
        click.echo(f"Not running (data in {state.root}). Start it with: python -m local_azure up")
    sys.exit(0 if info else 1)


@main.command()
@click.pass_obj
def env(state: StateFolder) -> None:
    """Print the client variables as `export` lines: eval "$(python -m local_azure env)"."""
    info, _ = lifecycle.ensure(state)
    for name, value in client_variables(state, info, without_own(os.environ)).items():
        click.echo(f"export {name}={shlex.quote(value)}")


@main.command()
@click.option("--lines", default=40, show_default=True, help="How many lines from the end.")
@click.option("--follow", is_flag=True, help="Continue printing until interrupted.")
@click.pass_obj
def logs(state: StateFolder, lines: int, follow: bool) -> None:
    """Print the end of the server's log."""
    if not state.server_log.exists():
        click.echo(f"There is no log in {state.root} yet.", err=True)
        sys.exit(1)
    command = ["tail", "-n", str(lines), *(["-f"] if follow else []), str(state.server_log)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as tail:
        assert tail.stdout is not None  # noqa: S101 - asked for as a pipe
        for line in tail.stdout:
            show(line.decode(errors="replace"), nl=False)
    sys.exit(tail.returncode)


_AZURE_DEVOPS = click.option(
    "--azure-devops",
    is_flag=True,
    help="Serve the REST API of Azure DevOps for COMMAND: SYSTEM_COLLECTIONURI, SYSTEM_TEAMPROJECT and "
    "SYSTEM_ACCESSTOKEN lead to a rehearsal of an organization, which is kept in the state folder.",
)

main.add_command(workspace)
main.add_command(runs)
main.add_command(kernel)
main.add_command(pipelines)
main.add_command(studio)


@main.command("exec", context_settings={"ignore_unknown_options": True})
@click.option("--down", "stop_after", is_flag=True, help="Stop the server afterwards if this command started it.")
@click.option("--warm", "preloaded", is_flag=True, envvar=warm.VARIABLE, help=warm.HELP)
@_WEB_DATA
@_AZURE_DEVOPS
@_DENY
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED)
@click.pass_obj
def execute(
    state: StateFolder,
    *,
    stop_after: bool,
    preloaded: bool,
    web_data: Path | None,
    azure_devops: bool,
    rules: dict[str, str],
    command: tuple[str, ...],
) -> None:
    """Run COMMAND against the server, which is started when needed.

    COMMAND is any program that uses the Azure ML SDK v1; environment variables alone point it at the server. For
    Workspace.from_config(), the workspace that your config file names is created on the server. If neither this
    folder nor a parent has one, .azureml/config.json is written into your project's folder; `down` removes it.
    Put -- before COMMAND, so that its options are passed to it.
    """
    preloading = warm.Preloading(state) if preloaded else None
    if preloading:
        preloading.begin(command)
    with foreground.use(state, stop_after=stop_after, wait=_say_waiting) as (info, started):
        _choose_web_data(state, web_data)
        _deny(state, rules)
        said = config_files.provide(state, Path.cwd())
        if said:
            click.echo(f"local_azure: {said}", err=True)
        adopt_config_file(Path.cwd(), state, info)
        words, environment = list(command), client_environment(os.environ, state, info)
        if preloading:
            words, environment = preloading.apply(info, words, environment)
        with _served(state, azure_devops) as variables:
            code = _run(words, {**environment, **variables})
    if started and stop_after:
        _remove_config_files(state)
    if started and not stop_after:
        click.echo("local_azure: the server keeps running; stop it with: python -m local_azure down", err=True)
        click.echo(f"local_azure: {where(info)}", err=True)
    sys.exit(code)


@contextmanager
def _served(state: StateFolder, azure_devops: bool) -> Iterator[dict[str, str]]:
    """Serve Azure DevOps' API where it is asked for; yields the variables that lead there."""
    if not azure_devops:
        yield {}
        return
    from local_azure.cli.azure_devops import served  # it takes a while to import

    with served(state) as variables:
        yield variables


def _run(words: list[str], environment: Mapping[str, str]) -> int:
    try:
        return foreground.run(words, environment)
    except FileNotFoundError:
        click.echo(f"local_azure: the command '{words[0]}' was not found.", err=True)
        return exit_codes.NOT_FOUND


def _say_waiting() -> None:
    click.echo("local_azure: another command still uses the server, which is stopped when that ends.", err=True)
