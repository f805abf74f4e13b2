"""What is read although a person should know of it: named with count, never in silence."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pytest

from forecasting.calendars import DAILY, MONTHLY, Calendar
from forecasting.data.contract import read_table
from forecasting.data.notes import LISTED, edges_of, set_changes, thin_end_notes
from forecasting.data.series import Panel, facts_of, read_series, write_series
from forecasting.errors import ContractError
from forecasting.problem.sections import Contract, SeriesRule, Source

SOURCE = Source(date="Day", measures=("Units",))
RULE = SeriesRule(name="shops", keys=("Shop",), measure="Units", aggregation="sum", missing="zero")
DAYS = [date(2024, 1, 1) + timedelta(days=number) for number in range(60)]


def read(folder: Path, shops: dict[str, list[int]], rule: SeriesRule = RULE, units: int = 3) -> Panel:
    """A table with these shops, each with rows on these days (numbers)."""
    rows = [f"{shop},{DAYS[day]},{units}" for shop, days in shops.items() for day in days]
    (folder / "t.csv").write_text("\n".join(["Shop,Day,Units", *rows]), encoding="utf-8")
    return read_table(folder / "t.csv", SOURCE, rule)[0]


ALL = list(range(60))


def test_nothing_to_note_is_no_note(tmp_path: Path) -> None:
    panel = read(tmp_path, {"A": ALL, "B": [*ALL[::3], 59]})
    assert panel.notes == ()
    assert "notes" not in facts_of(panel, "0" * 64, 1, "t.csv")


def test_a_series_that_ends_early_is_named_with_its_days(tmp_path: Path) -> None:
    """As a delivery in which the newest days of one shop are not there yet."""
    (note,) = read(tmp_path, {"A": ALL, "C": ALL[:39]}).notes
    assert note == (
        "1 series late, their last season is repeated and zeros are not assumed: C: no row since 2024-02-08, 21 days"
    )


def test_one_late_day_is_named_where_a_series_has_all_others(tmp_path: Path) -> None:
    (note,) = read(tmp_path, {"A": ALL, "C": ALL[:-1]}).notes
    assert note.endswith("C: no row since 2024-02-28, 1 day")


def test_days_without_a_row_that_are_usual_for_a_series_are_not_named(tmp_path: Path) -> None:
    assert read(tmp_path, {"A": ALL, "C": [0, 10, 30, 40]}).notes == ()  # 19 days without a row, twice


@pytest.mark.parametrize(
    ("calendar", "late", "words"),
    [(DAILY, 7, "newest 7 days"), (DAILY, 14, "newest 7 days"), (MONTHLY, 1, "newest 1 month")],
    ids=str,
)
def test_half_of_a_sparse_table_that_is_late_is_noted_although_no_series_looks_late(
    calendar: Calendar, late: int, words: str
) -> None:
    chance = np.random.default_rng(3)
    values = np.where(chance.random((200, 160)) < (0.3 if calendar == MONTHLY else 0.15), 1.0, np.nan)
    values[:, 50] = 1.0
    assert thin_end_notes(values, calendar) == []
    values[:100, -late:] = np.nan
    assert len(edges_of(values, calendar).late) < 20
    (note,) = thin_end_notes(values, calendar)
    assert words in note
    assert "of 200 series have rows" in note
    assert thin_end_notes(values[:9], calendar) == []
    assert thin_end_notes(values[:, -28:], DAILY) == []


def test_a_seventh_of_a_table_that_is_late_is_noted() -> None:
    values = np.ones((100, 160))
    assert thin_end_notes(values, DAILY) == []
    values[:9, -7:] = np.nan
    assert thin_end_notes(values, DAILY) == [], "a few may end"
    values[:15, -7:] = np.nan
    (note,) = thin_end_notes(values, DAILY)
    assert "85 of 100 series have rows" in note


def test_a_series_that_begins_late_is_named(tmp_path: Path) -> None:
    (note,) = read(tmp_path, {"A": ALL, "D": ALL[45:]}).notes
    assert note == ("1 series filled with zeros at the start, perhaps new: D: no row before 2024-02-15, 45 days")


def test_silent_series_are_left_out_and_counted(tmp_path: Path) -> None:
    rule = RULE.model_copy(update={"min_active_days": 10})
    panel = read(tmp_path, {"A": ALL, "S": [0, 30, 59], "T": [0, 30, 59]}, rule)
    assert panel.keys == ("A",)
    assert "2 series left out, fewer than 10 days that are not zero: S, T" in panel.notes


def test_names_that_look_alike_are_named_together(tmp_path: Path) -> None:
    composed, apart = "Caf\u00e9", "Cafe\u0301"
    (note,) = read(tmp_path, dict.fromkeys(["b", "B", composed, apart, "X 1", "X1", "other"], ALL)).notes
    assert note.startswith("names that differ only in case, spaces or form are series of their own: ")
    for pair in ("'B' and 'b'", "'Cafe\\u0301' and 'Caf\\xe9'", "'X 1' and 'X1'"):
        assert pair in note
    assert "other" not in note


def said(keys: list[str], before: list[str]) -> list[str]:
    return [change.said for change in set_changes(keys, before)]


def test_gone_and_new_series_are_named() -> None:
    assert said(["A", "C"], ["A", "B"]) == [
        "1 series of the champion gone, no longer forecast: B",
        "1 series new, unknown to the champion: C",
    ]
    assert said(["A", "B"], ["B", "A"]) == []


@pytest.mark.parametrize(("old", "new"), [("B", "b"), ("Cafe\u0301", "Caf\u00e9"), ("X 1", "X1")])
def test_a_series_under_another_form_of_its_name_is_renamed(old: str, new: str) -> None:
    (renamed,) = set_changes(["A", new], ["A", old])
    assert (renamed.kind, renamed.names) == ("renamed", (old,))
    assert renamed.said == f"1 series renamed, clients must adapt: {old!a} is now {new!a}"


def test_a_note_names_only_so_many() -> None:
    (note,) = said([], [f"{'x' * 500}{number:03}" for number in range(LISTED + 7)])
    assert note.endswith("and 7 more")
    assert len(note) < 3_000


def test_a_gap_at_the_end_is_not_a_zero(tmp_path: Path) -> None:
    """A shop that sells twice as much at weekends and is delivered ten days late."""
    rows = [
        *(f"A,{day},3" for day in DAYS),
        *(f"C,{day},{10 if day.weekday() < 5 else 20}" for day in DAYS[:-10]),
    ]
    (tmp_path / "t.csv").write_text("\n".join(["Shop,Day,Units", *rows]), encoding="utf-8")
    panel = read_table(tmp_path / "t.csv", SOURCE, RULE)[0]
    assert panel.values[1].tolist() == [10 if day.weekday() < 5 else 20 for day in DAYS]
    assert facts_of(panel, "0" * 64, 1, "t.csv")["changes"] == {"late": {"count": 1, "names": ["C"]}}


def test_a_series_without_rows_for_long_has_ended(tmp_path: Path) -> None:
    panel = read(tmp_path, {"A": ALL, "C": ALL[:31]})
    assert panel.notes == (
        "1 series ended, filled with zeros at the end and still forecast: C: no row since 2024-01-31, 29 days",
    )
    assert panel.values[1, 31:].sum() == 0


def test_late_series_beyond_the_limit_refuse_the_table(tmp_path: Path) -> None:
    rows = [f"{shop},{day},3" for shop in "ABC" for day in DAYS[: 55 if shop == "C" else 60]]
    (tmp_path / "t.csv").write_text("\n".join(["Shop,Day,Units", *rows]), encoding="utf-8")
    read_table(tmp_path / "t.csv", SOURCE, RULE, Contract(late_series=0.34))
    with pytest.raises(
        ContractError, match=r"at C: 1 of 3 series late; expected at most 30% \(contract.late_series\)"
    ):
        read_table(tmp_path / "t.csv", SOURCE, RULE, Contract(late_series=0.3))


def test_notes_travel_in_the_facts(tmp_path: Path) -> None:
    panel = read(tmp_path, {"A": ALL, "C": ALL[:39]})
    write_series(tmp_path / "series", panel, facts_of(panel, "0" * 64, 99, "t.csv"))
    assert read_series(tmp_path / "series")[1]["notes"] == list(panel.notes)
