"""What people are told of a training run that has ended: closing lines, notifications, tables."""

from __future__ import annotations

from forecasting.decision import words
from forecasting.decision.blocks import ACCEPTED
from ml_service.output.closing import Ending
from ml_service.output.console import Terminal
from ml_service.output.webhook import DRIFT, WAITING, Event
from ml_service.settings.variables import Settings
from ml_service.training.runs.follow import (
    how_to_follow,
    shown_seconds,
    shown_status,
)
from ml_service.training.runs.outcome import show_outcome
from ml_service.training.runs.result import RunResult


def ending_of_try(result: RunResult) -> Ending:
    """How a run without registration ended, for the closing."""
    decision, settled = result.outcome.decision, "nothing was registered or deployed"
    if decision is None or result.exit_code == 1:
        return _complaint(result)
    happened = f"tried: the gate says {decision.verdict.outcome}; {settled}\n{decision.verdict.sentence}"
    if result.outcome.outcome == ACCEPTED:
        return Ending(happened, "merge the branch: its release trains, decides and asks for approval")
    return Ending(happened, "read the report, change the recipe, try once more; do not merge it for this model")


def ending(result: RunResult, settings: Settings, *, is_asked: bool = True) -> Ending:
    """How the run ended, for the closing; with the log of a failed step.

    is_asked: whether somebody is asked to approve what was accepted. On the page of a build no terminal is named:
    whoever approves there would go past the approval with it.
    """
    if result.is_pending:
        return Ending(
            f"run {result.run_id} is still in progress; there is no decision yet", how_to_follow(result.run_id)
        )
    if result.complaint:
        return _complaint(result)
    if result.outcome.model is None:
        return Ending(f"the champion stays and nothing was registered, which is normal{_drifted(result)}")
    model, todo = result.outcome.model, ""
    if settings.has_production and not is_asked:
        todo = "nobody is asked to approve it here; to ask, queue retrain.yml with the parameter pending"
    elif settings.has_production:
        terminal = f"; at a terminal: python -m ml_service release --model-version {model.version}"
        todo = f"approve or reject its release{'' if settings.tf_build else terminal}"
    return Ending(f"{model.label} was accepted, registered and deployed to the test service{_drifted(result)}", todo)


def _drifted(result: RunResult) -> str:
    """A line more where the newest data is not like the data before."""
    decision = result.outcome.decision
    told = words.drift(decision.evidence) if decision else ""
    return f"\n{told}" if told else ""


def events(result: RunResult, settings: Settings, *, is_asked: bool = True) -> list[Event]:
    """What people are notified of beside a failure: a model that waits for approval, and drift of the data.

    is_asked: whether somebody is asked to approve what was accepted.
    """
    decision, found = result.outcome.decision, list[Event]()
    if is_asked and result.outcome.model is not None and not result.exit_code and settings.has_production:
        found.append(WAITING)
    if decision is not None and words.drift(decision.evidence):
        found.append(DRIFT)
    return found


def _complaint(result: RunResult) -> Ending:
    log = "\n".join(result.log) or "(it wrote no log)"
    happened = f"error: run {result.run_id}: {result.complaint}{_drifted(result)}"
    return Ending(happened, _remedy(result), log if result.failed_step else "")


def _remedy(result: RunResult) -> str:
    if result.outcome.reason == "contract":
        return "correct the table where the findings say, then: python -m ml_service data upload"
    if result.trouble is not None:
        return result.trouble.todo or "repeat the command: it picks the run up and deploys its model"
    if result.exit_code == 3:
        return (
            "read the report, then change data or recipes; only an accountable person overrides the gate:\n"
            "python -m ml_service run --override-by NAME --override-reason TEXT"
        )
    return "" if result.failed_step is None else "correct what the log shows, then repeat the command"


def show(terminal: Terminal, result: RunResult) -> None:
    """Print steps, outcome, decision and model."""
    terminal.out(f"run        {result.run_id} {result.followed.status} in {result.followed.seconds:.1f} s")
    terminal.table(
        ("step", "state", "time"),
        [(step.name, shown_status(step), shown_seconds(step)) for step in result.followed.steps],
        right=("time",),
    )
    show_outcome(terminal, result.outcome, deployed=result.is_deployed)
    terminal.out(f"portal     {result.portal}")
    terminal.document(result.document)
