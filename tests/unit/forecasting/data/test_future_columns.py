"""Columns that are known in advance: read from the table, refused where a value is missing, handed on."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pytest

from forecasting.data.contract import Delivery, read_table
from forecasting.data.future import holidays_of
from forecasting.data.series import Panel, facts_of, read_series, write_series
from forecasting.errors import ContractError, UsageError
from forecasting.known import Column
from forecasting.problem.sections import Contract, Future, SeriesRule, Source

SOURCE = Source(date="Day", measures=("Units",))
ONE = SeriesRule(name="shop", measure="Units", aggregation="sum")
MANY = SeriesRule(name="shop", keys=("Item",), measure="Units", aggregation="sum", missing="zero")
FUTURE = Future.model_validate({"columns": ["Price", {"column": "Weather", "kind": "category"}]})
ROWS = [
    "2024-03-01,a,5,9.5,sun",
    "2024-03-01,b,1,2.0,sun",
    "2024-03-02,a,6,9.5,rain",
    "2024-03-02,b,2,2.5,rain",
    "2024-03-03,a,7,8.0,snow",
    "2024-03-03,b,3,2.5,snow",
    "2024-03-04,a,,8.0,sun",
    "2024-03-04,b,,2.5,sun",
    "2024-03-06,a,,7.0,sun",
]


def panel_of(folder: Path, rows: list[str], rule: SeriesRule = MANY, future: Future = FUTURE) -> Panel:
    (folder / "shop.csv").write_text("\n".join(["Day,Item,Units,Price,Weather", *rows]) + "\n")
    delivery = Delivery(as_of=date(2024, 3, 3))
    return read_table(folder / "shop.csv", SOURCE, rule, Contract(), delivery, future=future)[0]


def test_the_table_says_what_is_known_of_past_days_and_of_days_ahead(tmp_path: Path) -> None:
    panel = panel_of(tmp_path, ROWS)
    known = panel.known
    assert known is not None
    assert (panel.last, panel.days) == (date(2024, 3, 3), 3), "rows without a measure are no days of the series"
    assert known.columns == (Column("Price"), Column("Weather", ("rain", "snow", "sun")))
    assert (known.past, known.ahead) == (3, 1), "ahead ends where a day is missing"
    assert known.values[:, :, 0].tolist() == [[9.5, 9.5, 8, 8], [2, 2.5, 2.5, 2.5]]
    assert known.values[0, :, 1].tolist() == [2, 0, 1, 2]
    assert panel.notes[-1] == "known in advance: Price, Weather; the table holds 1 steps ahead"


def test_without_the_section_the_columns_are_not_read(tmp_path: Path) -> None:
    assert panel_of(tmp_path, ROWS[:6], future=Future()).known is None
    with pytest.raises(ContractError, match="Units at line 8"):
        panel_of(tmp_path, ROWS, future=Future())


@pytest.mark.parametrize(
    ("place", "row", "part"),
    [
        (2, "2024-03-02,a,6,cheap,rain", "Price at line 4: not a number"),
        (2, "2024-03-02,a,6,,rain", "Price at line 4: not a number"),
        (2, "2024-03-02,a,6,inf,rain", "Price at line 4: not a number"),
        (2, "2024-03-02,a,6,9.5,", "Weather at line 4: empty"),
        (7, "2024-03-04,b,,,sun", "Price at line 9: not a number"),
        (2, "2024-03-01,b,6,3,sun", "a day and Item that occurred before"),
        (7, "2024-03-04,a,,8.5,sun", "Price at line 9: another value than an earlier row"),
        (7, "2024-03-09,a,,8,sun", "Price at b 2024-03-04: no value; expected one for every series and day"),
    ],
)
def test_a_value_that_is_missing_or_ambiguous_is_refused(tmp_path: Path, place: int, row: str, part: str) -> None:
    with pytest.raises(ContractError) as caught:
        panel_of(tmp_path, [*ROWS[:place], row, *ROWS[place + 1 :]])
    assert part in str(caught.value)


@pytest.mark.parametrize(("missing", "filled"), [("zero", 0.0), ("last", 2.5)])
def test_a_day_without_a_row_has_the_value_that_the_problem_says(tmp_path: Path, missing: str, filled: float) -> None:
    rows = [row for row in ROWS[:6] if not row.startswith("2024-03-03,b")]
    with pytest.raises(ContractError, match="set missing of this column to zero or last"):
        panel_of(tmp_path, rows, future=Future.model_validate({"columns": ["Price"]}))
    future = Future.model_validate({"columns": [{"column": "Price", "missing": missing}]})
    known = panel_of(tmp_path, rows, future=future).known
    assert known is not None
    assert known.values[1, 2, 0] == filled


def test_too_many_categories_are_refused(tmp_path: Path) -> None:
    days = [date(2024, 1, 1) + timedelta(days=number) for number in range(25)]
    rows = [f"{day},a,1,1,kind {number}" for number, day in enumerate(days)]
    with pytest.raises(ContractError, match="25 categories; expected at most 20"):
        panel_of(tmp_path, rows)


@pytest.mark.parametrize(
    ("document", "part"),
    [
        ({"columns": ["Units"]}, "Units is used already"),
        ({"columns": ["Price", "Price"]}, "Price is used already"),
        ({"columns": ["Nowhere"]}, "column Nowhere: missing"),
    ],
)
def test_columns_that_the_table_cannot_give_are_refused(tmp_path: Path, document: object, part: str) -> None:
    with pytest.raises((UsageError, ContractError), match=part):
        panel_of(tmp_path, ROWS, future=Future.model_validate(document))


def test_holidays_are_those_of_the_country_for_ten_years_more(tmp_path: Path) -> None:
    panel = panel_of(tmp_path, ROWS[:6], future=Future.model_validate({"holidays": "DE-BY"}))
    assert panel.known is not None
    holidays = panel.known.holidays
    assert holidays is not None
    assert (holidays.first, holidays.last.year) == (date(2024, 2, 29), 2034)
    assert date(2024, 3, 29) in holidays.days, "Good Friday"
    assert date(2033, 1, 6) in holidays.days, "Epiphany, a holiday in Bavaria"
    assert date(2033, 1, 6) not in holidays_of("DE", holidays.first, holidays.last).days


@pytest.mark.parametrize("name", ["Atlantis", "DE-XX"])
def test_an_unknown_country_is_refused_by_name(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match=f"future.holidays: {name} is not known"):
        panel_of(tmp_path, ROWS[:6], future=Future(holidays=name))


def test_holidays_of_weeks_are_refused(tmp_path: Path) -> None:
    weekly = MANY.model_copy(update={"frequency": "week-friday"})
    with pytest.raises(UsageError, match=r"future.holidays needs daily values, series.frequency is week-friday"):
        panel_of(tmp_path, ROWS[:6], weekly, Future(holidays="DE"))


@pytest.mark.parametrize("future", [FUTURE, Future(holidays="DE"), FUTURE.model_copy(update={"holidays": "GB"})])
def test_what_is_known_is_handed_from_step_to_step(tmp_path: Path, future: Future) -> None:
    panel = panel_of(tmp_path, ROWS, future=future)
    write_series(tmp_path / "series", panel, facts_of(panel, "d" * 64, 6, "shop.csv"))
    found = read_series(tmp_path / "series")[0].known
    assert panel.known is not None
    assert found is not None
    assert np.array_equal(found.values, panel.known.values)
    assert replace(found, values=panel.known.values) == panel.known


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("known.csv", "9.5", "nan"),
        ("known.csv", "Weather", "Wind"),
        ("known.json", '"past": 3', '"past": 4'),
        ("known.json", '"snow"', '"rain"'),
        ("known.csv", "b,Weather,2.0", "b,Weather,7.0"),
    ],
)
def test_files_that_were_edited_are_refused(tmp_path: Path, file: str, old: str, new: str) -> None:
    panel = panel_of(tmp_path, ROWS)
    write_series(tmp_path / "series", panel, facts_of(panel, "d" * 64, 6, "shop.csv"))
    path = tmp_path / "series" / file
    path.write_text(path.read_text().replace(old, new, 1))
    with pytest.raises(ContractError, match="unreadable"):
        read_series(tmp_path / "series")
