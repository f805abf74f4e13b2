"""Workbooks: the named sheet is read, caps hold, and what is no workbook is refused."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from pathlib import Path

import pytest

from forecasting.data.contract import read_table
from forecasting.errors import ContractError
from forecasting.problem.reading import Reading
from forecasting.problem.sections import SeriesRule, Source
from forecasting.tables import workbook

SOURCE = Source(date="Day", measures=("Units",))
RULE = SeriesRule(name="units", measure="Units", aggregation="sum")
DAYS = [date(2024, 3, 1) + timedelta(days=number) for number in range(30)]
ROWS: list[list[object]] = [["Day", "Units"], *([datetime(d.year, d.month, d.day), 2.5] for d in DAYS)]


def made(path: Path, sheets: dict[str, Sequence[Sequence[object]]]) -> Path:
    from openpyxl import Workbook

    book = Workbook(write_only=True)
    for name, rows in sheets.items():
        sheet = book.create_sheet(name)
        for row in rows:
            sheet.append(list(row))
    book.save(path)
    return path


def values(path: Path, reading: Reading | None = None) -> list[float]:
    panel = read_table(path, SOURCE, RULE, reading=reading or Reading())[0]
    assert panel.first == DAYS[0]
    return [float(value) for value in panel.values[0]]


def test_dates_texts_and_numbers_are_read_by_one_rule(tmp_path: Path) -> None:
    mixed: list[list[object]] = [ROWS[0], [f"{DAYS[0]:%d.%m.%Y}", "2,5"], *([day, 2.5] for day in DAYS[1:])]
    path = made(tmp_path / "t.xlsx", {"A": mixed})
    assert values(path, Reading(date_format="%d.%m.%Y", decimal=",")) == [2.5] * 30


def test_the_row_of_a_finding_is_that_of_the_sheet(tmp_path: Path) -> None:
    path = made(tmp_path / "t.xlsx", {"A": [*ROWS[:4], [None, None], ["x", 1], *ROWS[4:]]})
    with pytest.raises(ContractError, match=r"column Day at line 6 \('x'\): not a day"):
        values(path)


def test_a_time_of_day_needs_a_form_with_one(tmp_path: Path) -> None:
    path = made(tmp_path / "t.xlsx", {"A": [ROWS[0], *([datetime(d.year, d.month, d.day, 9), 2.5] for d in DAYS)]})
    with pytest.raises(ContractError, match=r"\('2024-03-01 09:00:00'\).* set reading.date_format"):
        values(path)
    assert values(path, Reading(date_format="%Y-%m-%d %H:%M:%S")) == [2.5] * 30


def test_the_sheet_is_named_where_there_are_several(tmp_path: Path) -> None:
    path = made(tmp_path / "t.xlsx", {"Notes": [["x"]], "Sales": ROWS})
    with pytest.raises(
        ContractError, match=r"has 2 sheets \(Notes, Sales\).* Name the sheet in reading.sheet. Join the rows"
    ):
        values(path)
    with pytest.raises(ContractError, match=r"has no sheet 'Sale'; expected one of Notes, Sales"):
        values(path, Reading(sheet="Sale"))
    assert values(path, Reading(sheet="Sales")) == [2.5] * 30


def test_what_is_no_workbook_is_refused(tmp_path: Path) -> None:
    (tmp_path / "t.xlsx").write_text("Day,Units\n")
    with pytest.raises(ContractError, match="is not a readable workbook"):
        values(tmp_path / "t.xlsx")
    whole = made(tmp_path / "whole.xlsx", {"A": ROWS}).read_bytes()
    (tmp_path / "t.xlsx").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ContractError, match="is not a readable workbook"):
        values(tmp_path / "t.xlsx")


def test_caps_hold_before_anything_is_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = made(tmp_path / "t.xlsx", {"A": ROWS})
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/bomb.bin", b"0" * (workbook.MAX_UNPACKED + 1))
    with pytest.raises(ContractError, match=f"at most {workbook.MAX_UNPACKED} bytes"):
        values(path)
    path = made(tmp_path / "u.xlsx", {"A": ROWS})
    for name, cap in (("MAX_ROWS", 30), ("MAX_CELLS", 61), ("MAX_PARTS", 3)):
        with monkeypatch.context() as patched:
            patched.setattr(workbook, name, cap)
            with pytest.raises(ContractError, match=f"at most {cap}"):
                values(path)


def with_sheet(path: Path, old: bytes, new: bytes) -> Path:
    """A copy of a workbook whose sheet was edited by hand."""
    target = path.with_name("edited.xlsx")
    with zipfile.ZipFile(path) as archive, zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as copy:
        for part in archive.infolist():
            content = archive.read(part)
            if part.filename.startswith("xl/worksheets/"):
                assert old in content
                content = content.replace(old, new, 1)
            copy.writestr(part.filename, content)
    return target


def test_a_row_far_below_and_entities_cost_nothing(tmp_path: Path) -> None:
    path = made(tmp_path / "t.xlsx", {"A": ROWS})
    far = with_sheet(path, b'<row r="31"', b'<row r="2000000000"')
    with pytest.raises(ContractError, match=f"at most {workbook.MAX_ROWS} rows"):
        values(far)
    names = "".join(f'<!ENTITY a{n} "{"".join(f"&a{n - 1};" for _ in range(10))}">' for n in range(1, 10))
    bomb = f'<!DOCTYPE x [<!ENTITY a0 "aaaaaaaaaa">{names}]>'.encode()
    laughs = with_sheet(path, b"<worksheet", bomb + b"<worksheet")
    laughs = with_sheet(laughs.rename(tmp_path / "v.xlsx"), b"<v>2.5</v>", b"<v>&a9;</v>")
    with pytest.raises(ContractError):
        values(laughs)


def test_a_number_that_is_too_large_is_refused_by_its_cell(tmp_path: Path) -> None:
    path = with_sheet(made(tmp_path / "t.xlsx", {"A": ROWS}), b"<v>2.5</v>", b"<v>" + b"1" * 400 + b"</v>")
    with pytest.raises(ContractError, match=r"column Units at line 2 \('11111"):
        values(path)
