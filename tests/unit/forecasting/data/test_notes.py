"""What is read although a person should know of it: named with count, never in silence."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

from forecasting.data.contract import read_table
from forecasting.data.notes import LISTED, change_notes
from forecasting.data.series import Panel, facts_of, read_series, write_series
from forecasting.problem.sections import SeriesRule, Source

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
        "1 series filled with zeros at the end, perhaps delivered late: C: no row since 2024-02-08, 21 days"
    )


def test_one_late_day_is_named_where_a_series_has_all_others(tmp_path: Path) -> None:
    (note,) = read(tmp_path, {"A": ALL, "C": ALL[:-1]}).notes
    assert note.endswith("C: no row since 2024-02-28, 1 day")


def test_days_without_a_row_that_are_usual_for_a_series_are_not_named(tmp_path: Path) -> None:
    assert read(tmp_path, {"A": ALL, "C": [0, 10, 30, 40]}).notes == ()  # 19 days without a row, twice


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


def test_gone_and_new_series_are_named() -> None:
    assert change_notes("AC", "AB") == [
        "1 series of the champion gone, will no longer be forecast: B",
        "1 series new, unknown to the champion: C",
    ]
    assert change_notes("AB", "BA") == []


def test_a_note_names_only_so_many() -> None:
    (note,) = change_notes([], [f"{'x' * 500}{number:03}" for number in range(LISTED + 7)])
    assert note.endswith("and 7 more")
    assert len(note) < 3_000


def test_notes_travel_in_the_facts(tmp_path: Path) -> None:
    panel = read(tmp_path, {"A": ALL, "C": ALL[:39]})
    write_series(tmp_path / "series", panel, facts_of(panel, "0" * 64, 99, "t.csv"))
    assert read_series(tmp_path / "series")[1]["notes"] == list(panel.notes)
