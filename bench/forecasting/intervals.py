"""How well do intervals cover each weekday, with one half-width and with one for each weekday?

    python -m bench.forecasting.intervals

Reads the families of the gate simulation. Two recipes are calibrated on eight weekly origins and scored on the eight
that follow 77 days later, as training and the gate do, at up to eight decisions eight weeks apart.
"""

from __future__ import annotations

import argparse
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bench.forecasting.gate_data import Table, tables
from forecasting.evaluation import calibration
from forecasting.evaluation.backtest import Windows, actuals_of, backtest
from forecasting.evaluation.calibration import LEVELS, half_widths_of, interval_score
from forecasting.evaluation.metrics import Actuals
from forecasting.models.catalog import make_recipe
from forecasting.models.recipe import Array, History

SEASON, HORIZON, STEP, ORIGINS, DECISIONS = 7, 28, 7, 8, 8
SPAN = HORIZON + (ORIGINS - 1) * STEP
FIRST = 84 + 2 * SPAN  # days of history at the first decision
RECIPES = (
    make_recipe("same_weekday_mean", {"weeks": 8.0}),
    make_recipe("ridge_direct", {"alpha": 1.0, "scaled": 1.0}),
)
ALONE = 20  # series that are judged one by one
BUSY = 1 / 3  # of the days that such a series is active
WEIGHTS = (0, 30, 100, 300)
"""Residuals of a weekday at which its own quantile weighs as much as that of all; the product's is one of them."""
Rows = NDArray[np.int64]
Case = tuple[Actuals, Array, Actuals, Array]
"""Actuals and forecasts of the windows that calibrate, and of those that are scored."""


def cases(table: Table, *, alone: bool) -> Iterator[Case]:
    """Every decision and recipe, over all series or one by one."""
    days = table.values.shape[1]
    for end in list(range(days, FIRST, -8 * STEP))[:DECISIONS]:
        last = table.last.date().toordinal() - (days - end)
        history = History(table.values[:, :end], table.last.date().fromordinal(last), SEASON, HORIZON)
        windows = [
            Windows(tuple(range(first, first + ORIGINS * STEP, STEP)), HORIZON)
            for first in (end - 2 * SPAN, end - SPAN)
        ]
        known = [actuals_of(history, each) for each in windows]
        varies = np.all([each.usable for each in known], axis=0)
        for recipe in RECIPES:
            made = [backtest(history, [recipe], each)[recipe.label] for each in windows]
            for rows in _singles(table, varies) if alone else [np.flatnonzero(varies)]:
                yield known[0].rows(rows), made[0][rows], known[1].rows(rows), made[1][rows]


def _singles(table: Table, varies: NDArray[np.bool_]) -> Iterator[Rows]:
    busy = np.flatnonzero(varies & ((table.values > 0).mean(axis=1) >= BUSY))
    for row in busy[:: max(1, len(busy) // ALONE)]:
        yield np.array([row])


def scores(case: Case, level: float, weight: int | None) -> tuple[float, float, float, float]:
    """Coverage, the smallest and the largest of a weekday, and the Winkler score. weight: None for one half-width."""
    before, earlier, after, later = case
    if weight is not None:
        calibration.HALF_WEIGHT = weight
    width = half_widths_of(earlier, before, 1 if weight is None else SEASON)[LEVELS.index(level)]
    found = interval_score(later, after, width, level, 0.0)
    shares = found.by_place.values()
    return found.coverage, min(shares), max(shares), found.winkler


def row(name: str, found: list[Case]) -> str:
    """One row of the table."""
    cells = []
    for level in LEVELS:
        one = np.array([scores(case, level, None) for case in found])
        by_weight = {weight: np.array([scores(case, level, weight) for case in found]) for weight in WEIGHTS}
        cells += [_shown(one), _shown(by_weight[100])]
        changes = (float(np.median(by_weight[weight][:, 3] / one[:, 3])) - 1 for weight in WEIGHTS)
        cells.append(" / ".join(f"{change:+.1%}" for change in changes))
    return f"| {name} | {len(found)} | {' | '.join(cells)} |"


def _shown(found: Array) -> str:
    overall, low, high = np.median(found[:, :3], axis=0)
    return f"{overall:.0%} ({low:.0%} to {high:.0%})"


def main() -> int:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shared", type=Path, default=Path("../shared/data"), help="folder of the two retail files")
    parser.add_argument("--packages", type=Path, default=Path("build/gate_packages"), help="folder of the others")
    args = parser.parse_args()
    warnings.simplefilter("ignore", RuntimeWarning)
    changes = f"Winkler score, weight {' / '.join(map(str, WEIGHTS))}"
    columns = [f"{level:.0%}: {what}" for level in LEVELS for what in ("one width", "by weekday", changes)]
    print(f"| family | cases | {' | '.join(columns)} |\n|{'---|' * (len(columns) + 2)}")
    for table in tables(args.shared, args.packages):
        for alone in (False, True)[: 1 + table.alone]:
            name = f"{table.name}, {'one by one' if alone else len(table.values)}"
            print(row(name, list(cases(table, alone=alone))), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
