"""`local_azure workspace`: creates and lists workspaces; also creates the one that a config file names."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any
from urllib.parse import quote

import click

from local_azure.cli import exit_codes, lifecycle
from local_azure.cli.client_environment import find_config_file, is_own
from local_azure.cli.output.terminal import show
from local_azure.machine_learning.domain.workspace.coordinates import RESOURCE_GROUP, SUBSCRIPTION
from local_azure.machine_learning.storage.certificates import ROOTS
from local_azure.machine_learning.storage.state import ServerInfo, StateFolder

_PROVIDER = "/subscriptions/{0}/resourceGroups/{1}/providers/Microsoft.MachineLearningServices/workspaces"
TIMEOUT_SECONDS = 30


class ResourceManager:
    """A small client of the server's own Azure Resource Manager plane."""

    def __init__(self, state: StateFolder, info: ServerInfo) -> None:
        self._base = f"https://127.0.0.1:{info.tls_port}"
        import ssl  # here, as in `_ask`: no other command needs it, and it takes a third of what they all import

        self._context = ssl.create_default_context(capath=str(state.certificates / ROOTS))
        answer = self._ask("POST", f"{info.base_url}/msi/{info.token}/token", {})
        self._header = {"Authorization": f"Bearer {answer['access_token']}"}

    def _ask(self, method: str, address: str, headers: dict[str, str]) -> dict[str, Any]:
        import urllib.request

        request = urllib.request.Request(address, method=method, headers=headers)  # noqa: S310 - our own server
        opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=self._context)
        )
        with opener.open(request, timeout=TIMEOUT_SECONDS) as answer:
            document: dict[str, Any] = json.load(answer)
        return document

    def create(self, subscription: str, resource_group: str, name: str) -> dict[str, Any]:
        """Create a workspace unless it exists; returns its document."""
        path = _PROVIDER.format(quote(subscription), quote(resource_group))
        return self._ask("PUT", f"{self._base}{path}/{quote(name)}", self._header)

    def list(self, subscription: str, resource_group: str) -> list[dict[str, Any]]:
        """Return the workspaces of a resource group."""
        path = _PROVIDER.format(quote(subscription), quote(resource_group))
        found: list[dict[str, Any]] = self._ask("GET", f"{self._base}{path}", self._header)["value"]
        return found


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
    ResourceManager(state, info).create(*names)


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
        ResourceManager(state, info).create(subscription, resource_group, name)
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
    for document in ResourceManager(state, info).list(subscription, resource_group):
        show(document["name"])
