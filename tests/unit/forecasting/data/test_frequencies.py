"""Tables of every frequency are read, and one of another frequency than the problem's is refused with a remedy."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import numpy as np
import pytest

from forecasting.calendars import BUSINESS_DAYS, CALENDARS, DAILY, MONTH_ENDS, MONTHLY, Calendar, calendar_of
from forecasting.data.contract import Delivery, read_table
from forecasting.data.series import Panel, facts_of, read_series, write_series
from forecasting.errors import ContractError, Finding
from forecasting.problem.sections import Contract, SeriesRule, Source

SOURCE = Source(date="Day", measures=("Units",))
SUNDAYS, MONDAYS = calendar_of("week-sunday"), calendar_of("week-monday")
START = date(2020, 1, 1)


def read(
    folder: Path, dates: list[date], calendar: Calendar, contract: Contract | None = None, as_of: date | None = None,
    **changed: object,
) -> Panel:  # fmt: skip
    rule = SeriesRule(name="shops", measure="Units", aggregation="sum", frequency=calendar.frequency)
    lines = ["Day,Units", *(f"{day},{number}" for number, day in enumerate(dates, 1))]
    (folder / "t.csv").write_text("\n".join(lines), encoding="utf-8")
    rule = rule.model_copy(update=changed)
    return read_table(folder / "t.csv", SOURCE, rule, contract, Delivery(as_of=as_of))[0]


def refused(folder: Path, dates: list[date], calendar: Calendar, **options: object) -> Finding:
    with pytest.raises(ContractError) as caught:
        read(folder, dates, calendar, **options)  # type: ignore[arg-type]
    (finding,) = caught.value.findings
    return finding


@pytest.mark.parametrize("calendar", CALENDARS.values(), ids=str)
def test_a_table_of_each_frequency_is_read_written_and_read_again(tmp_path: Path, calendar: Calendar) -> None:
    dates = calendar.range(calendar.first_from(START), 40)
    panel = read(tmp_path, dates, calendar)
    assert panel.values.tolist() == [list(map(float, range(1, 41)))]
    assert (panel.calendar, panel.first, panel.last, panel.until(7).last) == (calendar, dates[0], dates[-1], dates[6])
    facts = facts_of(panel, "0" * 64, 40, "t.csv")
    assert facts.get("frequency", "day") == calendar.frequency
    write_series(tmp_path / "series", panel, facts)
    again, _ = read_series(tmp_path / "series")
    assert (again.calendar, again.first, again.values.tolist()) == (calendar, dates[0], panel.values.tolist())


DAYS = DAILY.range(START, 120)


@pytest.mark.parametrize(
    ("table", "problem", "found", "fix"),
    [
        (
            DAILY, SUNDAYS, "the dates are daily",
            'Deliver the sum of the days of each week, dated a Sunday (in pandas resample("W-SUN").sum()), '
            "or set series.frequency to day.",
        ),
        (
            DAILY, MONTHLY, "the dates are daily",
            "Deliver the sum of the days of each month, dated the first day of a month "
            '(in pandas resample("MS").sum()), or set series.frequency to day.',
        ),
        (
            BUSINESS_DAYS, MONTH_ENDS, "the dates are business-day, each a day from Monday to Friday",
            "Deliver the sum of the business days of each month, dated the last day of a month "
            '(in pandas resample("ME").sum()), or set series.frequency to business-day.',
        ),
        (SUNDAYS, DAILY, "the dates are weekly, each a Sunday",
         "If the table is right, set series.frequency to week-sunday."),
        (SUNDAYS, MONDAYS, "the dates are weekly, each a Sunday",
         "If the table is right, set series.frequency to week-sunday."),
        (BUSINESS_DAYS, DAILY, "the dates are business-day, each a day from Monday to Friday",
         "If the table is right, set series.frequency to business-day."),
        (MONTH_ENDS, MONTHLY, "the dates are monthly, each the last day of a month",
         "If the table is right, set series.frequency to month-end."),
        (SUNDAYS, MONTHLY, "the dates are weekly, each a Sunday",
         "If the table is right, set series.frequency to week-sunday. "
         "A week may lie in two months: make monthly values of daily ones."),
    ],
)  # fmt: skip
def test_another_frequency_is_refused_with_the_aggregation_that_fits(
    tmp_path: Path, table: Calendar, problem: Calendar, found: str, fix: str
) -> None:
    finding = refused(tmp_path, table.range(table.first_from(START), 120), problem)
    assert (finding.found, finding.fix) == (found, fix)
    assert problem.expected in finding.expected


def test_single_dates_that_are_none_of_the_problem_are_listed(tmp_path: Path) -> None:
    dates = SUNDAYS.range(SUNDAYS.first_from(START), 60)
    finding = refused(tmp_path, [*dates, date(2020, 2, 4)], SUNDAYS)
    assert (finding.places, finding.found) == (("2020-02-04",), "not a Sunday")


def test_a_missing_week_is_listed(tmp_path: Path) -> None:
    dates = SUNDAYS.range(SUNDAYS.first_from(START), 60)
    finding = refused(tmp_path, dates[:20] + dates[21:], SUNDAYS)
    assert finding.places == (str(dates[20]),)
    assert finding.fix.startswith("Deliver the missing weeks")


def test_first_and_last_date_of_a_problem_may_lie_within_a_step(tmp_path: Path) -> None:
    dates = MONTHLY.range(date(2020, 1, 1), 40)
    panel = read(tmp_path, dates, MONTHLY, first_date=date(2020, 2, 10), last_date=date(2022, 6, 20))
    assert (panel.first, panel.last) == (date(2020, 3, 1), date(2022, 6, 1))


def test_a_month_that_has_not_ended_is_refused(tmp_path: Path) -> None:
    dates = MONTHLY.range(date(2020, 1, 1), 40)  # to 2023-04
    assert read(tmp_path, dates, MONTHLY, as_of=date(2023, 5, 1)).days == 40
    finding = refused(tmp_path, dates, MONTHLY, as_of=date(2023, 4, 30))
    assert finding.found == "the month of 2023-04-01 has not ended on 2023-04-30"


def test_limits_in_days_mean_days_for_every_frequency(tmp_path: Path) -> None:
    dates = SUNDAYS.range(SUNDAYS.first_from(START), 20)
    read(tmp_path, dates, SUNDAYS, Contract(min_days=140))
    finding = refused(tmp_path, dates, SUNDAYS, contract=Contract(min_days=141))
    assert finding.found == f"20 weeks from {dates[0]} to {dates[-1]}"


def test_series_of_a_weekly_table_are_told_in_weeks(tmp_path: Path) -> None:
    dates = SUNDAYS.range(SUNDAYS.first_from(START), 30)
    lines = ["Shop,Day,Units", *(f"A,{day},1" for day in dates), *(f"B,{day},1" for day in dates[2:])]
    (tmp_path / "t.csv").write_text("\n".join(lines), encoding="utf-8")
    rule = SeriesRule(
        name="shops", keys=("Shop",), measure="Units", aggregation="sum", missing="zero", frequency="week-sunday"
    )
    panel = read_table(tmp_path / "t.csv", SOURCE, rule)[0]
    assert np.array_equal(panel.values[1, :3], [0, 0, 1])
    assert panel.notes == (
        f"1 series filled with zeros at the start, perhaps new: B: no row before {dates[2]}, 2 weeks",
    )  # fmt: skip
