"""`local_azure runs`: what ran, how it ended, its logs and metrics, without a line of SDK code."""

from __future__ import annotations

import json
import sys
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NoReturn
from urllib.parse import quote

import click

from local_azure.cli import exit_codes, lifecycle
from local_azure.cli.output.terminal import show
from local_azure.cli.workspace import run_views
from local_azure.cli.workspace.run_history import RunHistory
from local_azure.cli.workspace.service_client import Document, ServiceClient, workspaces_path
from local_azure.machine_learning.domain.workspace.coordinates import RESOURCE_GROUP, SUBSCRIPTION, WORKSPACE_NAME
from local_azure.machine_learning.storage.state import StateFolder

_MOST_RUNS = 1_000  # that `runs list` shows
_STATUSES = ("NotStarted", "Queued", "Running", "Completed", "Failed", "Canceled")


@click.group()
def runs() -> None:
    """What ran on this server: list | show | log | metrics.

    \b
    python -m local_azure runs list --status Failed     the newest failed runs
    python -m local_azure runs log                      the end of the log of the step that failed last
    python -m local_azure runs show RUN                 one run with its steps

    RUN is a run id as `runs list` and the SDK show it; without one, the newest run is meant.
    """


def _of_workspace(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options that name a workspace."""
    command = click.option("--subscription", default=SUBSCRIPTION, show_default=True)(command)
    command = click.option("--resource-group", default=RESOURCE_GROUP, show_default=True)(command)
    return click.option("--workspace", "workspace_name", default=WORKSPACE_NAME, show_default=True)(command)


@contextmanager
def _history(state: StateFolder, workspace_name: str, resource_group: str, subscription: str) -> Iterator[RunHistory]:
    """Open the runs of a workspace; what the server refuses is shown, and ends the command."""
    from urllib.error import HTTPError

    info, _ = lifecycle.ensure(state)
    path = f"{workspaces_path(subscription, resource_group)}/{quote(workspace_name, safe='')}"
    try:
        yield RunHistory(ServiceClient(state, info), path)
    except HTTPError as error:
        _end(json.load(error)["error"]["message"])


def _end(message: str) -> NoReturn:
    show(message, err=True)
    sys.exit(exit_codes.USAGE)


def _chosen(history: RunHistory, run_id: str | None, *, status: str | None = None) -> Document:
    if run_id is not None:
        return history.run(run_id)
    found = history.newest(experiment=None, status=status, most=1)
    if not found:
        _end(f"There is no {status.lower() + ' ' if status else ''}run in this workspace yet.")
    return found[0]


@runs.command("list")
@click.option("--experiment", help="Only runs of this experiment.")
@click.option("--status", type=click.Choice(_STATUSES, case_sensitive=False), help="Only runs with this status.")
@click.option("--top", default=20, show_default=True, type=click.IntRange(1, _MOST_RUNS), help="At most this many.")
@click.option("--json", "as_json", is_flag=True, help="The documents of the run history, as a JSON list.")
@_of_workspace
@click.pass_obj
def list_runs(
    state: StateFolder, /, experiment: str | None, status: str | None, top: int, as_json: bool, **workspace: str
) -> None:
    """List top-level runs, newest first."""
    with _history(state, **workspace) as history:
        found = history.newest(experiment=experiment, status=status, most=top)
    if as_json:
        click.echo(json.dumps(found, indent=2))
        return
    if not found:
        click.echo("No run matches.", err=True)
    for line in run_views.table(found) if found else ():
        click.echo(line)


@runs.command("show")
@click.argument("run_id", metavar="[RUN]", required=False)
@click.option("--json", "as_json", is_flag=True, help="The run and its steps as one JSON object.")
@_of_workspace
@click.pass_obj
def show_run(state: StateFolder, /, run_id: str | None, as_json: bool, **workspace: str) -> None:
    """Show one run: status, error, steps, tags."""
    with _history(state, **workspace) as history:
        run = _chosen(history, run_id)
        steps = history.steps(run["runId"])
    if as_json:
        click.echo(json.dumps({"run": run, "steps": steps}, indent=2))
        return
    for line in run_views.one_run(run, steps):
        click.echo(line)
    if run["status"] == "Failed":
        click.echo(f"  its log: python -m local_azure runs log {run['runId']}")


@runs.command("log")
@click.argument("run_id", metavar="[RUN]", required=False)
@click.option("--step", "step_name", help="The step of this name instead of the one that failed.")
@click.option("--lines", default=40, show_default=True, type=click.IntRange(0), help="How many from the end; 0: all.")
@_of_workspace
@click.pass_obj
def show_log(state: StateFolder, /, run_id: str | None, step_name: str | None, lines: int, **workspace: str) -> None:
    """Print the end of a log: of the step that failed first, or of RUN itself if none did.

    Without RUN, the newest failed run is meant.
    """
    with _history(state, **workspace) as history:
        run = _chosen(history, run_id, status=None if step_name else "Failed")
        part = _step(history, run, step_name) if step_name else history.failed_part(run)
        logs = history.logs(part["runId"])
        if not logs:
            click.echo(f"The run {part['runId']} has written no log. {_why(part)}", err=True)
        for name, address in logs.items():
            click.echo(f"{name} of run {part['runId']}:", err=True)
            text = history.lines(address)
            for line in deque(text, maxlen=lines) if lines else text:
                show(line.rstrip("\n"))


def _why(run: Document) -> str:
    lines = run_views.error_lines(run)
    return "Its error:\n" + "\n".join(lines) if lines else f"Its status: {run['status']}."


def _step(history: RunHistory, run: Document, name: str) -> Document:
    steps = history.steps(run["runId"])
    for step in steps:
        if name in (step["runId"], step.get("name"), step.get("displayName")):
            return step
    known = ", ".join(sorted(str(step.get("name") or step["runId"]) for step in steps)) or "none"
    _end(f"The run {run['runId']} has no step '{name}'. It has: {known}.")


@runs.command("metrics")
@click.argument("run_id", metavar="[RUN]", required=False)
@click.option("--json", "as_json", is_flag=True, help="Every value, as one JSON object by name of the metric.")
@_of_workspace
@click.pass_obj
def show_metrics(state: StateFolder, /, run_id: str | None, as_json: bool, **workspace: str) -> None:
    """Print the metrics of a run and of its steps."""
    with _history(state, **workspace) as history:
        run = _chosen(history, run_id)
        parts = [run, *history.steps(run["runId"])]
        found: dict[str, dict[str, list[dict[str, Any]]]] = {}
        for part in parts:
            metrics = history.metrics(part["runId"])
            if metrics:
                found[part["runId"]] = metrics
    if as_json:
        click.echo(json.dumps(found, indent=2))
        return
    if not found:
        click.echo(f"The run {run['runId']} has logged no metric.", err=True)
    for part_id, metrics in found.items():
        click.echo(f"run {part_id}:")
        for line in run_views.metric_lines(metrics):
            click.echo(f"  {line}")
