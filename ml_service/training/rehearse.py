"""`rehearse`: data upload, publish, run and smoke in one process, with everything they show."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from azure_ml.services import find_service
from azure_ml.workspace import Workspace
from ml_service.output.console import Terminal
from ml_service.settings.build import Build
from ml_service.settings.variables import Settings
from ml_service.training import data, ownership, publish, smoke
from ml_service.training.data import Uploaded, check_file, requested_version
from ml_service.training.runs import ending
from ml_service.training.runs.result import RunResult
from ml_service.training.runs.run import run
from ml_service.training.runs.submitting import RunRequest

Accepted = Callable[[Uploaded], object]


def rehearse(
    workspace: Workspace,
    settings: Settings,
    build: Build,
    terminal: Terminal,
    *,
    timeout_minutes: float,
    data_version: int | None,
    accepted: Accepted,
) -> RunResult:
    """Run all verbs once; after a refused or failed run, the service is not checked.

    data_version: train on this one and upload nothing; None: upload DATA_FILE and train on exactly that.
    accepted: called with a table that was uploaded.

    Raises: what the parts raise.
    """
    terminal.out(f"workspace  {workspace.banner}, signed in by {settings.identity.value}")
    checked = None if data_version else check_file(settings)
    ours = ownership.demand_ours(workspace, settings)
    if checked is None:
        number = _requested(workspace, settings, terminal, data_version)
    else:
        uploaded = data.upload(workspace, settings, terminal, checked, announce=False)
        data.show(terminal, uploaded)
        accepted(uploaded)
        number = uploaded.version
    terminal.heading("Publish")
    request = publish.PublishRequest(data_version=number, ours=ours)
    publish.show(terminal, publish.publish(workspace, settings, build, terminal, request))
    terminal.heading("Run")
    ours = replace(ours, endpoint=None)  # it has a new default since
    asked = RunRequest(timeout_minutes=timeout_minutes, data_version=number, ours=ours)
    result = run(workspace, settings, build, terminal, asked)
    ending.show(terminal, result)
    if not result.exit_code:
        _show_service(workspace, settings, terminal)
    return result


def _show_service(workspace: Workspace, settings: Settings, terminal: Terminal) -> None:
    """Show the test service, its forecast, and what to try next."""
    terminal.heading("Service")
    service = find_service(workspace, settings.test_service_name)
    if service is not None:
        terminal.out(f"service    {service.state.line}")
    smoke.show(terminal, smoke.smoke(workspace, settings.test_service_name, smoke.DEFAULT_HORIZON))
    terminal.heading("What to try next, in the same environment")
    for command, purpose in _NEXT:
        terminal.out(f"  {command:<70} {purpose}")


def _requested(workspace: Workspace, settings: Settings, terminal: Terminal, data_version: int | None) -> int:
    """The data version that was asked for."""
    found = requested_version(workspace, settings, data_version)
    terminal.out(f"data       {found.name} version {found.version}, as requested; nothing was uploaded")
    return found.version


_NEXT = (
    ("python -m ml_service status", "what is published, registered, serving"),
    ("python -m ml_service run", "again: prepare and train are reused, the champion is kept"),
    ("python -m ml_service run --unpublished --steps train,register,deploy", "the three steps, not published"),
    ("python -m ml_service data upload --file YOUR.csv", "your own table, checked before it is uploaded"),
    ("python mlops_code/train.py --help", "one step alone on plain files"),
)
