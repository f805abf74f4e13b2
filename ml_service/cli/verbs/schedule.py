"""The verbs `schedule apply`, `list`, `pause`, `resume` and `remove`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

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
    todo = "when the cause is fixed: python -m ml_service schedule resume"
    _change_all("pause", as_json, "no schedule of the problem fires until it is resumed", todo)


@app.command()
def resume(as_json: AsJson = False) -> None:
    """Resume the paused schedules of the problem."""
    todo = "make sure that they run the code of this commit: python -m ml_service schedule apply"
    _change_all("resume", as_json, "the schedules of the problem fire again", todo)


@app.command()
def remove(as_json: AsJson = False) -> None:
    """Remove the schedules of the problem; Azure ML keeps them, disabled and renamed."""
    _change_all("remove", as_json, "the schedules of the problem are removed")


def _change_all(verb: Literal["pause", "resume", "remove"], as_json: bool, happened: str, todo: str = "") -> None:
    """Apply the change that a verb names to all schedules of the problem."""
    with session(as_json, verb=f"schedule {verb}") as call:
        settings = call.settings
        from ml_service.retraining import schedules

        changes = {"pause": schedules.pause, "resume": schedules.resume, "remove": schedules.remove}
        _tell(call, changes[verb](call.workspace, settings))
        call.ends(happened, todo)


def _tell(call: Session, done: tuple[Scheduled, ...]) -> None:
    """Show what was done, and record each changed schedule in the ledger."""
    from ml_service.audit.events import kinds
    from ml_service.retraining import schedules

    changed = [one for one in done if one.did not in ("", "unchanged")]
    if changed:
        call.witness.record(lambda by: [kinds.schedule_changed(one.name, one.kind, one.did, by) for one in changed])
    schedules.show(call.terminal, done)
