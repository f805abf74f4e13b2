"""Approval of a deployment on this machine: by the command line, or by the first answer here or in the studio.

Where nobody can be asked, nobody approves.
"""

from __future__ import annotations

import os
import select
import sys
import termios
import threading
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

from local_azure.cli.output.terminal import show
from local_azure.pipelines.run.builds.answers import answer_of, settle
from local_azure.pipelines.run.builds.record import Decision
from local_azure.pipelines.run.record import RunRecord
from local_azure.pipelines.run.run_state import RunState

_POLL_SECONDS = 0.2
_EVIDENCE = (".html", ".json", ".csv", ".md")


class Approver:
    """Approves or rejects the environments of one run; jobs call it from their threads, one at a time."""

    def __init__(
        self,
        approve: Collection[str],
        reject: Collection[str],
        *,
        ask: bool,
        wait: bool = False,
        person: str,
        comment: str,
    ) -> None:
        """person: name recorded with each decision. comment: used for decisions from the command line.

        wait: for an answer in the studio, where there is no terminal.
        """
        self._approve, self._reject = approve, reject
        self._person, self._comment = person, comment
        self._ask = ask or sys.stdin.isatty()
        self._wait = wait
        self._one_question = threading.Lock()
        self.shown: set[Path] = set()
        """Pages that were shown with a question."""

    def decide(self, run: RunState, environment: str, stage: str, approval_id: str) -> Decision | None:
        """Decide whether the stage may deploy to the environment; None: the run was canceled before.

        A rejection is recorded; Ctrl-C is not a rejection. Of several answers, the first one counts.
        """
        folder = run.record.folder
        own = self._decide(run, environment, stage, lambda: answer_of(folder, approval_id) is not None)
        if run.canceled.is_set() and not (own and own[0]):
            return None
        decision = answer_of(folder, approval_id)
        if own is not None:
            decision = settle(folder, approval_id, Decision(own[0], self._person, own[1]))
        if decision is None:
            return None
        if not decision.approved:
            run.record.rejected.append(environment)
            run.say(f"  environment {environment}: REJECTED, no job of {stage} runs")
        return decision

    def _decide(
        self, run: RunState, environment: str, stage: str, answered: Callable[[], bool]
    ) -> tuple[bool, str] | None:
        """Return the answer and its comment; None: answered in the studio, or the run was canceled."""
        if environment in self._reject:
            return False, self._comment
        if environment in self._approve:
            return True, self._comment

        def is_over() -> bool:
            return run.canceled.is_set() or answered()

        if self._ask:
            return self._asked(run, f"Approve {stage} to the environment {environment}?", answered, is_over)
        if self._wait:
            run.say(f"  environment {environment}: waits for the approval in the studio")
            while not is_over():
                run.canceled.wait(_POLL_SECONDS)
            return None
        message = f"The environment {environment} needs an approval, and nobody can be asked:"
        show(f"{message} pass --approve {environment} or --reject {environment}.", err=True)
        return False, "nobody could be asked"

    def _asked(
        self, run: RunState, question: str, answered: Callable[[], bool], is_over: Callable[[], bool]
    ) -> tuple[bool, str] | None:
        """What the person at the terminal says; None as of `_decide`."""
        with self._turn(is_over) as has_turn:
            if not has_turn:
                return None
            self._show_evidence(run.record)
            show("Answer here, or in the studio: python -m local_azure studio", err=True)
            found = _answered(question, is_over)
            if not answered():
                return found
            show("\nanswered in the studio", err=True)
            return None

    @contextmanager
    def _turn(self, is_over: Callable[[], bool]) -> Iterator[bool]:
        """One question at a time; tells whether it is still to be asked when its turn comes."""
        while not self._one_question.acquire(timeout=_POLL_SECONDS):
            if is_over():
                yield False
                return
        try:
            yield not is_over()
        finally:
            self._one_question.release()

    def _show_evidence(self, record: RunRecord) -> None:
        """Show the pages that were not shown before, and the paths of all evidence."""
        for page in record.summaries():
            if page not in self.shown:
                self.shown.add(page)
                show(f"\n{page.read_text(encoding='utf-8').strip()}\n", err=True)
        for path in _evidence(record):
            show(f"evidence: {path}", err=True)


def _answered(question: str, is_over: Callable[[], bool]) -> tuple[bool, str]:
    """Ask until a person says yes or no; the rest of the line is the comment.

    End of input means no. is_over: nobody needs the answer any more; what is returned then means nothing.
    """
    _discard_typed_input()
    while not is_over():
        show(f"{question} [y/N]: ", nl=False, err=True)
        line = _typed_line(is_over)
        if line is None:
            if not is_over():
                show("not approved: no answer", err=True)
            return False, "no answer"
        answer, _, comment = line.strip().partition(" ")
        if answer.lower() in ("y", "yes"):
            return True, comment.strip()
        if answer.lower() in ("", "n", "no"):
            return False, comment.strip() or _reason(is_over)
        show("Please answer y or n. A comment may follow.", err=True)
    return False, ""


def _reason(is_over: Callable[[], bool]) -> str:
    """Ask for the reason of a rejection, until one is given or the input ends."""
    while not is_over():
        show("not approved; why? One line, which is recorded: ", nl=False, err=True)
        line = _typed_line(is_over)
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


def _typed_line(is_over: Callable[[], bool]) -> str | None:
    """Return the next line that is typed; None at the end of input or when nobody needs it any more.

    Read without a buffer, because Python's blocking read would not return when the run ends.
    """
    typed = b""
    while not is_over():
        if not select.select([sys.stdin], [], [], _POLL_SECONDS)[0]:
            continue
        character = os.read(sys.stdin.fileno(), 1)
        if character == b"\n":
            return typed.decode(errors="replace")
        if not character:
            return typed.decode(errors="replace") if typed else None
        typed += character
    return None
