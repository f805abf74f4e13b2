"""`rehearse`: data upload, publish, run and smoke in one process, with everything they show."""

from __future__ import annotations

from ml_service import data, publish, run, smoke, table
from ml_service.build import Build
from ml_service.console import Terminal
from ml_service.service import service_state
from ml_service.settings import Settings
from ml_service.snapshots import STEP_ORDER
from ml_service.workspace import OpenWorkspace


def rehearse(
    workspace: OpenWorkspace, settings: Settings, build: Build, terminal: Terminal, timeout_minutes: float
) -> int:
    """Go the whole way once; returns the exit code of the first part that does not end with 0.

    Raises: what the parts raise.
    """
    terminal.say(f"workspace  {workspace.banner}, signed in by {workspace.signed_in_by.value}")
    data.show(terminal, data.upload(workspace, settings, terminal, table.check(settings)))
    terminal.heading("Publish")
    publish.show(terminal, publish.publish(workspace, settings, build, terminal, STEP_ORDER))
    terminal.heading("Run")
    result = run.run(workspace, settings, build, terminal, run.Wanted(timeout_minutes=timeout_minutes))
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


_NEXT = (
    ("python -m ml_service status", "what is published, registered, serving"),
    ("python -m ml_service run", "again: prepare and train are reused, the champion is kept"),
    ("python -m ml_service run --unpublished --steps train,register,deploy", "the three steps, not published"),
    ("python -m ml_service data upload --file YOUR.csv", "your own table, checked before it is taken"),
    ("python mlops_code/train.py --help", "one step alone on plain files"),
)
