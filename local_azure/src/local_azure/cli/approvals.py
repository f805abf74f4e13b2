"""Who approves a deployment on this machine: the command line, else the person at the terminal, else nobody."""

from __future__ import annotations

import os
import select
import sys
import termios
import threading
from collections.abc import Collection, Iterator
from pathlib import Path

from local_azure.cli.output.terminal import show
from local_azure.pipelines.run.builds.record import Decision
from local_azure.pipelines.run.record import RunRecord
from local_azure.pipelines.run.run_state import RunState

_POLL_SECONDS = 0.2
_EVIDENCE = (".html", ".json", ".csv", ".md")


class Approver:
    """Approves or rejects the environments of one run; jobs call it from their threads, one at a time."""

    def __init__(
        self, approve: Collection[str], reject: Collection[str], *, ask: bool, person: str, comment: str
    ) -> None:
        """person: name recorded with each decision. comment: used for decisions from the command line."""
        self._approve, self._reject = approve, reject
        self._person, self._comment = person, comment
        self._ask = ask or sys.stdin.isatty()
        self._one_question = threading.Lock()
        self.shown: set[Path] = set()
        """Pages that were shown with a question."""

    def decide(self, run: RunState, environment: str, stage: str) -> Decision | None:
        """Decide whether the stage may deploy to the environment; None: the run was canceled before.

        A rejection is recorded; Ctrl-C is not a rejection.
        """
        approved, comment = self._decide(run, environment, stage)
        if not approved and run.canceled.is_set():
            return None
        if not approved:
            run.record.rejected.append(environment)
            run.say(f"  environment {environment}: REJECTED, no job of {stage} runs")
        return Decision(approved, self._person, comment)

    def _decide(self, run: RunState, environment: str, stage: str) -> tuple[bool, str]:
        """Return the answer and its comment."""
        if environment in self._reject:
            return False, self._comment
        if environment in self._approve:
            return True, self._comment
        if not self._ask:
            message = f"The environment {environment} needs an approval, and nobody can be asked:"
            show(f"{message} pass --approve {environment} or --reject {environment}.", err=True)
            return False, "nobody could be asked"
        with self._one_question:
            self._show_evidence(run.record)
            return _answered(run, f"Approve {stage} to the environment {environment}?")

    def _show_evidence(self, record: RunRecord) -> None:
        """Show the pages that were not shown before, and the paths of all evidence."""
        for page in record.summaries():
            if page not in self.shown:
                self.shown.add(page)
                show(f"\n{page.read_text(encoding='utf-8').strip()}\n", err=True)
        for path in _evidence(record):
            show(f"evidence: {path}", err=True)


def _answered(run: RunState, question: str) -> tuple[bool, str]:
    """Ask until a person says yes or no; the rest of the line is the comment.

    End of input means no, and Ctrl-C cancels the question.
    """
    _discard_typed_input()
    while not run.canceled.is_set():
        show(f"{question} [y/N]: ", nl=False, err=True)
        line = _typed_line(run.canceled)
        if line is None:
            show("not approved: no answer", err=True)
            return False, "no answer"
        answer, _, comment = line.strip().partition(" ")
        if answer.lower() in ("y", "yes"):
            return True, comment.strip()
        if answer.lower() in ("", "n", "no"):
            return False, comment.strip() or _reason(run)
        show("Please answer y or n. A comment may follow.", err=True)
    return False, ""


def _reason(run: RunState) -> str:
    """Ask for the reason of a rejection, until one is given or the input ends."""
    while not run.canceled.is_set():
        show("not approved; why? One line, which is recorded: ", nl=False, err=True)
        line = _typed_line(run.canceled)
        if line is None:
            break
        if line.strip():
            return line.strip()
    return ""


def _discard_typed_input() -> None:
    """Drop what was typed before the question: it cannot be an answer."""
    if sys.stdin.isatty():
        termios.tcflush(sys.stdin, termios.TCIFLUSH)


def _evidence(record: RunRecord) -> Iterator[Path]:
    """Yield the files in the artifacts of the run that a person can read."""
    for path in sorted((record.folder / "artifacts").rglob("*")):
        if path.suffix in _EVIDENCE and path.is_file():
            yield path


def _typed_line(canceled: threading.Event) -> str | None:
    """Return the next line that is typed; None at the end of input or when the run is canceled.

    Read without a buffer, because Python's blocking read would not return when the run ends.
    """
    typed = b""
    while not canceled.is_set():
        if not select.select([sys.stdin], [], [], _POLL_SECONDS)[0]:
            continue
        character = os.read(sys.stdin.fileno(), 1)
        if character == b"\n":
            return typed.decode(errors="replace")
        if not character:
            return typed.decode(errors="replace") if typed else None
        typed += character
    return None
