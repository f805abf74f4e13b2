"""The exported history: cells that no spreadsheet runs, and what is not intact is named."""

from __future__ import annotations

import csv
from dataclasses import asdict
from pathlib import Path

import pytest

from ml_service.audit.history import History, safe_cell, write
from ml_service.production.integrity import differences


@pytest.mark.parametrize(
    "text",
    [
        *("=1+1", "+4", "-0.243", "@SUM(A1)", "\t=1", "\r=1", "\n=1", " =1", " \n =1", "\u00a0=1", "\u3000=1"),
        *("\uff1d1+1", "\uff0b4", "\uff0d2", "\uff20SUM(A1)", " \uff1d1", "\ufe62", "\x00=1", "\ufeff=1", "\u200b=1"),
        *("\n", " text"),
    ],
)
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


def test_a_difference_names_field_and_both_values() -> None:
    found = differences({"commit": "abc", "rows": "3"}, {"commit": "abd", "rows": 3, "gone": "x"}, "release.json")
    row = {"deployment": "d-1", "intact": False, "differences": [asdict(item) for item in found]}

    assert History("w", {"releases": [row]}).not_intact == [
        "releases: d-1: commit is abc, release.json says abd",
        "releases: d-1: gone is absent, release.json says x",
    ]


@pytest.mark.parametrize("text", ["", "a=1", "3.5", "Zürich", "2024-01-01", "a\n=1", "(=1)"])
def test_other_cells_stay_as_they_are(text: str) -> None:
    assert safe_cell(text) == text
