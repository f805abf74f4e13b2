"""What people read: cells that no spreadsheet runs, rules with what was expected and what was found."""

from __future__ import annotations

import csv
from dataclasses import asdict
from pathlib import Path

import pytest

from forecasting.decision.blocks import Rule
from ml_service.audit.history import History, safe_cell, write
from ml_service.audit.summary import markdown, read_violations, rule_rows
from ml_service.production.integrity import differences
from ml_service.training.follow import Followed
from ml_service.training.outcome import Outcome
from ml_service.training.run import RunResult


@pytest.mark.parametrize("text", ["=1+1", "+4", "-0.243", "@SUM(A1)", "\t=1"])
def test_a_cell_that_begins_like_a_formula_is_prefixed(text: str) -> None:
    assert safe_cell(text) == f"'{text}"


def test_cells_hold_text_nothing_and_json() -> None:
    assert [safe_cell(value) for value in ("kept", None, 3, True, {"b": 1, "a": [2]})] == [
        "kept",
        "",
        "3",
        "True",
        '{"a": [2], "b": 1}',
    ]


def test_rows_with_different_columns_make_one_table(tmp_path: Path) -> None:
    history = History("unit-ws", {"models": [{"version": 2, "since": "=x"}, {"version": 1, "old": "y"}], "runs": []})
    write(history, tmp_path / "out")

    with (tmp_path / "out/models.csv").open(newline="") as file:
        assert list(csv.reader(file)) == [["version", "since", "old"], ["2", "'=x", ""], ["1", "", "y"]]
    assert (tmp_path / "out/runs.csv").read_text().strip() == ""
    assert '"workspace": "unit-ws"' in (tmp_path / "out/runs.json").read_text()


def test_what_is_not_intact_is_named() -> None:
    history = History("w", {"decisions": [{"run_id": "a", "intact": True}, {"run_id": "b", "intact": False}]})

    assert history.not_intact == ["decisions: b"]


def test_rules_say_what_was_demanded_and_what_was_found() -> None:
    floor = Rule(code="floor", status="passed", value=0.79149, threshold=1.0, sentence="below.")
    margin = Rule(code="margin", status="off", value=None, threshold=None, sentence="no champion.")

    assert rule_rows([floor, margin]) == [
        ["floor", "1", "0.7915", "passed", "below."],
        ["margin", "-", "-", "off", "no champion."],
    ]


FAILURES = """file,column,place,found,expected,fix
sales.csv,Units,line 3,negative,at least 0,Deliver reversals as a type of their own.
sales.csv,Units,line 9,negative,at least 0,Deliver reversals as a type of their own.
sales.csv,,,"has <b>no</b> rows | none",some rows,Deliver it again.
"""


def test_the_page_of_a_broken_contract_names_rules_columns_and_places() -> None:
    result = RunResult(
        "run-1",
        "unit",
        "http://portal",
        Followed("Failed", (), 2.0),
        Outcome("failed", "contract", None, None),
        None,
        (),
    )
    page = markdown("unit-ws", result, {"data_sha256": "abc"}, "as printed", read_violations(FAILURES))

    assert "the table breaks the data contract" in page
    assert "2 rules are broken; every place is in `contract_failures.csv` beside this page." in page
    assert "| Units | negative | at least 0 | line 3, line 9 | Deliver reversals as a type of their own. |" in page
    assert "| whole file | has \\<b\\>no\\</b\\> rows" in page
    assert "| recipe, data until |" not in page, "what is not known is not a row of dashes"
    assert "`abc`" in page


def test_a_difference_names_field_and_both_values() -> None:
    found = differences({"commit": "abc", "rows": "3"}, {"commit": "abd", "rows": 3, "gone": "x"}, "release.json")
    row = {"deployment": "d-1", "intact": False, "differences": [asdict(item) for item in found]}

    assert History("w", {"releases": [row]}).not_intact == [
        "releases: d-1: commit is abc, release.json says abd",
        "releases: d-1: gone is absent, release.json says x",
    ]
