"""Tables of other systems: `problems new` finds how each is written, and what is read is what was written."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from forecasting.errors import ContractError
from forecasting.problem.problem_file import Problem
from ml_service.cli.main import main
from ml_service.errors import InvalidRequestError
from ml_service.output.console import Terminal
from ml_service.settings import problems
from ml_service.settings.new_problem import Columns
from ml_service.settings.proposed_reading import propose
from tests.arriving_tables import DAYS, ONE, TABLES, Arriving, slashes


def written(folder: Path, table: Arriving) -> tuple[Path, dict[str, list[float]]]:
    path = folder / table.name
    return path, table.write(path)


def problem_of(folder: Path, table: Arriving, path: Path) -> Path:
    """The problem file that `problems new` writes, with the edits that its refusal asks for."""
    date, measure = table.columns
    columns = Columns(date, measure, table.keys, table.aggregation)
    decided = problems.Decided(table.rules, table.missing)
    try:
        problems.new(Terminal(), "own", columns, folder, path, decided=decided)
    except ContractError as refusal:
        assert table.refused, refusal
        assert table.refused in str(refusal)
        assert len(refusal.findings) == 1, "the cure, and nothing beside it"
    else:
        assert not table.refused
    file = folder / "own.yml"
    text = file.read_text(encoding="utf-8")
    for before, after in table.edits:
        assert before in text
        text = text.replace(before, after)
    file.write_text(text, encoding="utf-8")
    return file


@pytest.mark.parametrize("kind", [kind for kind, table in TABLES.items() if table.cured])
def test_what_is_read_is_what_was_written(tmp_path: Path, kind: str) -> None:
    table = TABLES[kind]
    path, series = written(tmp_path, table)
    problem = Problem(problem_of(tmp_path, table, path))
    panel, _, _ = problems.read_data(problem, path)
    assert (panel.first, panel.last) == (DAYS[0], DAYS[-1])
    assert panel.keys == (tuple(sorted(series)) if table.keys else ("own",))
    for row, key in enumerate(panel.keys):
        assert panel.values[row].tolist() == series[key if table.keys else ""]


def test_a_total_below_the_rows_is_refused_once(tmp_path: Path) -> None:
    table = TABLES["a total below the rows"]
    path, _ = written(tmp_path, table)
    problem = Problem(problem_of(tmp_path, table, path))
    with pytest.raises(ContractError, match="Remove rows that are not days, such as totals") as refusal:
        problems.read_data(problem, path)
    assert len(refusal.value.findings) == 1


@pytest.mark.parametrize("kind", ["one series", "a series of its own", "without a name"])
def test_a_total_with_a_date_is_refused_with_its_line_before_a_file_is_written_and_by_a_run(
    tmp_path: Path, kind: str
) -> None:
    keyed = kind != "one series"
    rows = [f"{day},{key},{number}" for day in DAYS for key, number in (("a", 3), ("b", day.day))]
    rows = rows if keyed else [f"{day},a,{day.day}" for day in DAYS]
    clean, total = ["Day,Item,Units", *rows], sum(int(row.split(",")[2]) for row in rows)
    name = {"one series": "a", "a series of its own": "Total", "without a name": ""}[kind]
    table, columns = tmp_path / "t.csv", Columns("Day", "Units", ("Item",) if keyed else (), "sum")
    table.write_text("\n".join([*clean, f"{DAYS[-1] + timedelta(days=1)},{name},{total}", ""]))
    said = f"column Units at line {len(clean) + 1} \\('{total}'\\): a total.*Remove it"
    with pytest.raises(ContractError, match=said):
        problems.new(Terminal(), "own", columns, tmp_path, table)
    assert not (tmp_path / "own.yml").exists()
    complete = table.read_text()
    table.write_text("\n".join([*clean, ""]))
    problems.new(Terminal(), "own", columns, tmp_path, table)
    table.write_text(complete)
    with pytest.raises(ContractError, match=said) as refusal:
        problems.read_data(Problem(tmp_path / "own.yml"), table)
    assert len(refusal.value.findings) == 1, "and nothing that follows from it"


def test_what_was_found_is_shown_with_three_rows(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table = TABLES["semicolons and decimal commas"]
    path, _ = written(tmp_path, table)
    problem_of(tmp_path, table, path)
    said = capsys.readouterr().out
    assert "read as    separator ';', decimal ',', thousands '.', encoding 'cp1252', date_format '%d.%m.%Y'" in said
    assert "line 2: Datum '01.01.2024' is Monday 2024-01-01, Umsatz '12.000,00' is 12000" in said
    assert "line 4: Datum '03.01.2024'" in said


def test_days_without_a_row_are_asked_about(tmp_path: Path) -> None:
    table = TABLES["three series with gaps"]
    path, _ = written(tmp_path, table)
    columns = Columns("Day", "Units", ("Item",), "sum")
    with pytest.raises(InvalidRequestError, match="74 series-days without a row"):
        problems.new(Terminal(), "own", columns, tmp_path, path)
    assert not (tmp_path / "own.yml").exists()
    asked: list[int] = []

    def answer(gaps: int) -> str:
        asked.append(gaps)
        return "zero"

    problems.new(Terminal(), "own", columns, tmp_path, path, decided=problems.Decided(ask=answer))
    assert asked == [74]
    assert Problem(tmp_path / "own.yml").series.missing == "zero"


MONTHS = [f"{month:02}/01/2024,{month}" for month in range(1, 13)]
COMMAS = [f'{day},"1,{100 + number}"' for number, day in enumerate(DAYS)]
OFFSETS = [f"{day}T23:30:00Z,{number}" for number, day in enumerate(DAYS)]
AMBIGUOUS = {
    "--reading 'date_format=%d/%m/%Y' or --reading 'date_format=%m/%d/%Y'": MONTHS,
    "--reading 'decimal=,' or --reading 'decimal=.' --reading 'thousands=,'": COMMAS,
    "--reading 'time_zone=Europe/Berlin' or": OFFSETS,
}


@pytest.mark.parametrize("options", AMBIGUOUS)
def test_what_can_be_read_in_two_ways_is_asked(tmp_path: Path, options: str) -> None:
    (tmp_path / "t.csv").write_text("\n".join(["Day,Units", *AMBIGUOUS[options], ""]))
    with pytest.raises(InvalidRequestError) as asked:
        propose(tmp_path / "t.csv", "Day", (), "Units", {})
    assert options in asked.value.todo


def test_a_few_repeated_rows_are_a_mistake_and_many_are_not(tmp_path: Path) -> None:
    rows = [f"{day},1" for day in DAYS]
    for repeated, several in ((3, False), (200, True)):
        (tmp_path / "t.csv").write_text("\n".join(["Day,Units", *rows, *rows[:repeated], ""]))
        assert propose(tmp_path / "t.csv", "Day", (), "Units", {}).reading.several_rows is several


def test_rules_are_typed_at_the_terminal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    slashes(tmp_path / "t.csv")
    words = ["problems", "new", "x", "--date", "Day", "--measure", "Units", "--data", str(tmp_path / "t.csv")]
    assert main([*words, "--reading", "comma=1"]) == 2
    assert "expected: KEY=VALUE with a key of separator, decimal" in capsys.readouterr().err.replace("\n", " ")
    assert main([*words, "--reading", "decimal=;"]) == 2
    assert "--reading cannot be used" in capsys.readouterr().err


def test_several_rows_are_averaged_with_mean_and_added_up_without(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("\n".join(["Day,Units", *(f"{day},{n}" for day in DAYS for n in (2, 4)), ""]))
    for aggregation, number in (("sum", 6.0), ("mean", 3.0)):
        columns = Columns("Day", "Units", (), aggregation)
        file = problems.new(Terminal(), aggregation, columns, tmp_path, tmp_path / "t.csv")
        assert set(problems.read_data(Problem(file), tmp_path / "t.csv")[0].values[0].tolist()) == {number}
    assert ONE
