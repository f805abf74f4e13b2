"""`--problem a,b,c`: run one verb for several problems, each in its own process, some in parallel.

Each problem has its own process so that one that fails or runs out of memory does not stop the others, and because
the SDK keeps state per process.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ml_service.cli.forking import Ended, preload, run_all
from ml_service.cli.session import Session
from ml_service.errors import InvalidRequestError
from ml_service.output.console import Terminal
from ml_service.settings.variables import ROOT, choose_problem, environment_for, shown

OPTION = "--problem"
AT_ONCE = 4
"""Number of parallel processes: a run mostly waits for the service, and each process needs memory."""
MAX_PROBLEMS = 100
_OUTCOME = re.compile(r"^outcome +(.*)$", re.MULTILINE)
_ERROR = re.compile(r"^error: (.*)$", re.MULTILINE)
_TODO = re.compile(r"^what to do next: +(.*)$", re.MULTILINE)
_LONGEST_RESULT = 200
_KILOBYTES_PER_MEGABYTE = 1024


@dataclass(frozen=True)
class Done:
    """How a verb ended for one problem."""

    problem: str
    exit_code: int
    seconds: float
    peak_megabytes: float
    """Peak memory of its process."""
    said: str
    todo: str
    """What its closing says to do next; empty where it has none."""
    output: str
    notes: str

    @property
    def document(self) -> dict[str, Any]:
        """The result for `--json`, with the document that the verb has printed, if any."""
        try:
            result = json.loads(self.output)
        except ValueError:
            result = None
        measured = {"seconds": round(self.seconds, 1), "peak_megabytes": round(self.peak_megabytes)}
        return {"problem": self.problem, "exit_code": self.exit_code, **measured, "said": self.said, "result": result}


def taken_out(argv: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return the problems named in a command line, and the rest of it. Raises: InvalidRequestError."""
    rest, names = [], []
    words = iter(argv)
    for word in words:
        option, given, value = word.partition("=")
        if option != OPTION:
            rest.append(word)
            continue
        names += (value if given else next(words, "")).split(",")
    problems = [name.strip() for name in names]
    _demand_usable(problems)
    return problems, rest


def _demand_usable(problems: list[str]) -> None:
    twice = sorted({name for name in problems if problems.count(name) > 1})
    unknown = [name for name in problems if not name.replace("_", "").isalnum() or not _file(name).is_file()]
    if len(problems) > MAX_PROBLEMS:
        found = f"{len(problems)} problems"
    elif twice:
        found = f"named twice: {', '.join(twice)}"
    elif unknown:
        found = f"no such problem: {', '.join(name or '(empty)' for name in unknown)}"
    else:
        return
    raise InvalidRequestError(
        f"{OPTION} names no problems to work on",
        found=found,
        expected=f"1 to {MAX_PROBLEMS} names of files of mlops_code/problems, such as paid_amount,product_sales",
        todo="list them: python -m ml_service problems list",
    )


def _file(problem: str) -> Path:
    return ROOT / "mlops_code" / "problems" / f"{problem}.yml"


def run_each(problems: list[str], words: list[str], terminal: Terminal, verb: Callable[[list[str]], int]) -> int:
    """Run a verb for each problem, some at a time; returns the largest exit code.

    A summary follows, which is also a page of a build.

    verb: runs a command line, in a process of its own, and returns its exit code.
    Raises: InvalidRequestError where a name is set for all problems.
    """
    environments = {problem: environment_for(shown(_file(problem))) for problem in problems}
    terminal.err(f"{len(problems)} problems, {min(AT_ONCE, len(problems))} at a time")
    preload()
    done = {}
    for ended in run_all(environments, AT_ONCE, lambda: verb(words)):
        result = _done(ended)
        done[result.problem] = result
        terminal.err(result.notes.rstrip())
        terminal.heading(f"{result.problem}: exit code {result.exit_code}, {result.seconds:.1f} s")
        terminal.out(result.output.rstrip())
    in_order = [done[problem] for problem in problems]
    _show_summary(terminal, in_order)
    rows = [(item.problem, item.said, item.todo, str(item.exit_code)) for item in in_order]
    title = f"{next(word for word in words if not word.startswith('-')).capitalize()} of {len(problems)} problems"
    Session(terminal).agent.table(title, ("problem", "result", "what to do next", "exit code"), rows)
    return max(result.exit_code for result in done.values())


def _done(ended: Ended) -> Done:
    code = os.waitstatus_to_exitcode(ended.status)
    return Done(
        problem=ended.name,
        exit_code=code if code >= 0 else 1,
        seconds=ended.seconds,
        peak_megabytes=ended.usage.ru_maxrss / _KILOBYTES_PER_MEGABYTE,
        said=_said(ended.output, ended.notes),
        todo=_todo(ended.output, ended.notes),
        output=ended.output,
        notes=ended.notes,
    )


def _said(output: str, notes: str) -> str:
    """A line about the result: the outcome of a run, else why it failed, else the last line."""
    for pattern, text in ((_OUTCOME, output), (_ERROR, notes)):
        if told := pattern.search(text):
            return told.group(1)[:_LONGEST_RESULT]
    return next((line.strip() for line in reversed(output.splitlines()) if line.strip()), "-")[:_LONGEST_RESULT]


def _todo(output: str, notes: str) -> str:
    """The first line of what to do next, which a verb that fails prints with its notes."""
    told = _TODO.search(output) or _TODO.search(notes)
    return told.group(1)[:_LONGEST_RESULT] if told else ""


def _show_summary(terminal: Terminal, done: list[Done]) -> None:
    terminal.heading("Summary")
    rows = [
        (item.problem, str(item.exit_code), f"{item.seconds:.1f} s", f"{item.peak_megabytes:.0f} MB", item.said)
        for item in done
    ]
    terminal.table(("problem", "exit code", "time", "memory", "result"), rows, right=("exit code", "time", "memory"))
    failed = [item.problem for item in done if item.exit_code]
    terminal.out(
        f"{len(done) - len(failed)} of {len(done)} ended well" + (f"; not {', '.join(failed)}" * bool(failed))
    )
    terminal.document({"problems": [item.document for item in done]})


def select(argv: Sequence[str]) -> tuple[list[str], list[str]]:
    """As `taken_out`; of one problem this process's settings are changed instead. Raises: InvalidRequestError."""
    problems, rest = taken_out(argv)
    if len(problems) == 1:
        choose_problem(shown(_file(problems[0])))
        return [], rest
    return problems, rest
