"""`local_azure kernel`: a Jupyter kernel whose notebooks see this server instead of Azure."""

from __future__ import annotations

import importlib.util
import json
import sys
import tempfile
from pathlib import Path

import click

from local_azure.cli import exit_codes

_NAME = "local_azure"
_NEEDED = ("ipykernel", "jupyter_client")


@click.group()
def kernel() -> None:
    """Notebooks against this server: a kernel for Jupyter and VS Code."""


@kernel.command()
@click.option("--name", default=_NAME, show_default=True, help="Name of the kernel.")
@click.option(
    "--prefix",
    type=click.Path(path_type=Path, file_okay=False),
    help="Install below this folder, such as an environment. Default: for the current user.",
)
@click.pass_context
def install(context: click.Context, name: str, prefix: Path | None) -> None:
    """Install a kernel that starts below `exec`, with this Python and its packages.

    Notebooks with this kernel start the server when needed; Workspace.from_config() finds the local workspace.
    """
    missing = [package for package in _NEEDED if importlib.util.find_spec(package) is None]
    if missing:
        click.echo(f"A kernel needs {' and '.join(missing)} in {sys.prefix}. Install ipykernel there.", err=True)
        sys.exit(exit_codes.USAGE)
    from jupyter_client.kernelspec import KernelSpecManager

    state = context.find_root().params["state_path"]
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "kernel.json").write_text(json.dumps(_description(state), indent=2), encoding="utf-8")
        try:
            where = KernelSpecManager().install_kernel_spec(
                folder, name, user=prefix is None, prefix=str(prefix) if prefix else None
            )
        except (ValueError, OSError) as error:
            click.echo(f"The kernel '{name}' cannot be installed: {error}", err=True)
            sys.exit(exit_codes.USAGE)
    click.echo(f"Installed the kernel '{name}' in {where}.")
    click.echo("Choose it in Jupyter or VS Code. Remove it with: jupyter kernelspec remove " + name)


def _description(state: Path | None) -> dict[str, object]:
    """Describe the kernel as Jupyter reads it; `state` only where the person named a state folder."""
    options = ["--state", str(state.resolve())] if state else []
    launch = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    return {
        "argv": [sys.executable, "-m", "local_azure", *options, "exec", "--", *launch],
        "display_name": "Python (local Azure ML)",
        "language": "python",
        "metadata": {"debugger": True},
    }
