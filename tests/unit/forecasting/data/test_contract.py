"""The embedded table gives the workshop's series, and every way to break the table is found and named."""

from __future__ import annotations

import csv
import os
from collections.abc import Callable
from datetime import date
from pathlib import Path

import numpy as np
import pytest

from forecasting.data.contract import read_table
from forecasting.data.reading import find_table
from forecasting.data.series import Panel, sha256_of
from forecasting.errors import ContractError, Finding, UsageError
from forecasting.problem.problem_file import Problem

Edit = Callable[[list[str]], list[str]]
# A folder with the original files, which are not part of the project; without it the embedded table is the check.
WORKSHOP = Path(os.environ.get("ADVENTUREWORKS_FILES", "none")) / "daily_paidamount.csv"


def refusal_of(path: Path, problem: Problem) -> ContractError:
    with pytest.raises(ContractError) as caught:
        read_table(path, problem.source, problem.series, problem.contract)
    return caught.value


@pytest.fixture
def broken(tmp_path: Path, table: Path) -> Callable[[Edit], Path]:
    """Write an edited copy of the embedded table; the edit gets and returns its lines."""

    def make(edit: Edit) -> Path:
        path = tmp_path / "broken.csv"
        path.write_text("\n".join(edit(table.read_text().splitlines())) + "\n")
        return path

    return make


def test_the_embedded_table_gives_the_daily_series_of_the_workshop(panel: Panel) -> None:
    assert (panel.first, panel.last, panel.values.shape) == (date(2013, 7, 31), date(2014, 5, 31), (1, 305))
    values = panel.values[0]
    assert values.mean() == pytest.approx(680.7466624434181, abs=1e-9)
    assert values[0] == pytest.approx(1346.0122831896554)
    assert values[3] == pytest.approx(74.53510695187164)
    assert values.min() == pytest.approx(58.1, abs=0.05)
    assert values.max() == pytest.approx(1740.3, abs=0.05)


@pytest.mark.skipif(not WORKSHOP.is_file(), reason="ADVENTUREWORKS_FILES names no folder with the workshop's file")
def test_every_day_equals_the_workshops_own_file(panel: Panel) -> None:
    with WORKSHOP.open() as content:
        rows = list(csv.DictReader(content))
    assert [row["TransactionDate"] for row in rows] == [panel.day(index).isoformat() for index in range(305)]
    assert np.allclose(panel.values[0], [float(row["PaidAmount"]) for row in rows], rtol=0, atol=1e-6)


def test_the_series_comes_with_hash_and_row_count(table: Path, problem: Problem) -> None:
    _, sha256, rows = read_table(table, problem.source, problem.series)
    assert (sha256, rows) == (sha256_of(table), 889)


def test_the_order_of_rows_and_columns_does_not_matter(
    broken: Callable[[Edit], Path], problem: Problem, panel: Panel
) -> None:
    shuffled = broken(lambda lines: [",".join(line.split(",")[::-1]) for line in [lines[0], *lines[:0:-1]]])
    again, _, _ = read_table(shuffled, problem.source, problem.series)
    assert np.array_equal(again.values, panel.values)


def replaced(line: int, column: int, text: str) -> Edit:
    def edit(lines: list[str]) -> list[str]:
        cells = lines[line - 1].split(",")
        cells[column] = text
        return [*lines[: line - 1], ",".join(cells), *lines[line:]]

    return edit


@pytest.mark.parametrize(
    ("edit", "parts"),
    [
        (replaced(5, 4, "-1"), ["column Amount at line 5 ('-1'): negative", "at least 0"]),
        (replaced(5, 3, "-7"), ["column Quantity at line 5 ('-7'): negative"]),
        (replaced(5, 4, "NaN"), ["column Amount at line 5 ('NaN'): NaN, infinite or not a number"]),
        (replaced(5, 4, "inf"), ["column Amount at line 5 ('inf'): NaN, infinite or not a number"]),
        (replaced(5, 4, "-inf"), ["line 5 ('-inf')"]),
        (replaced(5, 4, ""), ["column Amount at line 5 ('')"]),
        (replaced(5, 4, "12.5x"), ["line 5 ('12.5x')"]),
        (replaced(5, 2, "0"), ["column Transactions at line 5 ('0'): not a whole number of at least 1"]),
        (replaced(5, 2, "1.5"), ["column Transactions at line 5 ('1.5')"]),
        (replaced(5, 0, "31.07.2013"), ["column TransactionDate at line 5 ('31.07.2013'): not a day"]),
        (replaced(5, 1, " "), ["column TransactionType at line 5", "empty"]),
        (
            lambda lines: [*lines, lines[4]],
            ["line 891 (2013-08-01 W): a day and TransactionType that occurred before"],
        ),
        (
            lambda lines: [line for line in lines if not line.startswith("2013-12-24")],
            ["column TransactionDate at 2013-12-24: no row of type S, P, W", "every day from 2013-07-31"],
        ),
        (lambda lines: [line.replace("Amount", "Total") for line in lines], ["column Amount: missing"]),
        (lambda lines: lines[:1], ["a header but no rows"]),
        (lambda lines: [lines[0], "2013-07-31,S,1,1,1,1,1,1,1"], ["at line 2: has more cells than the header"]),
    ],
)
def test_a_broken_table_is_refused_by_name(
    broken: Callable[[Edit], Path], problem: Problem, edit: Edit, parts: list[str]
) -> None:
    message = str(refusal_of(broken(edit), problem))
    for part in ["broken.csv", *parts]:
        assert part in message


def test_an_empty_file_is_refused(tmp_path: Path, problem: Problem) -> None:
    empty = tmp_path / "empty.csv"
    empty.touch()
    assert "is an empty file" in str(refusal_of(empty, problem))


def test_all_findings_come_together(broken: Callable[[Edit], Path], problem: Problem) -> None:
    def edit(lines: list[str]) -> list[str]:
        lines = replaced(5, 4, "nan")(replaced(9, 4, "-3")(lines))
        return [*lines[:20], *(line for line in lines[20:] if not line.startswith("2014-01-0")), lines[2]]

    refusal = refusal_of(broken(edit), problem)
    assert len(refusal.findings) == 4
    assert "2014-01-01, 2014-01-02, 2014-01-03, 2014-01-04, 2014-01-05 and 4 more" in str(refusal)
    assert "4 findings" in str(refusal)
    assert refusal.facts["data_sha256"]


def test_a_gap_outside_the_days_of_the_problem_is_no_finding(table: Path, problem: Problem) -> None:
    last = table.read_text().splitlines()[-1]
    assert last.startswith("2014-08-03")
    read_table(table, problem.source, problem.series)


def test_a_folder_must_hold_exactly_one_table(tmp_path: Path, table: Path) -> None:
    with pytest.raises(ContractError, match="0 tables"):
        find_table(tmp_path)
    (tmp_path / "deep").mkdir()
    copy = tmp_path / "deep/data.csv"
    copy.write_bytes(table.read_bytes())
    assert find_table(tmp_path) == copy
    (tmp_path / "second.csv").touch()
    with pytest.raises(ContractError, match="2 tables"):
        find_table(tmp_path)


def test_a_path_that_is_not_there_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such file"):
        find_table(tmp_path / "nothing.csv")


def test_a_refusal_tells_the_first_findings_and_how_many_more_there_are() -> None:
    findings = [Finding("day", (), f"mistake {number}", "none", "Mend it.") for number in range(25)]
    refusal = ContractError("sales.csv", findings)
    assert "(25 findings)" in str(refusal)
    assert "mistake 19" in str(refusal)
    assert "mistake 20" not in str(refusal)
    assert str(refusal).endswith("\n  and 5 more")
    assert len(refusal.findings) == 25
