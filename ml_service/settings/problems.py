"""`problems`: list, check and start the files that say what is forecast; needs no Azure and no settings."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

from forecasting.calendars import DAILY, calendar_of
from forecasting.data.series import Panel
from forecasting.errors import ForecastingError
from forecasting.evaluation.selection import recipes_of
from forecasting.problem.problem_file import Problem
from ml_service.errors import InvalidRequestError
from ml_service.output.console import Terminal
from ml_service.settings.names import as_export, as_variables, first_forecast, own_settings
from ml_service.settings.new_problem import (
    FOLDER,
    ONE,
    Columns,
    Dates,
    dates_of,
    dates_without_table,
    example,
    text_of,
)
from ml_service.settings.pipeline_problems import add_name
from ml_service.settings.table_facts import series_lines
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


def show_all(terminal: Terminal, folder: Path = FOLDER) -> None:
    """Print the valid files of a folder; then all must be valid, and of different names.

    Raises: InvalidRequestError with every mistake.
    """
    found, mistakes = [], []
    for path in sorted(folder.glob("*.yml")):
        try:
            found.append(describe(path))
        except ForecastingError as mistake:
            mistakes.append(str(mistake))
    counts = Counter(problem.name for problem in found)
    mistakes += [f"two files are named {name}" for name, count in sorted(counts.items()) if count > 1]
    rows = [
        (problem.file, problem.series, problem.metric, _horizon(problem), problem.candidates[0]) for problem in found
    ]
    terminal.table(("file", "series", "metric", "ahead", "simplest candidate"), rows, right=("ahead",))
    if mistakes:
        raise InvalidRequestError(
            f"{len(mistakes)} mistakes in the problem files",
            found="\n".join(mistakes),
            todo=f"correct them; {shown(example(ONE))} explains every line",
        )
    terminal.document({"problems": [asdict(problem) for problem in found]})


def _horizon(problem: Described) -> str:
    return calendar_of(problem.frequency).count(problem.horizon)


def check(terminal: Terminal, file: Path, table: Path | None) -> None:
    """Check one file, and a table by its contract and by the days that training and the gate need.

    Raises: InvalidRequestError; ContractError of forecasting with every finding; HistoryError of forecasting.
    """
    found, facts = report(terminal, file, table)
    if table is not None:
        _show_first_forecast(terminal, found.name, file, table)
    terminal.document({**asdict(found), "data": facts or None})


def report(terminal: Terminal, file: Path, table: Path | None) -> tuple[Described, dict[str, object]]:
    """Print what a file says and what was found in a table. Raises: as `check`."""
    found = describe(file)
    terminal.out(f"problem    {found.name}: {found.series} series, {found.metric}, {_horizon(found)} ahead")
    terminal.out(f"candidates {', '.join(found.candidates)}")
    return found, {} if table is None else _checked(terminal, Problem(file), table)


def next_of(file: Path, table: Path | None) -> str:
    """What to do with a valid file: rehearse it, where it is known which table."""
    path = shlex.quote(shown(file))
    stored = Problem(file).table.file
    if table is None and stored is None:
        return f"check your table, too: python -m ml_service problems check {path} --data YOUR.csv"
    outside = f" DATA_FILE={shlex.quote(str(table))}" if stored is None else ""
    return f"export PROBLEM_FILE={path}{outside}\npython -m local_azure exec -- python -m ml_service rehearse"


def read_data(problem: Problem, table: Path) -> tuple[Panel, str, int]:
    """The series of a table, the hash of its bytes and its number of rows, by the data contract of a problem, today.

    Raises: ContractError of forecasting with every finding.
    """
    from forecasting.data.contract import Delivery, read_table

    delivery = Delivery(as_of=datetime.now(UTC).date())
    return read_table(
        table,
        problem.source,
        problem.series,
        problem.contract,
        delivery,
        reading=problem.reading,
        future=problem.future,
    )


def _checked(terminal: Terminal, problem: Problem, table: Path) -> dict[str, object]:
    """Read a table as a run would, as far as no model is needed."""
    from forecasting.evaluation.backtest import Plan, last_windows, with_year_ago
    from forecasting.evaluation.patterns import not_learned, patterns_in

    training, gate = problem.training, problem.gate
    panel, sha256, rows = read_data(problem, table)
    spaced = "" if panel.calendar == DAILY else f" of {panel.calendar.adjective} values"
    terminal.out(f"data       {rows} rows give {len(panel.keys)} series{spaced}, {panel.first} to {panel.last}")
    for note in panel.notes:
        terminal.out(f"note       {note}")
    recipes, rule = recipes_of(training), training.selection
    chosen = last_windows(panel, recipes, training, Plan(rule.origins, rule.step, rule.held_back))
    judged = last_windows(panel, recipes, training, Plan(gate.origins, gate.step))
    seen = (chosen.first_day, chosen.last_day)
    plan = Plan(gate.year_ago, gate.step)
    judged = with_year_ago(judged, panel, recipes, training, plan=plan, chosen=seen)
    found = patterns_in(panel, training.season)
    for hint in not_learned(found, recipes, future=bool(problem.future)):
        terminal.out(f"note       {hint}")
    for hint in gate.hints:
        terminal.out(f"note       {hint}")
    for who, windows in (("training", chosen), ("gate", judged)):
        days = f"{panel.day(windows.first_day)} to {panel.day(windows.last_day)}"
        earlier = f", and {windows.year_ago} a year earlier" if windows.year_ago else ""
        terminal.out(f"{who:<11}{len(windows.recent)} origins, {days}{earlier}")
    facts = {"rows": rows, "series": len(panel.keys), "days": panel.days, "sha256": sha256, "notes": panel.notes}
    return {**facts, "patterns": found}


@dataclass(frozen=True)
class Decided:
    """What a person has decided before a table is looked at; the rest is proposed.

    rules: keys of the section `reading`. missing: empty where it is asked for. ask: asks a person at a terminal what
    so many days without a row mean; None where there is nobody.
    """

    rules: Mapping[str, object] = field(default_factory=dict)
    missing: str = ""
    ask: Callable[[int], str] | None = None


def new(
    terminal: Terminal,
    name: str,
    columns: Columns,
    folder: Path = FOLDER,
    table: Path | None = None,
    *,
    decided: Decided | None = None,
) -> Path:
    """Write a problem file to start with, and check a table by it where one is given.

    Raises: InvalidRequestError (the file exists, the name is invalid, or the table leaves a question open),
    ContractError of forecasting (the table lacks a column), and with a table what `check` raises; the file stays
    then, to be edited.
    """
    path = folder / f"{name}.yml"
    if path.exists():
        given = shlex.quote(str(table)) if table else "YOUR.csv"
        raise InvalidRequestError(
            f"{path} exists already",
            todo=f"check it: python -m ml_service problems check {shlex.quote(shown(path))} --data {given}\n"
            "or choose another name",
        )
    decided = decided or Decided()
    if table is None:
        columns, dates = replace(columns, missing=decided.missing or columns.missing), dates_without_table(columns)
    else:
        columns, dates = looked_at(terminal, columns, table, decided)
    path.write_text(text_of(name, columns, table, dates), encoding="utf-8")
    try:
        described = describe(path)
    except ForecastingError as mistake:
        path.unlink()
        raise InvalidRequestError(f"the problem file for {name} would be invalid", found=str(mistake)) from None
    terminal.out(f"written    {path}")
    if table is None:
        terminal.out(f"next       python -m ml_service problems check {path} --data YOUR.csv")
    settings = own_settings(name, shown(path), "YOUR.csv" if table is None else str(table))
    _show_settings(terminal, settings)
    facts = None if table is None else _checked(terminal, Problem(path), table)
    if folder == FOLDER and Problem(path).table.file:
        terminal.out(f"pipelines  {add_name(name)}")
    if table is not None:
        _show_first_forecast(terminal, name, path, table)
    terminal.document({**asdict(described), "data": facts, "settings": settings})
    return path


def _show_first_forecast(terminal: Terminal, name: str, file: Path, table: Path) -> None:
    """Print the commands that lead to a forecast on plain files."""
    terminal.out("a first forecast, without Azure:")
    for line in first_forecast(name, shown(file), str(table)):
        terminal.out(f"  {line}")


def next_of_refused(name: str, table: Path | None, folder: Path = FOLDER) -> str:
    """What to do about a table that `new` has refused, with its file or before there was one."""
    path = folder / f"{name}.yml"
    if table is None or not path.is_file():
        return "correct the table or the arguments, then repeat the command; no file was written"
    file = shlex.quote(shown(path))
    return (
        f"{file} was written and stays: edit it, or correct the table, then\n"
        f"python -m ml_service problems check {file} --data {shlex.quote(str(table))}"
    )


def looked_at(terminal: Terminal, columns: Columns, table: Path, decided: Decided) -> tuple[Columns, Dates]:
    """The columns with what their table says of itself, which is shown; and its dates."""
    from ml_service.settings.proposed_reading import propose

    found = propose(table, columns.date, columns.keys, columns.measure, decided.rules)
    terminal.out(f"read as    {found.words}")
    for row in found.understood():
        terminal.out(f"           {row}")
    for place, line in enumerate(series_lines(found.cells, found.numbers)):
        terminal.out(f"{'' if place else 'series':<11}{line}")
    for note in found.notes:
        terminal.out(f"note       {note}")
    if found.reading.several_rows:
        done = {"sum": "summed; --mean averages them", "mean": "averaged"}[columns.aggregation]
        terminal.out(f"rows       a day has several rows of a series, which are {done}")
    if columns.keys:
        terminal.out(f"gaps       {found.gaps} series-days without a row")
    for line in found.gap_lines:
        terminal.out(f"           {line}")
    missing = _missing(found.gaps, found.gap_lines, decided)
    if columns.keys:
        terminal.out(f"           series.missing is {missing}")
    days = [day.date() for day in found.days.dropna().unique()]
    return replace(columns, missing=missing, reading=found.reading), dates_of(days)


def _missing(gaps: int, where: Sequence[str], decided: Decided) -> str:
    """What a day of a series without a row means. Raises: InvalidRequestError where nobody has said it."""
    if decided.missing or not gaps:
        return decided.missing or "refuse"
    if decided.ask is None:
        raise InvalidRequestError(
            f"the table has {gaps} series-days without a row",
            found="\n".join(where),
            expected="the meaning of such a day",
            todo="repeat with --missing zero if nothing happened then, or --missing refuse if it is a mistake",
        )
    return decided.ask(gaps)


def _show_settings(terminal: Terminal, settings: Mapping[str, str]) -> None:
    """Print a problem's own names; with another problem's names it would replace that problem's objects."""
    terminal.out("settings its names, for variables.yml (the last one for environments/production.yml):")
    for line in as_variables(settings):
        terminal.out(f"  {line}")
    terminal.out("or in a shell, to try it out:")
    terminal.out(f"  {as_export(settings)}")
