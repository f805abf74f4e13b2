"""Who approves a deployment on this machine: the command line, else the person at the terminal, else nobody."""

from __future__ import annotations

import os
import select
import sys
import threading
from collections.abc import Collection, Iterator
from pathlib import Path

import click

from local_azure.pipelines.run.run_state import RunState

_LOOK_SECONDS = 0.2
_EVIDENCE = (".html", ".json", ".csv", ".md")


class Approver:
    """Decides about the environments of one run; jobs ask it from threads of their own, one after the other."""

    def __init__(self, approve: Collection[str], reject: Collection[str], *, ask: bool) -> None:
        self._approve, self._reject = approve, reject
        self._ask = ask or sys.stdin.isatty()
        self._one_question = threading.Lock()
        self.shown: set[Path] = set()
        """Pages that were shown with a question."""

    def decide(self, run: RunState, environment: str, stage: str) -> bool:
        """Whether the stage may deploy to the environment; a no is kept in the run, Ctrl-C is none."""
        approved = self._decide(run, environment, stage)
        if not approved and not run.canceled.is_set():
            run.rejected.append(environment)
            run.say(f"  environment {environment}: REJECTED, no job of {stage} runs")
        return approved

    def _decide(self, run: RunState, environment: str, stage: str) -> bool:
        if environment in (*self._reject, *self._approve):
            return environment not in self._reject
        if not self._ask:
            what = f"The environment {environment} waits for an approval, and there is nobody to ask:"
            click.echo(f"{what} --approve {environment} or --reject {environment} decides.", err=True)
            return False
        with self._one_question:
            for page in pages(run):
                if page not in self.shown:
                    self.shown.add(page)
                    click.echo(f"\n{page.read_text(encoding='utf-8').strip()}\n", err=True)
            for path in _evidence(run):
                click.echo(f"evidence: {path}", err=True)
            return self._answered(run, f"Approve {stage} to the environment {environment}?")

    def _answered(self, run: RunState, question: str) -> bool:
        """Yes only when a person says so; the end of input is a no, and Ctrl-C ends the waiting."""
        while not run.canceled.is_set():
            click.echo(f"{question} [y/N]: ", nl=False, err=True)
            answer = _line(run)
            if answer is None or answer.strip().lower() in ("", "n", "no"):
                click.echo("not approved: no answer" if answer is None else "not approved", err=True)
                return False
            if answer.strip().lower() in ("y", "yes"):
                return True
            click.echo("Please answer y or n.", err=True)
        return False


def pages(run: RunState) -> list[Path]:
    """The Markdown pages that steps have put on the page of the run, in the order of their making."""
    return [path for path in run.kept if path.parent.parent.name == "summaries"]


def _evidence(run: RunState) -> Iterator[Path]:
    """The files in the artifacts of the run that a person can read."""
    for path in sorted((run.folder / "artifacts").rglob("*")):
        if path.suffix in _EVIDENCE and path.is_file():
            yield path


def _line(run: RunState) -> str | None:
    """The next line that is typed; None at the end of input or when the run is canceled.

    Read without a buffer, because a waiting read of Python's own would not end with the run.
    """
    typed = b""
    while not run.canceled.is_set():
        if select.select([sys.stdin], [], [], _LOOK_SECONDS)[0]:
            character = os.read(sys.stdin.fileno(), 1)
            if character in (b"\n", b""):
                return typed.decode(errors="replace") if character or typed else None
            typed += character
    return None
