"""What people read: cells that no spreadsheet runs, rules with what was expected and what was found."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from ml_service.evidence import rules
from ml_service.history import History, safe_cell, write


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
    floor = {"code": "floor", "status": "passed", "value": 0.79149, "threshold": 1.0, "sentence": "below."}
    margin = {"code": "margin", "status": "off", "value": None, "threshold": None, "sentence": "no champion."}

    assert rules({"rules": [floor, margin]}) == [
        ["floor", "1", "0.7915", "passed", "below."],
        ["margin", "-", "-", "off", "no champion."],
    ]
