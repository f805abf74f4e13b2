"""`adopt`: one's own problem in the place of the sample, in problem file, settings and README."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ml_service.adoption import emulator, pages, sample
from ml_service.adoption.changes import Change, demand_committed, make_all, rewritten
from ml_service.errors import InvalidRequestError
from ml_service.output.console import Terminal
from ml_service.settings import problems
from ml_service.settings.new_problem import FOLDER, Columns, text_of
from ml_service.settings.pipeline_problems import with_names
from ml_service.settings.variables import ROOT

_TYPED = ('"data", "bench", ', '"local_azure/src", "local_azure/tests", ')
"""Folders in the settings of mypy, which refuses one that has no Python file any more."""


@dataclass(frozen=True)
class Wish:
    """What a person asks for. columns: None where the problem file is there already."""

    name: str
    table: Path
    columns: Columns | None
    decided: problems.Decided


def adopt(terminal: Terminal, wish: Wish, *, dry_run: bool) -> list[Change]:
    """Make the changes, or show them only. Raises: InvalidRequestError; ContractError of forecasting, before any."""
    if not (FOLDER / f"{sample.PROBLEM}.yml").is_file():
        raise InvalidRequestError("this repository was already adopted", todo="add a problem: problems new NAME")
    if wish.name in sample.NAMES:
        raise InvalidRequestError(f"{wish.name} is a name of the sample, which is parked", todo="choose another name")
    if not wish.table.is_file():
        raise InvalidRequestError(f"the table {wish.table} does not exist", todo="name it with --data")
    changes = [*_own(terminal, wish), *_settings(wish.name), *sample.changes(ROOT), *emulator.changes(ROOT)]
    changes += pages.changes(ROOT, wish.name, changes[0].path, changes, sample.MOVED)
    if not dry_run:
        demand_committed(ROOT, (change.path for change in changes[:2]))
        make_all(ROOT, changes)
    for change in changes:
        terminal.out(change.words)
    terminal.document({"problem": wish.name, "dry_run": dry_run, "changes": [change.words for change in changes]})
    return changes


def _own(terminal: Terminal, wish: Wish) -> Sequence[Change]:
    """The table and the problem file, which must agree."""
    table = Path("data") / wish.name / wish.table.name
    path = FOLDER / f"{wish.name}.yml"
    if wish.columns is not None and path.exists():
        raise InvalidRequestError(f"{path} exists already", todo="omit --date and --measure, or remove the file")
    if wish.columns is None and not path.exists():
        raise InvalidRequestError(
            f"{path} does not exist", expected="--date and --measure, or that file", todo="name the columns"
        )
    if wish.columns is None:
        text = _with_table(path.read_text(encoding="utf-8"), table)
    else:
        columns, dates = problems.looked_at(terminal, wish.columns, wish.table, wish.decided)
        text = text_of(wish.name, columns, ROOT / table, dates)
    with tempfile.TemporaryDirectory(prefix="adopt_") as scratch:
        trial = Path(scratch, path.name)
        trial.write_text(text, encoding="utf-8")
        problems.report(terminal, trial, wish.table)
    return [Change(table, wish.table.read_bytes()), Change(path.relative_to(ROOT), text.encode())]


def _with_table(text: str, table: Path) -> str:
    """A problem file that says where its table is."""
    if "\ntable:" in f"\n{text}":
        return text
    return f"{text.rstrip()}\n\ntable:\n  file: {table.as_posix()}\n"


def _settings(name: str) -> list[Change]:
    """PROBLEM_FILE, and the problems that pipelines run; what mypy reads.

    The names of everything else, those of production too, follow from the problem.
    """
    before = f"PROBLEM_FILE: {sample.PROBLEMS.as_posix()}/{sample.PROBLEM}.yml"
    settings = rewritten(ROOT, "variables.yml", (before, f"PROBLEM_FILE: {sample.PROBLEMS.as_posix()}/{name}.yml"))
    listed = with_names((settings.content or b"").decode(), [name])
    return [
        Change(settings.path, listed.encode()),
        rewritten(ROOT, "pyproject.toml", *((text, "") for text in _TYPED)),
    ]
