"""`candidates list`: what the gate has accepted, and what has become of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from ml_service.output.console import Terminal
from ml_service.production.candidates.candidate import Candidate, Setback


def show(terminal: Terminal, candidates: Sequence[Candidate]) -> None:
    """Print a line for each candidate, and one for each setback of its bytes."""
    if not candidates:
        terminal.out("no version has been accepted yet")
    for candidate in candidates:
        terminal.out(f"{candidate.model}  {candidate.line}")
        for setback in candidate.setbacks:
            terminal.out(f"    {sentence(setback)}")
    terminal.document({"candidates": [row(candidate) for candidate in candidates]})


def next_step(waiting: Candidate | None) -> str:
    """What to do next: to release the candidate that waits, if one does; empty otherwise."""
    return f"release {waiting.model}: python -m ml_service release --pending" if waiting else ""


def sentence(setback: Setback) -> str:
    """What happened to the same bytes before, for the next approver."""
    why = f": {' '.join(setback.reason.split())}" if setback.reason else ""
    return f"{setback.kind} before, as {setback.model}, {setback.when} by {setback.person or 'unknown'}{why}"


def row(candidate: Candidate) -> dict[str, Any]:
    """A candidate as JSON: state, since, person and reason beside what identifies it."""
    move = {
        "state": str(candidate.state),
        "since": candidate.since,
        "person": candidate.person,
        "reason": candidate.reason,
        "build_id": candidate.move.build_id,
    }
    rest = {name: value for name, value in asdict(candidate).items() if name not in ("move", "due")}
    return {"model": candidate.model, **move, **rest, "recorded": not candidate.due}
