"""`problems`: list, check and start the files that say what is forecast; needs no Azure and no settings."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from forecasting.calendars import DAILY, calendar_of
from forecasting.data.series import Panel
from forecasting.errors import ForecastingError
from forecasting.evaluation.selection import recipes_of
from forecasting.problem.problem_file import Problem
from ml_service.errors import InvalidRequestError
from ml_service.output.console import Terminal
from ml_service.settings.names import as_export, as_variables, own_settings
from ml_service.settings.new_problem import FOLDER, ONE, Columns, dates_for, text_of
from ml_service.settings.variables import shown


@dataclass(frozen=True)
class Described:
    """One problem file in a line."""

    file: str
    name: str
    series: str
    metric: str
    horizon: int
    frequency: str
    candidates: tuple[str, ...]


def describe(path: Path) -> Described:
    """Read every section of a file, and every candidate. Raises: UsageError of forecasting."""
    problem = Problem(path)
    problem.check()
    rule, training = problem.series, problem.training
    return Described(
        file=path.name,
        name=rule.name,
        series=f"one for each {' and '.join(rule.keys)}" if rule.keys else "one",
        metric=training.metric,
        horizon=training.horizon,
        frequency=rule.frequency,
        candidates=tuple(recipe.label for recipe in recipes_of(training)),
    )


def listed(folder: Path = FOLDER) -> list[Described]:
    """All files of the folder, which must all be sound and have different names. Raises: InvalidRequestError."""
    found, mistakes = [], []
    for path in sorted(folder.glob("*.yml")):
        try:
            found.append(describe(path))
        except ForecastingError as mistake:
            mistakes.append(str(mistake))
    counts = Counter(problem.name for problem in found)
    mistakes += [f"two files are named {name}" for name, count in sorted(counts.items()) if count > 1]
    if mistakes:
        raise InvalidRequestError(
            f"{len(mistakes)} mistakes in the problem files",
            found="\n".join(mistakes),
            todo=f"correct them; {ONE} explains every line",
        )
    return found


def show(terminal: Terminal, found: list[Described]) -> None:
    """Print a table."""
    rows = [
        (problem.file, problem.series, problem.metric, _horizon(problem), problem.candidates[0]) for problem in found
    ]
    terminal.table(("file", "series", "metric", "ahead", "simplest candidate"), rows, right=("ahead",))
    terminal.document({"problems": [asdict(problem) for problem in found]})


def _horizon(problem: Described) -> str:
    return calendar_of(problem.frequency).count(problem.horizon)


def check(terminal: Terminal, file: Path, table: Path | None) -> None:
    """Check one file, and a table by its contract and by the days that training and the gate need.

    Raises: InvalidRequestError; ContractError of forecasting with every finding; HistoryError of forecasting.
    """
    found = describe(file)
    terminal.say(f"problem    {found.name}: {found.series} series, {found.metric}, {_horizon(found)} ahead")
    terminal.say(f"candidates {', '.join(found.candidates)}")
    facts: dict[str, object] = {}
    if table is not None:
        facts = _checked(terminal, Problem(file), table)
    terminal.document({**asdict(found), "data": facts or None})


def read_data(problem: Problem, table: Path) -> tuple[Panel, str, int]:
    """The series of a table, the hash of its bytes and its number of rows, by the data contract of a problem, today.

    Raises: ContractError of forecasting with every finding.
    """
    from forecasting.data.contract import Delivery, read_table

    delivery = Delivery(as_of=datetime.now(UTC).date())
    return read_table(table, problem.source, problem.series, problem.contract, delivery, future=problem.future)


def _checked(terminal: Terminal, problem: Problem, table: Path) -> dict[str, object]:
    """Read a table as a run would, as far as no model is needed."""
    from forecasting.evaluation.backtest import Plan, last_windows, with_year_ago
    from forecasting.evaluation.patterns import not_learned, patterns_in

    training, gate = problem.training, problem.gate
    panel, sha256, rows = read_data(problem, table)
    spaced = "" if panel.calendar == DAILY else f" of {panel.calendar.adjective} values"
    terminal.say(f"data       {rows} rows give {len(panel.keys)} series{spaced}, {panel.first} to {panel.last}")
    for note in panel.notes:
        terminal.say(f"note       {note}")
    recipes, rule = recipes_of(training), training.selection
    chosen = last_windows(panel, recipes, training, Plan(rule.origins, rule.step, rule.held_back))
    judged = last_windows(panel, recipes, training, Plan(gate.origins, gate.step))
    seen = (chosen.first_day, chosen.last_day)
    plan = Plan(gate.year_ago, gate.step)
    judged = with_year_ago(judged, panel, recipes, training, plan=plan, chosen=seen)
    found = patterns_in(panel, training.season)
    for hint in not_learned(found, recipes, future=bool(problem.future)):
        terminal.say(f"note       {hint}")
    for hint in gate.hints:
        terminal.say(f"note       {hint}")
    for who, windows in (("training", chosen), ("gate", judged)):
        days = f"{panel.day(windows.first_day)} to {panel.day(windows.last_day)}"
        earlier = f", and {windows.year_ago} a year earlier" if windows.year_ago else ""
        terminal.say(f"{who:<11}{len(windows.recent)} origins, {days}{earlier}")
    facts = {"rows": rows, "series": len(panel.keys), "days": panel.days, "sha256": sha256, "notes": panel.notes}
    return {**facts, "patterns": found}


def new(terminal: Terminal, name: str, columns: Columns, folder: Path = FOLDER, table: Path | None = None) -> Path:
    """Write a problem file to start with, and check a table by it where one is given.

    Raises: InvalidRequestError (the file exists, or the name is invalid), ContractError of forecasting (the table
    lacks a column), and with a table what `check` raises; the file stays then, to be edited.
    """
    path = folder / f"{name}.yml"
    if path.exists():
        raise InvalidRequestError(f"{path} exists already", todo="choose another name, or edit that file")
    path.write_text(text_of(name, columns, table, dates_for(columns, table)), encoding="utf-8")
    try:
        described = describe(path)
    except ForecastingError as mistake:
        path.unlink()
        raise InvalidRequestError(f"{name} does not make a legal problem", found=str(mistake)) from None
    terminal.say(f"written    {path}")
    if table is None:
        terminal.say(f"next       python -m ml_service problems check {path} --data YOUR.csv")
    settings = own_settings(name, shown(path), "YOUR.csv" if table is None else str(table))
    _show_settings(terminal, settings)
    facts = None if table is None else _checked(terminal, Problem(path), table)
    terminal.document({**asdict(described), "data": facts, "settings": settings})
    return path


def _show_settings(terminal: Terminal, settings: Mapping[str, str]) -> None:
    """Print a problem's own names; with another problem's names it would replace that problem's objects."""
    terminal.say("settings   its own names, for variables.yml (the last one for environments/production.yml):")
    for line in as_variables(settings):
        terminal.say(f"  {line}")
    terminal.say("or in a shell, to try it out:")
    terminal.say(f"  {as_export(settings)}")
