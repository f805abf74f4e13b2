"""The verbs `schedule apply`, `list`, `pause`, `resume` and `remove`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from ml_service.cli.session import AsJson, Session, session

if TYPE_CHECKING:
    from ml_service.retraining.schedules import Scheduled

app = typer.Typer(
    help="Schedules for automatic retraining, defined by the section `schedule` of the problem file.",
    no_args_is_help=True,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.command("apply")
def apply_(as_json: AsJson = False) -> None:
    """Publish the scheduled pipeline and update the schedules to match the problem file; idempotent.

    A paused schedule stays paused, even if its settings have changed.
    """
    with session(as_json, verb="schedule apply") as call:
        settings = call.settings
        from ml_service.retraining import schedules
        from ml_service.training import ownership

        ownership.demand_ours(call.workspace, settings)
        _tell(call, schedules.apply(call.workspace, settings, call.build, call.terminal))
        call.ends("the schedules match the problem file")


@app.command("list")
def list_(as_json: AsJson = False) -> None:
    """Show the schedules of the problem and whether they are active or paused."""
    with session(as_json, verb="schedule list") as call:
        settings = call.settings
        from ml_service.retraining import schedules

        schedules.show(call.terminal, schedules.read_schedules(call.workspace, settings))
        call.ends("nothing was changed")


@app.command()
def pause(as_json: AsJson = False) -> None:
    """Pause all schedules of the problem until `schedule resume`; a run in progress continues."""
    with session(as_json, verb="schedule pause") as call:
        settings = call.settings
        from ml_service.retraining import schedules

        _tell(call, schedules.pause(call.workspace, settings))
        todo = "when the cause is fixed: python -m ml_service schedule resume"
        call.ends("no schedule of the problem fires until it is resumed", todo)


@app.command()
def resume(as_json: AsJson = False) -> None:
    """Resume the paused schedules of the problem."""
    with session(as_json, verb="schedule resume") as call:
        settings = call.settings
        from ml_service.retraining import schedules

        _tell(call, schedules.resume(call.workspace, settings))
        todo = "make sure that they run the code of this commit: python -m ml_service schedule apply"
        call.ends("the schedules of the problem fire again", todo)


@app.command()
def remove(as_json: AsJson = False) -> None:
    """Remove the schedules of the problem; Azure ML keeps them, disabled and renamed."""
    with session(as_json, verb="schedule remove") as call:
        settings = call.settings
        from ml_service.retraining import schedules

        _tell(call, schedules.remove(call.workspace, settings))
        call.ends("the schedules of the problem are removed")


def _tell(call: Session, done: tuple[Scheduled, ...]) -> None:
    """Show what was done, and record each changed schedule in the ledger."""
    from ml_service.audit.events import kinds
    from ml_service.retraining import schedules

    changed = [one for one in done if one.did not in ("", "unchanged")]
    if changed:
        call.witness.record(lambda by: [kinds.schedule_changed(one.name, one.kind, one.did, by) for one in changed])
    schedules.show(call.terminal, done)
