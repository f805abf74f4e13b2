"""`outcome`: how the training of a problem ended and what waits for a person, in one line."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from azure_ml.pipelines.runs import ENDED, find_run, list_runs, one_word
from azure_ml.workspace import Workspace
from forecasting.decision.blocks import ACCEPTED
from forecasting.evaluation.drift import meaning_of
from ml_service.output.console import Terminal
from ml_service.retraining.inbox import Quarantined, quarantine_or_why
from ml_service.settings.variables import Settings, other_values
from ml_service.training.outcome import exit_code

RED, NONE, RUNNING = "red", "none", "running"
NOTHING_WAITS = f"{NONE} nothing-waits"
"""The outputs of a build that needed no training: no candidate is waiting for a release."""
_SHOWN_FILES = 2
_TODO = {
    ACCEPTED: "approve or reject the release of the new model",
    RED: "follow docs/runbooks/red-retraining.md; the champion stays meanwhile",
    RUNNING: "see it end: python -m ml_service run --follow {run_id}",
}
_TODO_QUARANTINE = "decide about the quarantined files: docs/runbooks/quarantined-data.md"


def told(code: int, outcome: str, reason: str, run_id: str) -> str:
    """What a build hands on about a training that has ended. code: what `run` ends with."""
    return " ".join((RED if code else outcome or NONE, reason or "-", run_id))


def variable_of(problem: str) -> str:
    """The variable in which a later stage of a build finds that; problem: name of its file."""
    return f"TRAINED_{problem.upper()}"


@dataclass(frozen=True)
class LastTraining:
    """How it ended. word: accepted, kept, red, running, or none where there was nothing to do."""

    problem: str
    word: str
    reason: str
    run_id: str
    drift: tuple[str, ...]
    """In words, by which statistics the newest data differs from the data before."""
    quarantined: tuple[Quarantined, ...]
    inbox_unread: str
    """Why the inbox cannot be read; empty where it can."""

    @property
    def line(self) -> str:
        """The whole of it in one line."""
        said = f"{self.word}, {self.reason}" if self.reason else self.word
        files = [item.file for item in self.quarantined]
        more = f" and {len(files) - _SHOWN_FILES} more" if len(files) > _SHOWN_FILES else ""
        parts = [
            said,
            *([f"quarantined: {', '.join(files[:_SHOWN_FILES])}{more}"] if files else []),
            *(["the inbox cannot be read"] if self.inbox_unread else []),
            *([f"drift: {', '.join(self.drift)}"] if self.drift else []),
        ]
        return "; ".join(parts)

    @property
    def todo(self) -> str:
        """What a person does next; empty where nothing waits."""
        first = _TODO.get(self.word, "").format(run_id=self.run_id)
        return "; ".join(filter(None, (first, _TODO_QUARANTINE if self.quarantined else "")))


def last_training(workspace: Workspace, settings: Settings) -> LastTraining:
    """The training of this build, as its stage has told; at a terminal the newest run. Changes nothing."""
    problem = settings.problem_file.stem
    ended = _of_build(workspace, problem) if settings.tf_build else _newest(workspace, settings)
    quarantined, unread = quarantine_or_why(workspace, settings)
    return LastTraining(problem, *ended, quarantined, unread)


Ended = tuple[str, str, str, tuple[str, ...]]
"""Word, reason, id of the run, drift in words."""


def _of_build(workspace: Workspace, problem: str) -> Ended:
    """As the stage has told; where it has told nothing it broke, whatever the cause."""
    name = variable_of(problem)
    words = other_values({name}).get(name, "").split()
    if not words:
        return RED, "no training of this build has ended; see the log of its stage", "", ()
    word, reason, run_id = (*words, "", "")[:3]
    run = find_run(workspace, run_id) if run_id else None
    return word, reason.strip("-"), run_id, meaning_of(run.properties.get("drift", "") if run else "")


def _newest(workspace: Workspace, settings: Settings) -> Ended:
    run = next(iter(list_runs(workspace, settings.experiment_name, 1)), None)
    if run is None:
        return NONE, "no training was begun", "", ()
    status, outcome, reason = one_word(run.status), *(run.properties.get(key, "") for key in ("outcome", "reason"))
    if status not in ENDED:
        return RUNNING, "", run.id, ()
    word = RED if exit_code(status, outcome) else outcome
    return word, reason, run.id, meaning_of(run.properties.get("drift", ""))


def show(terminal: Terminal, last: LastTraining) -> None:
    """Print it."""
    terminal.say(f"outcome    {last.line}")
    if last.run_id:
        terminal.say(f"run        {last.run_id}")
    for item in last.quarantined:
        terminal.say(f"quarantine {item.file}, since {item.when}: {item.findings[0]}")
    if last.inbox_unread:
        terminal.say(f"inbox      not readable: {last.inbox_unread}")
    terminal.document({**asdict(last), "line": last.line})
