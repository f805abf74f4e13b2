"""Step 1: lag features of the daily amount paid. The same file runs under every runner."""

from __future__ import annotations

import argparse
from pathlib import Path

import pandas as pd
from sklearn.preprocessing import StandardScaler

LAGS = (1, 2, 7, 14, 21, 28)
LAST_DAY = "2014-05-31"  # the table thins out afterwards


def main(argv: list[str] | None = None) -> int:
    """Write features.csv: a row a day with the lags, the weekday (scaled) and the value `y`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="the table, or a folder that holds only it")
    parser.add_argument("--features", type=Path, required=True, help="folder for features.csv")
    arguments = parser.parse_args(argv)
    source: Path = arguments.data
    table = pd.read_csv(next(source.glob("*.csv")) if source.is_dir() else source, parse_dates=["TransactionDate"])
    days = table[table["TransactionDate"] <= LAST_DAY].groupby("TransactionDate")[["Amount", "Transactions"]].sum()
    series = days["Amount"] / days["Transactions"]
    columns = {f"lag{lag}": series.shift(lag) for lag in LAGS}
    columns["weekday"] = series.index.to_series().dt.day_of_week
    raw = pd.DataFrame(columns).dropna()
    features = pd.DataFrame(StandardScaler().fit_transform(raw), index=raw.index, columns=raw.columns)
    features["y"] = series
    arguments.features.mkdir(parents=True, exist_ok=True)
    features.to_csv(arguments.features / "features.csv")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
