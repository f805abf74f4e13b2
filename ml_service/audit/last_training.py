"""`outcome`: report in one line how the training of a problem ended and what needs attention."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from azure_ml.pipelines.runs import ENDED, find_run, list_runs, one_word
from azure_ml.step_run import ANOTHER_RUN
from azure_ml.workspace import Workspace
from forecasting.decision.blocks import ACCEPTED
from forecasting.evaluation.drift import meaning_of
from ml_service.output.console import Terminal
from ml_service.output.moments import shown_moment
from ml_service.retraining.inbox import Unused, unused_or_why
from ml_service.settings.variables import Settings, pipeline_only_values
from ml_service.training.runs.outcome import exit_code

RED, NONE, RUNNING = "red", "none", "running"
NOTHING_WAITS = f"{NONE} nothing-waits"
"""Encoded outcome of a training that a build did not need: no candidate waits for a release."""
NO_REASON = "no-outcome"
"""Used instead of a reason that no run recorded: a step failed, or the run was canceled."""
_SHOWN_FILES = 2
_TODO = {
    ACCEPTED: "approve or reject its release, unless it is released: python -m ml_service candidates list\n"
    "if nothing asks for an approval, queue retrain.yml with the parameter pending",
    RED: "follow docs/runbooks/red-retraining.md; the champion stays meanwhile",
    RUNNING: "see it end: python -m ml_service run --follow {run_id}",
    ANOTHER_RUN: "where this repeats, the other run hangs: docs/runbooks/red-retraining.md",
}
_TODO_INBOX = "look after the files that are not trained on: docs/runbooks/quarantined-data.md"


def encode(code: int, outcome: str, reason: str, run_id: str) -> str:
    """Encode the result of a training for later stages of the build. code: exit code of `run`."""
    return " ".join((RED if code else outcome or NONE, reason or NO_REASON, run_id))


def variable_of(problem: str) -> str:
    """Name of the variable that holds the encoded result in a later stage. problem: name of its file."""
    return f"TRAINED_{problem.upper()}"


@dataclass(frozen=True)
class LastTraining:
    """How a training ended. word: accepted, kept, red, running, or none if there was nothing to do."""

    problem: str
    word: str
    reason: str
    run_id: str
    drift: tuple[str, ...]
    """The statistics by which the newest data differs from earlier data, in words."""
    inbox: Unused

    @property
    def line(self) -> str:
        """Outcome, files of the inbox that need attention and drift, in one line."""
        parts = [f"{self.word}, {self.reason}"]
        if self.inbox.quarantined:
            parts.append(f"quarantined: {_few([item.file for item in self.inbox.quarantined])}")
        if self.inbox.unread:
            parts.append(f"not read: {_few(list(self.inbox.unread))}")
        if self.inbox.unknown:
            parts.append("the inbox cannot be read")
        if self.drift:
            parts.append(f"drift: {', '.join(self.drift)}")
        return "; ".join(parts)

    @property
    def todo(self) -> str:
        """What to do next; empty if nothing needs attention."""
        first = _TODO.get(self.reason, _TODO.get(self.word, "")).format(run_id=self.run_id)
        waits = self.inbox.quarantined or self.inbox.unread
        return "; ".join(filter(None, (first, _TODO_INBOX if waits else "")))


def _few(names: list[str]) -> str:
    """Join the first names and the number of the others."""
    more = f" and {len(names) - _SHOWN_FILES} more" if len(names) > _SHOWN_FILES else ""
    return ", ".join(names[:_SHOWN_FILES]) + more


def last_training(workspace: Workspace, settings: Settings) -> LastTraining:
    """Read the training that this build ran; at a terminal, the newest run. Changes nothing."""
    problem = settings.problem_file.stem
    ended = _of_build(workspace, problem) if settings.tf_build else _newest(workspace, settings)
    return LastTraining(problem, *ended, unused_or_why(workspace, settings))


Ended = tuple[str, str, str, tuple[str, ...]]
"""Word, reason, id of the run, drift in words."""


def _of_build(workspace: Workspace, problem: str) -> Ended:
    """Read the variable that the training's stage set; if it set none, the stage failed."""
    name = variable_of(problem)
    words = pipeline_only_values({name}).get(name, "").split()
    if not words:
        return RED, "no training of this build has ended; see the log of its stage", "", ()
    word, reason, run_id = (*words, "", "")[:3]
    run = find_run(workspace, run_id) if run_id else None
    return word, reason or NO_REASON, run_id, meaning_of(run.properties.get("drift", "") if run else "")


def _newest(workspace: Workspace, settings: Settings) -> Ended:
    run = next(iter(list_runs(workspace, settings.experiment_name, 1)), None)
    if run is None:
        return NONE, "no training was begun", "", ()
    status, outcome, reason = one_word(run.status), *(run.properties.get(key, "") for key in ("outcome", "reason"))
    if status not in ENDED:
        return RUNNING, f"since {shown_moment(run.created)}", run.id, ()
    word = RED if exit_code(status, outcome) else outcome
    return word, reason or NO_REASON, run.id, meaning_of(run.properties.get("drift", ""))


def show(terminal: Terminal, last: LastTraining) -> None:
    """Print the outcome."""
    terminal.out(f"outcome    {last.line}")
    if last.run_id:
        terminal.out(f"run        {last.run_id}")
    for item in last.inbox.quarantined:
        terminal.out(f"quarantine {item.file}, since {item.when}: {item.findings[0]}")
    for file, why in last.inbox.unread.items():
        terminal.out(f"not read   {file}: {why}")
    if last.inbox.unknown:
        terminal.out(f"inbox      not readable: {last.inbox.unknown}")
    terminal.document({**asdict(last), "line": last.line})
