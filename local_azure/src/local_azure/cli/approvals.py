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
from local_azure.pipelines.run.builds.evidence import CHANGED, Evidence, evidence_of
from local_azure.pipelines.run.builds.progress import read_progress
from local_azure.pipelines.run.builds.record import Decision
from local_azure.pipelines.run.record import RunRecord
from local_azure.pipelines.run.run_state import Question, RunState

_POLL_SECONDS = 0.2


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
        self.shown: dict[Path, str] = {}
        """Pages that were shown with a question, and what they said."""

    def decide(self, run: RunState, question: Question) -> Decision | None:
        """Decide whether the stage may deploy to the environment; None: the run was canceled before.

        A rejection is recorded; Ctrl-C is not a rejection. Of several answers, the first one counts.
        """
        folder, environment = run.record.folder, question.environment
        own = self._decide(run, question, lambda: answer_of(folder, question.approval_id) is not None)
        if run.canceled.is_set() and not (own and own.approved):
            return None
        decision = answer_of(folder, question.approval_id)
        if own is not None:
            decision = settle(folder, question.approval_id, own)
        if decision is None:
            return None
        if not decision.approved:
            run.record.rejected.append(environment)
            run.say(f"  environment {environment}: REJECTED, no job of {question.title} runs")
        return decision

    def _decide(self, run: RunState, question: Question, answered: Callable[[], bool]) -> Decision | None:
        """Return the answer; None: answered in the studio, or the run was canceled."""
        environment = question.environment
        if environment in self._reject or environment in self._approve:
            return Decision(environment not in self._reject, self._person, self._comment)

        def is_over() -> bool:
            return run.canceled.is_set() or answered()

        if self._ask:
            return self._asked(run, question, answered, is_over)
        if self._wait:
            run.say(f"  environment {environment}: waits for the approval in the studio")
            while not is_over():
                run.canceled.wait(_POLL_SECONDS)
            return None
        message = f"The environment {environment} needs an approval, and nobody can be asked:"
        show(f"{message} pass --approve {environment} or --reject {environment}.", err=True)
        return Decision(False, self._person, "nobody could be asked")

    def _asked(
        self, run: RunState, question: Question, answered: Callable[[], bool], is_over: Callable[[], bool]
    ) -> Decision | None:
        """What the person at the terminal says of the evidence as it is then; None as of `_decide`."""
        with self._turn(is_over) as has_turn:
            evidence = _evidence(run.record, question) if has_turn else None
            while evidence:
                found = self._answer(run.record, question, evidence, is_over)
                if answered():
                    show("\nanswered in the studio", err=True)
                    return None
                shown, evidence = evidence, _evidence(run.record, question)
                if is_over() or evidence == shown:
                    return found
                show(f"\n{CHANGED}:", err=True)
        return None

    def _answer(
        self, record: RunRecord, question: Question, evidence: Evidence, is_over: Callable[[], bool]
    ) -> Decision:
        self._show_evidence(record, evidence)
        show("Answer here, or in the studio: python -m local_azure studio", err=True)
        asked = f"Approve {question.title} to the environment {question.environment}?"
        approved, comment = _answered(asked, is_over)
        return Decision(approved, self._person, comment, evidence.sha256)

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

    def _show_evidence(self, record: RunRecord, evidence: Evidence) -> None:
        """Show the pages that were not shown before as they are now, and the paths of the artifacts."""
        files = {record.folder / name for name in evidence.files}
        pages = [page for page in record.summaries() if page in files]
        for page in pages:
            text = page.read_text(encoding="utf-8").strip()
            if self.shown.get(page) != text:
                self.shown[page] = text
                show(f"\n{text}\n", err=True)
        for path in sorted(files - set(pages)):
            show(f"evidence: {path}", err=True)


def _evidence(record: RunRecord, question: Question) -> Evidence:
    return evidence_of(record.folder, question.stage, read_progress(record.folder))


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
