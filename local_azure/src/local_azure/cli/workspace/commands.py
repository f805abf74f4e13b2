"""`local_azure workspace`: creates and lists workspaces; also creates the one that a config file names."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from urllib.parse import quote

import click

from local_azure.cli import exit_codes, lifecycle
from local_azure.cli.client_environment import find_config_file, is_own
from local_azure.cli.output.terminal import show
from local_azure.cli.workspace.service_client import Document, ServiceClient, workspaces_path
from local_azure.machine_learning.domain.workspace.coordinates import RESOURCE_GROUP, SUBSCRIPTION
from local_azure.machine_learning.storage.state import ServerInfo, StateFolder


def create_workspace(client: ServiceClient, subscription: str, resource_group: str, name: str) -> Document:
    """Create a workspace unless it exists; returns its document. Raises urllib.error.HTTPError."""
    return client.resource("PUT", f"{workspaces_path(subscription, resource_group)}/{quote(name, safe='')}")


def adopt_config_file(folder: Path, state: StateFolder, info: ServerInfo) -> None:
    """Create the workspace that a found config file names, so that `from_config()` of any project works.

    Does nothing without such a file, or when the file is not one that the SDK could read.
    """
    path = find_config_file(folder)
    if path is None or is_own(path):  # every server has that one
        return
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        names = [content[key] for key in ("subscription_id", "resource_group", "workspace_name")]
    except (ValueError, KeyError, TypeError):
        return
    if all(isinstance(name, str) for name in names):
        create_workspace(ServiceClient(state, info), *names)


@click.group()
def workspace() -> None:
    """Workspaces of this server, for example one for development and one for production."""


@workspace.command()
@click.argument("name")
@click.option("--resource-group", default=RESOURCE_GROUP, show_default=True)
@click.option("--subscription", default=SUBSCRIPTION, show_default=True)
@click.pass_obj
def create(state: StateFolder, name: str, resource_group: str, subscription: str) -> None:
    """Create a workspace; does nothing when it exists."""
    from urllib.error import HTTPError

    info, _ = lifecycle.ensure(state)
    try:
        create_workspace(ServiceClient(state, info), subscription, resource_group, name)
    except HTTPError as error:
        show(json.load(error)["error"]["message"], err=True)
        sys.exit(exit_codes.USAGE)
    click.echo(f"Workspace {name} in {resource_group}, subscription {subscription}.")


@workspace.command("list")
@click.option("--resource-group", default=RESOURCE_GROUP, show_default=True)
@click.option("--subscription", default=SUBSCRIPTION, show_default=True)
@click.pass_obj
def list_workspaces(state: StateFolder, resource_group: str, subscription: str) -> None:
    """Print the names of the workspaces of a resource group, one a line."""
    info, _ = lifecycle.ensure(state)
    found = ServiceClient(state, info).resource("GET", workspaces_path(subscription, resource_group))
    for document in found["value"]:
        show(document["name"])
