"""Make Azure DevOps what infra/azure_devops.yml says, or take it away again: python -m infra.azure_devops apply.

It may be repeated: what is as declared is not written. It needs a token of a project administrator in
SYSTEM_ACCESSTOKEN. Untried against Azure DevOps itself; tests run it against the API that local_azure serves.
"""

from __future__ import annotations

import argparse
import sys

import ml_service  # noqa: F401 - it puts azure_ml on the path
from azure_ml.errors import ExplainedError
from ml_service.azure_devops.controls.configured import configured_connections, open_controls
from ml_service.azure_devops.controls.declared import read_declared
from ml_service.azure_devops.controls.whole import apply, remove
from ml_service.output.console import Terminal
from ml_service.settings.variables import load

CANNOT = "cannot"


def main(argv: list[str] | None = None) -> int:
    """Entry. Exit codes: 0 done, 1 refused by Azure DevOps or partly done, 2 usage or settings."""
    parser = argparse.ArgumentParser(prog="python -m infra.azure_devops", description=__doc__)
    verbs = parser.add_subparsers(dest="verb", required=True)
    verbs.add_parser("apply", help="create and change what differs")
    removal = verbs.add_parser("remove", help="take pipelines, environments, connections and policies away")
    removal.add_argument("project", help="the name of the project, to confirm")
    given = parser.parse_args(argv)
    terminal = Terminal()
    try:
        return _run(terminal, given.verb, getattr(given, "project", ""))
    except ExplainedError as error:
        terminal.err(f"error: {error}")
        return error.exit_code


def _run(terminal: Terminal, verb: str, confirmed: str) -> int:
    settings, declared = load(), read_declared()
    connections = configured_connections(settings)
    project = open_controls(settings, declared)
    if verb == "remove" and confirmed != project.name:
        terminal.err(f"to confirm, name the project: remove {project.name}; nothing was changed")
        return 2
    lines = []
    for line in (apply if verb == "apply" else remove)(project, declared, connections):
        terminal.out(line)
        lines.append(line)
    terminal.out(f"{len(lines)} changes" if lines else "nothing was changed")
    return 1 if any(line.startswith(CANNOT) for line in lines) else 0


if __name__ == "__main__":
    sys.exit(main())
