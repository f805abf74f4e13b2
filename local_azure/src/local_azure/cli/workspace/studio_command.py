"""`python -m local_azure studio`: pages for a browser, which an address that works once signs in."""

from __future__ import annotations

import os
import sys
import webbrowser
from html import escape
from pathlib import Path

import click

from local_azure.cli import exit_codes, lifecycle
from local_azure.machine_learning.storage.state import ServerInfo, StateFolder, find_project

_SECONDS = 10
_SCREENS = ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER")
_PAGE = (
    '<!doctype html><meta charset="utf-8"><meta http-equiv="refresh" content="0;url={0}"><a href="{0}">studio</a>\n'
)


@click.command("studio")
@click.option("--open/--no-open", "opened", default=None, help="Open a browser (default: where there is a screen).")
@click.pass_obj
def studio(state: StateFolder, opened: bool | None) -> None:
    """Show runs, models, services and approvals in a browser; the server is started when needed.

    The printed address signs one browser in, once, within ten minutes. The session lasts until the server stops.
    """
    info, _ = lifecycle.ensure(state)
    address = one_time_address(info, find_project())
    click.echo(f"Open this address within ten minutes; it works once:\n\n    {address}\n")
    click.echo("The server keeps running; stop it with: python -m local_azure down")
    if opened or (opened is None and _has_screen()):
        _open(state, address)


def where(info: ServerInfo) -> str:
    """Return the sentence that other commands print when they leave a server running."""
    if not info.studio_port:
        return "This server has no studio; restart it to get one."
    return f"The studio shows it at {info.studio_url}/ (sign in: python -m local_azure studio)."


def one_time_address(info: ServerInfo, project: Path | None = None) -> str:
    """Ask the server for an address that signs a browser in. project: whose pipelines can be queued there."""
    import urllib.error
    import urllib.parse
    import urllib.request

    if not info.studio_port or not info.studio_token:
        message = (
            "The running server is of an earlier version, without this studio. Restart it: python -m local_azure down"
        )
        raise lifecycle.StartError(message, exit_codes.FAILED)
    headers = {"Authorization": f"Bearer {info.studio_token}"}
    body = urllib.parse.urlencode({"project": project} if project else {}, errors="surrogateescape").encode()
    request = urllib.request.Request(f"{info.studio_url}/one-time-address", body, headers)  # noqa: S310 - our own server
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=_SECONDS) as answer:
            return str(answer.read().decode())
    except (urllib.error.URLError, OSError) as error:
        raise lifecycle.StartError(f"The studio does not answer: {error}", exit_codes.FAILED) from error


def _has_screen() -> bool:
    return sys.platform == "darwin" or any(os.environ.get(name) for name in _SCREENS)


def _open(state: StateFolder, address: str) -> None:
    """Open a browser by a private file: other users can read the arguments of a process."""
    page = state.root / "studio.html"
    page.unlink(missing_ok=True)
    with os.fdopen(os.open(page, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as stream:
        stream.write(_PAGE.format(escape(address)))
    webbrowser.open(page.as_uri())
