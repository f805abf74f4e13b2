"""How well do the shipped candidates forecast, against AutoETS and AutoTheta of statsforecast as a reference?

    uv venv --python python3.11 .bench/reference
    uv pip sync --python .bench/reference/bin/python --require-hashes bench/requirements/reference.txt
    python -m bench.forecasting.accuracy --data FILE --reference .bench/reference/bin/python [--holidays GB]

FILE has a day a row and a series a column. Every recipe is refitted at the same origins, spread evenly over the last
year, or the last third of a shorter history. Without --reference only our recipes are compared.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from forecasting.data.future import HOLIDAYS_AHEAD, holidays_of
from forecasting.evaluation.backtest import Windows, backtest
from forecasting.evaluation.metrics import Actuals, by_series, scales_of
from forecasting.known import Known
from forecasting.models.catalog import BASELINE, make_recipe
from forecasting.models.recipe import History, Recipe

Array = NDArray[np.float64]
SEASON, HORIZON = 7, 28
YEAR = 364
TREES = {"rounds": 100.0, "leaves": 15.0, "min_rows": 50.0, "rate": 0.1, "scaled": 1.0}
RIDGE = {"alpha": 1.0, "scaled": 1.0}


def recipes(days: int) -> list[Recipe]:
    """The shipped candidates of many series, with the year before where the first origin sees it."""
    window = make_recipe("window_mean", {"days": 56.0})
    found = [BASELINE, make_recipe("same_weekday_mean", {"weeks": 8.0}), window, make_recipe("holt_winters", {})]
    for year in (0.0, 1.0) if days >= YEAR + 8 * SEASON else (0.0,):
        more = {"year": year} if year else {}
        found += [make_recipe("ridge_direct", RIDGE | more), make_recipe("histgb_direct", TREES | more)]
    return [*found, make_recipe("mean_of", {}, [window, make_recipe("ridge_direct", RIDGE)])]


def read(path: Path, series: int) -> tuple[date, Array]:
    """The first day and the values of so many series, drawn evenly, shape (series, days)."""
    frame = pd.read_csv(path, index_col=0, parse_dates=True)
    values = frame.to_numpy(np.float64).T
    chosen = np.unique(np.linspace(0, len(values) - 1, series).astype(int))
    return frame.index[0].date(), np.ascontiguousarray(values[chosen])


def history_of(first: date, values: Array, country: str) -> History:
    """The series, with the holidays of a country where one is named."""
    days = values.shape[1]
    last = first + timedelta(days=days - 1)
    known = None
    if country:
        holidays = holidays_of(country, first - timedelta(days=1), last + HOLIDAYS_AHEAD)
        known = Known((), np.zeros((len(values), days, 0)), days, holidays)
    return History(values, last, SEASON, HORIZON, known=known)


def mase(forecasts: Array, values: Array, origins: Sequence[int]) -> float:
    """Mean MASE of the series that vary before the first origin."""
    places = np.array(origins)[:, None] + np.arange(HORIZON)
    scales, squares = scales_of(values, tuple(origins), SEASON)
    actuals = Actuals(values[:, places], forecasts, scales, squares, places % SEASON)
    usable = actuals.usable
    return float(by_series(forecasts[usable], actuals.rows(usable), "mase").mean())


def references(python: Path, values: Array, origins: Sequence[int]) -> Iterator[tuple[str, Array]]:
    """The forecasts of statsforecast's models, by name."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        np.save(folder / "values.npy", values)
        task = {"season": SEASON, "horizon": HORIZON, "origins": list(origins)}
        (folder / "task.json").write_text(json.dumps(task))
        script = Path(__file__).with_name("reference.py")
        subprocess.run([str(python), "-W", "ignore", str(script), str(folder)], check=True)
        for path in sorted(folder.glob("Auto*.npy")):
            yield path.stem, np.load(path, allow_pickle=False)


def main() -> int:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="day a row, series a column (.csv or .csv.gz)")
    parser.add_argument("--series", type=int, default=100, help="so many of them, drawn evenly (default 100)")
    parser.add_argument("--origins", type=int, default=6, help="forecast origins (default 6)")
    parser.add_argument("--holidays", default="", metavar="COUNTRY", help="holidays that the direct recipes see")
    parser.add_argument("--reference", type=Path, help="Python of the environment that has statsforecast")
    given = parser.parse_args()
    first, values = read(given.data, given.series)
    days = values.shape[1]
    start = max(days - HORIZON - YEAR, 2 * days // 3)
    origins = [int(origin) for origin in np.linspace(start, days - HORIZON, given.origins)]
    dates = ", ".join(str(first + timedelta(days=day)) for day in origins)
    print(f"{len(values)} series, {days} days, origins {dates}\n")
    print("| recipe | MASE | seconds |\n|---|---|---|")
    history = history_of(first, values, given.holidays)
    for recipe in recipes(start):
        began = time.perf_counter()
        made = backtest(history, [recipe], Windows(tuple(origins), HORIZON))[recipe.label]
        print(
            f"| `{recipe.label}` | {mase(made, values, origins):.3f} | {time.perf_counter() - began:.1f} |",
            flush=True,
        )
    for name, made in references(given.reference, values, origins) if given.reference else ():
        print(f"| {name} | {mase(np.maximum(made, 0), values, origins):.3f} | |", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
