"""`problems`: the shipped files are listed, mistakes are named, and a new file is sound and reads its table."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import date, timedelta
from pathlib import Path

import pytest

from forecasting.errors import ContractError
from forecasting.problem.problem_file import Problem
from forecasting.problem.reading import Reading
from forecasting.problem.sections import Candidate
from ml_service.cli.main import main
from ml_service.errors import InvalidRequestError
from ml_service.output.console import Terminal
from ml_service.output.failures import explain
from ml_service.settings.new_problem import Columns
from ml_service.settings.problems import Decided, new, next_of_refused, show_all
from tests.sample import DATA, PROBLEMS, ROOT, SHIPPED

PRODUCTS = DATA / "daily_sales_by_product.csv"


@SHIPPED
def test_the_shipped_problems_are_listed_without_settings(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["problems", "list", "--json"]) == 0
    found = {problem["name"]: problem for problem in json.loads(capsys.readouterr().out)["problems"]}
    assert found.keys() >= {"paid_amount", "units_by_type", "product_sales"}
    assert found["paid_amount"]["series"] == "one"
    assert found["product_sales"]["series"] == "one for each ProductID"
    assert found["product_sales"]["metric"] == "rmsse"


def test_a_file_and_a_table_are_checked_together(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["problems", "check", str(PROBLEMS / "product_sales.yml")]
    assert main([*words, "--data", str(PRODUCTS)]) == 0
    assert "6993 rows give 22 series, 2013-07-31 to 2014-05-31" in capsys.readouterr().out
    assert main([*words, "--data", str(PRODUCTS.with_name("daily_by_type.csv"))]) == 3
    assert "column ProductID: missing" in capsys.readouterr().err


def test_every_mistake_of_a_file_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = (PROBLEMS / "paid_amount.yml").read_text().replace("aggregation: mean", "aggregation: median")
    (tmp_path / "bad.yml").write_text(text.replace("name: paid_amount", "name: Paid Amount"))
    assert main(["problems", "check", str(tmp_path / "bad.yml")]) == 2
    said = capsys.readouterr().err
    assert "aggregation: expected" in said
    assert "name: expected a name of lowercase letters" in said
    (tmp_path / "good.yml").write_text((PROBLEMS / "paid_amount.yml").read_text())
    with pytest.raises(InvalidRequestError) as caught:
        show_all(Terminal(), tmp_path)
    assert "bad.yml" in caught.value.found
    assert "good.yml" in capsys.readouterr().out, "one bad file does not hide the others"


# Of each key of the section: a value that cannot be, and what is said instead of a traceback.
VALUES = {
    "separator": ("tabs", "separator: expected ',', ';', '\\t' or '|', found 'tabs'"),
    "decimal": (";", "decimal: expected '.' or ',', found ';'"),
    "thousands": ("_", "thousands: expected '.', ',', \"'\" or ' ', found '_'"),
    "encoding": ("ansi", "encoding: expected 'utf-8', 'utf-16'"),
    "date_format": ("%Y-%m-%d %Y", "date_format: it has a stray % or a part twice"),
    "time_zone": ("Berlin", "time_zone: it is not a time zone, expected an IANA name such as Europe/Berlin"),
    "sheet": ("", "sheet: expected a text that is not empty, found ''"),
    "several_rows": ("maybe", "several_rows: expected true or false, found 'maybe'"),
}


@pytest.mark.parametrize("key", Reading.model_fields)
def test_a_value_of_the_section_reading_that_cannot_be_is_named_with_its_key(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], key: str
) -> None:
    value, expected = VALUES[key]
    text = (PROBLEMS / "paid_amount.yml").read_text()
    (tmp_path / "bad.yml").write_text(f"{text}\nreading: {json.dumps({key: value})}\n")
    assert main(["problems", "check", str(tmp_path / "bad.yml")]) == 2
    assert expected in capsys.readouterr().err
    table = tmp_path / "t.csv"
    table.write_text("Day,Units\n2024-01-01,1\n")
    words = ["problems", "new", "x", "--date", "Day", "--measure", "Units", "--data", str(table)]
    assert main([*words, "--reading", f"{key}={value}"]) == 2
    assert expected in capsys.readouterr().err


@pytest.mark.parametrize("written", ["tab", r"\t", "\t"])
def test_a_tab_has_a_name(written: str) -> None:
    assert Reading.model_validate({"separator": written}).separator == "\t"


def test_two_problems_of_one_name_would_share_a_champion(tmp_path: Path) -> None:
    for file in ("a.yml", "b.yml"):
        (tmp_path / file).write_text((PROBLEMS / "paid_amount.yml").read_text())
    with pytest.raises(InvalidRequestError, match="1 mistakes"):
        show_all(Terminal(), tmp_path)


@pytest.mark.parametrize("keys", [(), ("ProductID",)])
def test_a_new_problem_reads_its_table(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], keys: tuple[str, ...]
) -> None:
    columns = Columns("TransactionDate", "Quantity", keys, "sum")
    path = new(Terminal(as_json=False), "units", columns, tmp_path)
    problem = Problem(path)
    assert problem.training.metric == ("rmsse" if keys else "mae")
    assert "problems check" in capsys.readouterr().out
    assert main(["problems", "check", str(path)]) == 0
    style = [sys.executable, "-m", "yamllint", "--strict", "-c", str(ROOT / ".yamllint"), str(path)]
    checked = subprocess.run(style, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, f"the pull request would be red: {checked.stdout}"
    with pytest.raises(InvalidRequestError, match="exists already"):
        new(Terminal(as_json=False), "units", columns, tmp_path)


@pytest.mark.parametrize("keys", [(), ("Item",)])
@pytest.mark.parametrize(("days", "year", "last_year"), [(300, 0.0, False), (500, 1.0, False), (900, 1.0, True)])
def test_candidates_of_a_new_problem_look_a_year_back_where_the_history_allows(
    tmp_path: Path, keys: tuple[str, ...], days: int, year: float, last_year: bool
) -> None:
    rows = [f"{date(2021, 1, 1) + timedelta(days=day)},a,{day % 7}" for day in range(days)]
    (tmp_path / "t.csv").write_text("\n".join(["Day,Item,Units", *rows]) + "\n")
    path = new(Terminal(as_json=False), "shop", Columns("Day", "Units", keys, "sum"), tmp_path, tmp_path / "t.csv")
    candidates = {each.recipe: each.parameters for each in Problem(path).training.candidates}
    assert ("last_year" in candidates) == last_year
    assert candidates["ridge_direct"].get("year", 0.0) == year
    assert not keys or candidates["histgb_direct"].get("year", 0.0) == year
    if keys:
        medians = [each for each in Problem(path).training.candidates if each.recipe == "median_of"]
        assert [each.of[-1].parameters.get("year", 0.0) for each in medians] == [0.0, year][: 1 + (year > 0)]
    assert max(map(len, path.read_text().splitlines())) <= 120, "yamllint of the pull request"


@pytest.mark.parametrize("keys", [(), ("Item",)])
def test_a_new_problem_that_knows_holidays_has_a_candidate_that_skips_them(
    tmp_path: Path, keys: tuple[str, ...]
) -> None:
    terminal = Terminal(as_json=False)
    with_them = Problem(new(terminal, "a", Columns("Day", "Units", keys, "sum", holidays="DE-BY"), tmp_path))
    without = Problem(new(terminal, "b", Columns("Day", "Units", keys, "sum"), tmp_path))
    assert (with_them.future.holidays, without.future.holidays) == ("DE-BY", None)
    usual = Candidate.model_validate({"recipe": "same_weekday_mean", "weeks": 1, "skip_holidays": True})
    assert [each for each in with_them.training.candidates if each != usual] == list(without.training.candidates)
    assert usual in with_them.training.candidates


def test_holidays_of_a_weekly_problem_are_refused(tmp_path: Path) -> None:
    columns = Columns("Week", "Units", (), "sum", "week-sunday", holidays="DE")
    with pytest.raises(InvalidRequestError, match=r"would be invalid[\s\S]*holidays needs daily values"):
        new(Terminal(as_json=False), "shop", columns, tmp_path)


def test_a_refused_table_leaves_a_file_and_the_command_to_go_on_with(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table, file, columns = tmp_path / "my table.csv", tmp_path / "shop.yml", Columns("Day", "Units", (), "sum")
    rows = [f"{date(2024, 1, 1) + timedelta(days=day)},{day % 7}" for day in range(240)]
    table.write_text("\n".join(["Day,Units", *rows, "2024-08-28,-1", ""]))
    assert "no file was written" in next_of_refused("shop", table, tmp_path)
    with pytest.raises(ContractError):
        new(Terminal(), "shop", columns, tmp_path, table)
    go_on = f"problems check {file} --data '{table}'"
    assert go_on in next_of_refused("shop", table, tmp_path)
    with pytest.raises(InvalidRequestError, match="exists already") as again:
        new(Terminal(), "shop", columns, tmp_path, table)
    assert go_on in again.value.todo
    capsys.readouterr()
    assert main(["problems", "check", str(file), "--data", str(table)]) == 3
    said = capsys.readouterr().err
    assert f"correct the table, or edit {file}, then repeat the command" in said
    assert "trained" not in said
    table.write_text("\n".join(["Day,Units", *rows, ""]))
    assert main(["problems", "check", str(file), "--data", str(table)]) == 0
    said = capsys.readouterr().out
    assert f"export PROBLEM_FILE={file} DATA_FILE='{table}'\n" in said
    assert f"--problem {file} --data '{table}' --candidate out/shop/candidate" in said


def test_a_total_without_a_day_need_not_be_filled_in(tmp_path: Path) -> None:
    rows = [f"{date(2024, 1, 1) + timedelta(days=day)},a,{day % 7}" for day in range(240)]
    (tmp_path / "t.csv").write_text("\n".join(["Day,Item,Units", *rows, "Total,,720", "2024-08-28,,1", ""]))
    with pytest.raises(ContractError) as refusal:
        new(Terminal(), "shop", Columns("Day", "Units", ("Item",), "sum"), tmp_path, tmp_path / "t.csv",
            decided=Decided(missing="zero"))  # fmt: skip
    assert [(finding.column, finding.places) for finding in refusal.value.findings] == [
        ("Day", ("line 242 ('Total')",)), ("Item", ("line 243 ('')",)),
    ]  # fmt: skip


@pytest.mark.parametrize("named", [True, False])
def test_a_row_without_a_name_is_no_series_that_lacks_rows(tmp_path: Path, named: bool) -> None:
    rows = [f"{date(2024, 1, 1) + timedelta(days=day)},{'a' if named else ''},{day % 7}" for day in range(240)]
    (tmp_path / "t.csv").write_text("\n".join(["Day,Item,Units", *rows, "2024-08-27,,9", ""]))
    with pytest.raises(ContractError) as refusal:
        new(Terminal(), "shop", Columns("Day", "Units", ("Item",), "sum"), tmp_path, tmp_path / "t.csv",
            decided=Decided(missing="refuse"))  # fmt: skip
    found = [finding.found for finding in refusal.value.findings if "occurred before" not in finding.found]
    assert found == ["empty or with a /"]


def test_numbers_that_cannot_be_read_are_the_only_finding(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [f"{date(2024, 1, 1) + timedelta(days=day)},a,{day % 7} €" for day in range(240)]
    (tmp_path / "t.csv").write_text("\n".join(["Day,Item,Units", *rows, ""]))
    with pytest.raises(ContractError, match="no currency") as refusal:
        new(Terminal(), "shop", Columns("Day", "Units", ("Item",), "sum"), tmp_path, tmp_path / "t.csv")
    assert len(refusal.value.findings) == 1
    assert "series     a: 240 rows, no number\n" in capsys.readouterr().out


def test_an_invalid_name_leaves_no_file(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequestError, match="would be invalid"):
        new(Terminal(as_json=False), "Two Words", Columns("Day", "Units", (), "sum"), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_problems_new_below_a_file_says_which_path(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("")
    columns = Columns("Day", "Units", (), "sum")
    with pytest.raises(NotADirectoryError) as raised:
        new(Terminal(), "x", columns, folder=tmp_path / "file" / "below")
    assert "below/x.yml cannot be read or written" in str(explain(raised.value))
    assert main(["problems", "new"]) == 2
    assert "Traceback" not in capsys.readouterr().err
