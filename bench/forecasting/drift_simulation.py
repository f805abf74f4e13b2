"""False alarms and power of the drift statistics, on surrogates of real series with and without injected shifts.

    python -m bench.forecasting.drift_simulation

A surrogate is made of whole weeks drawn with replacement from the real ones, the same weeks for every series: it has
the week and the dependence between series, and no change in time. A shift is then put into its last 28 days. The rate
without a shift is that of false alarms; real joint drift of stable data alarms more often.
"""

from __future__ import annotations

import argparse
import sys
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from bench.forecasting.gate_data import Table, tables
from forecasting.evaluation.drift import SHARES, drift_of
from forecasting.models.recipe import Array

HORIZON, SEASON, LAGS = 28, 7, 8
WEEKS = 52 + 20
ORIGINS = (*range(-52, -47), -11, -10, -9, -8, -4)  # weeks before the end: those of a gate that end before the newest
CALIBRATION = range(-24, -12)
POOLED = 50
Shift = Callable[[Array, np.random.Generator], Array]


def _lost(window: Array, chance: np.random.Generator) -> Array:
    return window * (chance.random(window.shape) < 0.5)


def _ended(window: Array, chance: np.random.Generator) -> Array:
    return window * (chance.random((len(window), 1)) > 0.3)


SHIFTS: dict[str, Shift] = {
    "none": lambda window, _: window,
    "level x 1.5": lambda window, _: window * 1.5,
    "level x 0.5": lambda window, _: window * 0.5,
    "weekdays moved by three": lambda window, _: np.roll(window, 3, axis=1),
    "half of the days lost": _lost,
    "unit x 1000": lambda window, _: window * 1000,
    "30 % of the series end": _ended,
}


def surrogate(values: Array, chance: np.random.Generator) -> Array:
    """Whole weeks drawn with replacement, the same for every series."""
    weeks = values.shape[1] // SEASON
    whole = values[:, : weeks * SEASON].reshape(len(values), weeks, SEASON)
    drawn = whole[:, chance.integers(0, weeks, WEEKS)]
    return np.asarray(drawn.reshape(len(values), -1))


def errors_at(values: Array, origin: int) -> Array:
    """Absolute errors of the mean of the last eight same weekdays, shape (series, days ahead)."""
    profile = values[:, origin - LAGS * SEASON : origin].reshape(len(values), LAGS, SEASON).mean(axis=1)
    return np.asarray(np.abs(np.tile(profile, HORIZON // SEASON) - values[:, origin : origin + HORIZON]))


def alarms(values: Array) -> tuple[dict[str, float], tuple[str, ...]]:
    """Shares and alarms of a history whose last window may have drifted."""
    end = values.shape[1]
    by_origin = [errors_at(values, end + week * SEASON) for week in ORIGINS]
    calibration = np.concatenate([errors_at(values, end + week * SEASON) for week in CALIBRATION], axis=1)
    inside = by_origin[-1] <= np.quantile(calibration, 0.8, axis=1, keepdims=True)
    found = drift_of(
        values, HORIZON, SEASON, np.stack([error.mean(axis=1) for error in by_origin], axis=1), inside.mean(axis=1)
    )
    return found.shares, found.alarms


def rates(table: Table, series: int, draws: int) -> dict[str, dict[str, float]]:
    """Share of draws with an alarm, by shift and statistic; "any" is one of them."""
    busy = np.flatnonzero((table.values > 0).mean(axis=1) >= 0.2)
    found: dict[str, dict[str, float]] = {}
    for name, shift in SHIFTS.items():
        chance = np.random.default_rng(1)
        counts = dict.fromkeys((*SHARES, "any"), 0)
        for _ in range(draws):
            rows = chance.choice(busy, min(series, len(busy)), replace=False)
            values = surrogate(table.values[rows], chance)
            values[:, -HORIZON:] = shift(values[:, -HORIZON:], chance)
            raised = alarms(values)[1]
            for statistic in (*raised, *(["any"] if raised else [])):
                counts[statistic] += 1
        found[name] = {statistic: count / draws for statistic, count in counts.items()}
    return found


def show(title: str, found: dict[str, dict[str, float]]) -> None:
    """A table: a shift a row, a statistic a column."""
    columns: Sequence[str] = (*SHARES, "any")
    print(f"\n### {title}\n\n| shift | {' | '.join(columns)} |\n|{'---|' * (len(columns) + 1)}")
    for name, by_statistic in found.items():
        print(f"| {name} | {' | '.join(f'{by_statistic[column]:.0%}' for column in columns)} |")


def main() -> int:
    """Print the rates of every family, pooled and for one series."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shared", type=Path, default=Path("../shared/data"), help="folder of the two retail files")
    parser.add_argument(
        "--packages", type=Path, default=Path("build/gate_packages"), help="folder to install data to"
    )
    parser.add_argument("--draws", type=int, default=200, help="surrogates of each family and shift")
    args = parser.parse_args()
    warnings.simplefilter("ignore", RuntimeWarning)
    for table in tables(args.shared, args.packages):
        for series in (POOLED, 1):
            count = min(series, len(table.values))
            show(f"{table.name}, {count} series a problem", rates(table, series, args.draws))
    return 0


if __name__ == "__main__":
    sys.exit(main())
