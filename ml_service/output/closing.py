"""The last words of every command: what is live now, what happened, what to do next; then the end of a log."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from azure_ml.errors import ExplainedError

NOT_OPENED = "unchanged; this command opened no workspace"
LOG_LINES = 40
"""The end of a log that is shown: as much as a step that fails on the log of its service needs to show both."""
_LABELS = ("live now", "what happened", "what to do next")
_WIDTH = max(map(len, _LABELS)) + 4
_NEXT = {
    0: "nothing",
    1: "fix the cause, then repeat the command: every verb can be repeated safely",
    2: "correct the named settings or arguments, then repeat the command",
    3: "what is live needs no action; correct the findings before you try again",
    4: "find out whose it is before you decide; nothing was overwritten",
    124: "check what is still in progress, then repeat the command with more time",
    130: "repeat the command to continue: every verb can be repeated safely",
}
"""What to do by exit code, where nothing more precise is known."""


@dataclass(frozen=True)
class Ending:
    """How a command ended, in its own words. log: a log that tells more; its end is shown below all else."""

    happened: str
    todo: str = ""
    log: str = ""


@dataclass(frozen=True)
class Closing:
    """What every command and its page end with."""

    live: str
    happened: str
    todo: str
    log: tuple[str, ...] = ()

    @property
    def answers(self) -> tuple[tuple[str, str], ...]:
        """Label and text of the three answers, in their order."""
        return tuple(zip(_LABELS, (self.live, self.happened, self.todo), strict=True))

    @property
    def lines(self) -> Iterator[str]:
        """The three answers for a terminal, then the end of the log."""
        for label, text in self.answers:
            first, *rest = text.splitlines() or [""]
            yield f"{label + ':':<{_WIDTH}}{first}"
            yield from (f"{'':<{_WIDTH}}{line}" for line in rest)
        if self.log:
            yield ""
            yield "the end of the log:"
            yield from (f"  | {line}" for line in self.log)


def closing(live: str, ending: Ending, exit_code: int) -> Closing:
    """The closing of a command that has ended with an exit code."""
    todo = ending.todo or _NEXT.get(exit_code, _NEXT[1])
    return Closing(live, ending.happened, todo, tuple(ending.log.splitlines()[-LOG_LINES:]))


def of_error(error: ExplainedError) -> Ending:
    """The ending of a command that a failure has ended."""
    lines = [f"error: {error.happened}", *error.details]
    return Ending("\n".join(lines), error.todo, error.log)
