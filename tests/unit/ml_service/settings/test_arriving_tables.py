"""Tables of other systems: `problems new` finds how each is written, and what is read is what was written."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from forecasting.errors import ContractError, UsageError
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


@pytest.mark.parametrize("asked", [("Buchungsdatum", "Umsatz"), ("Datum", "umsaz"), ("Buchungstag", "umsaz")])
def test_a_misspelt_column_is_missing_and_the_separator_is_not_to_blame(
    tmp_path: Path, asked: tuple[str, str]
) -> None:
    table = TABLES["semicolons and decimal commas"]
    path, _ = written(tmp_path, table)
    with pytest.raises(ContractError) as refusal:
        propose(path, asked[0], (), asked[1], {})
    said = str(refusal.value)
    assert "missing; expected a column of this name; the header is Datum, Ort, Umsatz" in said
    assert "separated" not in said
    assert ("Did you mean Umsatz?" in said) == (asked[1] == "umsaz")


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


def test_the_first_cell_that_is_ambiguous_is_shown_with_what_each_answer_makes_of_it(tmp_path: Path) -> None:
    table = tmp_path / "t.csv"
    numbers = ["718", "902", "88", "640", "1,055", *["700"] * 200]
    rows = [f'{day},"{number}"' for day, number in zip(DAYS, numbers, strict=False)]
    table.write_text("\n".join(["Day,Units", *rows, ""]))
    with pytest.raises(InvalidRequestError) as asked:
        propose(table, "Day", (), "Units", {})
    assert asked.value.found == "line 6: '1,055'"
    assert "decimal=, reads 1.055;" in asked.value.expected
    assert "decimal=. thousands=, reads 1055" in asked.value.expected
    for rules, read in (({"decimal": ","}, "1.055"), ({"decimal": ".", "thousands": ","}, "1055")):
        said = propose(table, "Day", (), "Units", rules).understood()
        assert len(said) == 4
        assert said[-1].startswith("line 6:")
        assert said[-1].endswith(f"Units '1,055' is {read}"), "the wrong answer is seen"
    table.write_text("Day,Units\n25/01/2024,1\n".replace("25/01/2024", "03/03/2024") + "03/04/2024,2\n")
    with pytest.raises(InvalidRequestError) as asked:
        propose(table, "Day", (), "Units", {})
    assert asked.value.found == "line 3: '03/04/2024'"
    assert "date_format=%d/%m/%Y reads 2024-04-03; date_format=%m/%d/%Y reads 2024-03-04" in asked.value.expected


def test_a_table_of_tabs_is_renamed(tmp_path: Path) -> None:
    table = tmp_path / "t.tsv"
    table.write_text("\n".join(["Day\tUnits", *(f"{day}\t1" for day in DAYS), ""]))
    with pytest.raises(UsageError, match=r"Rename it to end with \.csv"):
        propose(table, "Day", (), "Units", {})
    renamed = table.rename(tmp_path / "t.csv")
    assert propose(renamed, "Day", (), "Units", {}).reading.separator == "\t"


def test_mean_and_total_of_the_first_series_are_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [f"{day},s{number},{number * 1000000}.5" for day in DAYS for number in range(7)]
    (tmp_path / "t.csv").write_text("\n".join(["Day,Item,Units", *rows, ""]))
    problems.new(Terminal(), "own", Columns("Day", "Units", ("Item",), "sum"), tmp_path, tmp_path / "t.csv")
    said = capsys.readouterr().out
    assert "series     s0: 240 rows, mean 0.5, total 120\n           s1: 240 rows, mean 1000000.5," in said
    assert "and 2 more series" in said
    assert "s5: " not in said


def test_gaps_are_named_by_series_and_range(tmp_path: Path) -> None:
    out = {"b": {3, 4, 5, 9, 20, 30, 40}, "c": {7}, "d": {8}, "e": {9}}
    rows = [f"{day},{key},1" for n, day in enumerate(DAYS) for key in "abcde" if n not in out.get(key, ())]
    (tmp_path / "t.csv").write_text("\n".join(["Day,Item,Units", *rows, ""]))
    with pytest.raises(InvalidRequestError, match="10 series-days") as asked:
        problems.new(Terminal(), "own", Columns("Day", "Units", ("Item",), "sum"), tmp_path, tmp_path / "t.csv")
    assert asked.value.found.splitlines() == [
        "b: 2024-01-04 to 2024-01-06, 2024-01-10, 2024-01-21, and 2 more gaps",
        "c: 2024-01-08",
        "d: 2024-01-09",
        "and 1 more series",
    ]


@pytest.mark.parametrize(
    ("form", "zone", "told"),
    [
        ("{}T00:00:00+01:00", "UTC", True),
        ("{} 00:00:00+01", "UTC", True),
        ("{}T00:00:00+01:00", "Africa/Lagos", False),
        ("{}T00:00:00Z", "Africa/Lagos", True),
        ("{}T10:00:00+01:00", "UTC", False),
    ],
)
def test_midnights_that_begin_no_day_of_the_time_zone_are_told(
    tmp_path: Path, form: str, zone: str, told: bool
) -> None:
    rows = [f"{form.format(day)},1" for day in DAYS]
    (tmp_path / "t.csv").write_text("\n".join(["Day,Units", *rows, ""]))
    notes = propose(tmp_path / "t.csv", "Day", (), "Units", {"time_zone": zone}).notes
    assert [zone in note for note in notes] == ([True] if told else [])


def test_dates_that_end_in_words_are_refused_with_the_form_that_reads_them(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("\n".join(["Day,Units", *(f"{day} 00:00:00 UTC,1" for day in DAYS), ""]))
    with pytest.raises(InvalidRequestError, match="end with ' UTC'") as refusal:
        propose(tmp_path / "t.csv", "Day", (), "Units", {})
    form = "%Y-%m-%d %H:%M:%S UTC"
    assert f"--reading 'date_format={form}'" in refusal.value.todo
    assert not propose(tmp_path / "t.csv", "Day", (), "Units", {"date_format": form}).days.isna().any()


def test_years_of_an_era_are_exported_as_western_ones(tmp_path: Path) -> None:
    rows = [f"令和6年{day.month}月{day.day}日,{day.day}" for day in DAYS]
    (tmp_path / "t.csv").write_text("\n".join(["Day,Units", *rows, ""]), encoding="utf-8")
    with pytest.raises(ContractError, match=r"a year of a Japanese era.*western years"):
        problems.new(Terminal(), "own", Columns("Day", "Units", (), "sum"), tmp_path, tmp_path / "t.csv")


def test_a_time_zone_for_dates_without_an_offset_is_refused_in_words(tmp_path: Path) -> None:
    slashes(tmp_path / "t.csv")
    with pytest.raises(InvalidRequestError) as refusal:
        propose(tmp_path / "t.csv", "Day", (), "Units", {"time_zone": "UTC"})
    assert refusal.value.found.startswith("time_zone is UTC, but date_format is %Y/%m/%d without %z")


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
