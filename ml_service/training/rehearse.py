"""`rehearse`: data upload, publish, run and smoke in one process, with everything they show."""

from __future__ import annotations

from dataclasses import replace

from ml_service.output.console import Terminal
from ml_service.settings.build import Build
from ml_service.settings.variables import Settings
from ml_service.settings.workspace import OpenWorkspace
from ml_service.training import data, ownership, publish, run, smoke, table, versions
from ml_service.training.service import service_state


def rehearse(
    workspace: OpenWorkspace,
    settings: Settings,
    build: Build,
    terminal: Terminal,
    *,
    timeout_minutes: float,
    data_version: int | None,
) -> int:
    """Go the whole way once; returns the exit code of the first part that does not end with 0.

    data_version: train on this one and upload nothing; None: upload DATA_FILE and train on exactly that.

    Raises: what the parts raise.
    """
    terminal.say(f"workspace  {workspace.banner}, signed in by {workspace.signed_in_by.value}")
    checked = None if data_version else table.check(settings)
    ours = ownership.demand_ours(workspace, settings)
    number = _data(workspace, settings, terminal, checked, data_version)
    terminal.heading("Publish")
    asked = publish.Wanted(data_version=number, ours=ours)
    publish.show(terminal, publish.publish(workspace, settings, build, terminal, asked))
    terminal.heading("Run")
    ours = replace(ours, endpoint=None)  # it has a new default since
    result = run.run(
        workspace,
        settings,
        build,
        terminal,
        run.Wanted(timeout_minutes=timeout_minutes, data_version=number, ours=ours),
    )
    run.show(terminal, result)
    if result.exit_code:
        return result.exit_code
    terminal.heading("Service")
    state = service_state(workspace, settings.test_service_name)
    if state is not None:
        terminal.say(f"service    {state.line}")
    smoke.show(terminal, smoke.smoke(workspace, settings.test_service_name, smoke.DEFAULT_HORIZON))
    terminal.heading("What to try next, where this command ran")
    for command, purpose in _NEXT:
        terminal.say(f"  {command:<70} {purpose}")
    return 0


def _data(
    workspace: OpenWorkspace,
    settings: Settings,
    terminal: Terminal,
    checked: table.CheckedTable | None,
    data_version: int | None,
) -> int:
    """The data version to train on: that of a table that is uploaded, else the one that was asked for."""
    if checked is not None:
        uploaded = data.upload(workspace, settings, terminal, checked)
        data.show(terminal, uploaded)
        return uploaded.data.version
    found = versions.wanted(workspace, settings, data_version)
    terminal.say(f"data       {found.name} version {found.version}, as asked for; nothing was uploaded")
    return int(found.version)


_NEXT = (
    ("python -m ml_service status", "what is published, registered, serving"),
    ("python -m ml_service run", "again: prepare and train are reused, the champion is kept"),
    ("python -m ml_service run --unpublished --steps train,register,deploy", "the three steps, not published"),
    ("python -m ml_service data upload --file YOUR.csv", "your own table, checked before it is taken"),
    ("python mlops_code/train.py --help", "one step alone on plain files"),
)
