"""Weekly and monthly tables of others, from `problems new` to a forecast and a report that speaks of their steps.

The tables come with statsmodels and are in the public domain: carbon dioxide on Mauna Loa by Keeling and Whorf, sea
surface temperatures of the Pacific by NOAA.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import NamedTuple, Protocol

import pandas as pd
import pytest
from statsmodels.datasets import co2, elnino  # type: ignore[import-untyped]

from forecasting.calendars import Calendar, calendar_of
from forecasting.models.model_file import read_model
from forecasting.serving.forecaster import Forecaster
from ml_service.output.console import Terminal
from ml_service.settings.new_problem import Columns
from ml_service.settings.problems import new


class Ended(Protocol):
    code: int
    out: str
    err: str


Step = Callable[..., Ended]


class Told(NamedTuple):
    """A table, what it is and what must be said of it."""

    table: pd.DataFrame
    calendar: Calendar
    last: date
    horizon: int
    words: tuple[str, ...]


def weekly() -> Told:
    values = co2.load_pandas().data["co2"].iloc[-730:].interpolate()
    table = pd.DataFrame({"Date": values.index.strftime("%Y-%m-%d"), "Value": values.to_numpy()})
    words = ("weekly values, 12 weeks ahead", "52 weeks", "12 weeks ahead from\n8 dates", "4 weeks ahead")
    return Told(table, calendar_of("week-saturday"), date(2001, 12, 29), 12, words)


def monthly() -> Told:
    wide = elnino.load_pandas().data
    long = wide.melt("YEAR", var_name="Month", value_name="Value").dropna()
    dates = pd.to_datetime(long["YEAR"].astype(int).astype(str) + long["Month"], format="%Y%b")
    table = pd.DataFrame({"Date": dates.dt.strftime("%Y-%m-%d"), "Value": long["Value"]})
    table = table[dates >= "1980"].sort_values("Date")
    words = ("monthly values, 6 months ahead", "12 months", "6 months ahead from\n12 dates", "3 months ahead")
    return Told(table, calendar_of("month"), date(2010, 12, 1), 6, words)


@pytest.mark.parametrize("told", [weekly, monthly], ids=lambda told: told.__name__)
def test_a_table_gets_from_a_new_problem_to_a_forecast(step: Step, tmp_path: Path, told: Callable[[], Told]) -> None:
    table, calendar, last, horizon, words = told()
    table.to_csv(tmp_path / "theirs.csv", index=False)
    columns = Columns("Date", "Value", (), "mean")
    problem = new(Terminal(as_json=False), "theirs", columns, tmp_path, tmp_path / "theirs.csv")
    candidate, evaluation = tmp_path / "candidate", tmp_path / "evaluation"
    words_of_step = ("--problem", problem, "--candidate", candidate)
    assert step("train", *words_of_step, "--data", tmp_path / "theirs.csv").code == 0
    ended = step("evaluate", *words_of_step, "--evaluation", evaluation, "--champion", "none")
    assert ended.code in {0, 3}, ended.err  # whether it is good enough is the gate's business
    report = (evaluation / "report.html").read_text()
    assert [word for word in words if word not in report] == []
    assert "days" not in report.replace("max_age_days", "")
    model = read_model(candidate).model
    service = Forecaster(model)
    entries = service.answer(service.read({"horizon": horizon}))["forecast"]
    assert [entry["date"] for entry in entries] == [
        str(day) for day in calendar.range(calendar.after(last, 1), horizon)
    ]
    spread = table["Value"].max() - table["Value"].min()
    assert all(abs(entry["value"] - table["Value"].iloc[-1]) < spread for entry in entries)
